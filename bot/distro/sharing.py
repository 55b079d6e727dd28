"""Configuration documents from elsewhere: those that come with minimize, and those of a server.

A server shares its documents as one JSON object, so that the checks it makes can be made again on
any machine: `{"documents": {"nginx.yaml": "text"}, "base_images": [row]}`. Documents hold no
secrets, only references to them. User names and passwords of a document from elsewhere are
never read: it could name any file of this machine, and the server that gets its content.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from bot import limits
from bot.distro.cache import Cache
from bot.distro.documents import Configuration
from bot.distro.load import SETTINGS_FILE, documents_in, load_configuration
from bot.errors import SurroundingsError, UsageError

# The path of a server's documents.
SHARED = "/api/documents"
_NAME = re.compile(r"(?![.])[^/\0]{1,250}\.yaml")
# Larger than any configuration: Fedora's has 519 documents, 1 MB.
_LIMIT = 32 * limits.MEBIBYTE

# Fields of `RepositoryAccess` whose files or variables would be sent to the document's servers. The
# key of a client certificate is only proved to be there.
_CREDENTIALS = ("username", "password", "proxy_username", "proxy_password")

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SharedDocuments:
    """A server's documents, in `folder` of the cache, and its table of base images."""

    folder: Path
    base_images: tuple[Row, ...] = ()


def built_in_documents() -> Path:
    """Return the directory of minimize's own documents: in the wheel or the checkout."""
    package = Path(str(resources.files("bot")))
    in_wheel = package / "config"
    return in_wheel if in_wheel.is_dir() else package.parent / "config"


def is_built_in(folder: Path) -> bool:
    """Return whether a folder has the documents that come with minimize, and no others."""
    return documents_in(folder) == documents_in(built_in_documents())


def documents_to_json(folder: Path, base_images: Iterable[Row]) -> dict[str, object]:
    """Return what a server shares: the documents of `folder`, and the rows without local folders.

    Raises UsageError if the folder cannot be read.
    """
    texts = {name: text.decode("utf-8", "replace") for name, text in documents_in(folder).items()}
    return {"documents": texts, "base_images": [_without_files(row) for row in base_images]}


def _without_files(row: Row) -> dict[str, object]:
    """A row of the table of base images without its folder, which is of one machine only."""
    return {key: value for key, value in row.items() if key != "files"}


def _shared_row(value: Row) -> Row:
    """A row that a server shares; ValueError if it is none."""
    from bot.settings.values import BaseImageRow

    row = _without_files(value)
    BaseImageRow.model_validate(row)
    return row


def fetch_documents(url: str, cache: Cache) -> SharedDocuments:
    """Fetch a server's documents into the cache.

    Raises SurroundingsError if the server does not answer, or with something else, and UsageError
    if a document is wrong or refers to credentials.
    """
    from bot.distro.http import get

    content = get(url, _LIMIT).content or b""
    try:
        value = json.loads(content)
        texts = {name: text.encode() for name, text in value["documents"].items()}
        rows = tuple(map(_shared_row, value.get("base_images", ())))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise SurroundingsError(
            f"{url} has no configuration documents.",
            f"A server of minimize shares its own at {SHARED}; else name a folder.",
        ) from error
    for name in texts:
        if _NAME.fullmatch(name) is None or name == SETTINGS_FILE:
            raise SurroundingsError(f"{url} has a document with the name {name!r}.")
    folder = cache.root / "documents" / hashlib.sha256(content).hexdigest()
    for name, text in texts.items():
        if not (folder / name).is_file():
            cache.write(folder / name, text)
    shared = SharedDocuments(cache.directory(f"documents/{folder.name}"), rows)
    _refuse_credentials(url, load_configuration(shared.folder, cache=cache))
    return shared


def _refuse_credentials(url: str, configuration: Configuration) -> None:
    for name, document in configuration.repositories.items():
        for source in document.repos:
            access = source.access
            fields = [field for field in _CREDENTIALS if getattr(access, field) is not None]
            if fields:
                raise UsageError(
                    f"The repository {source.id} of {name}, from {url}, names credentials of this"
                    f" machine ({', '.join(fields)}), which no document from elsewhere may.",
                    "Save the documents in a folder, see what they name, and give --config FOLDER.",
                )
