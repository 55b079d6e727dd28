"""Configuration documents from elsewhere: those that come with minimize, and those of a server.

A server shares its documents as one JSON object, so that the checks it makes can be made again on
any machine: `{"documents": {"nginx.yaml": "text"}, "base_images": [row]}`. Documents hold no
secrets, only references to them, which the reader resolves for himself.
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
from bot.distro.load import SETTINGS_FILE, documents_in
from bot.errors import SurroundingsError

# The path of a server's documents.
SHARED = "/api/documents"
_NAME = re.compile(r"(?![.])[^/\0]{1,250}\.yaml")
# Larger than any configuration: Fedora's has 519 documents, 1 MB.
_LIMIT = 32 * limits.MEBIBYTE

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
    rows = [{k: v for k, v in row.items() if k != "files"} for row in base_images]
    return {"documents": texts, "base_images": rows}


def fetch_documents(url: str, cache: Cache) -> SharedDocuments:
    """Fetch a server's documents into the cache.

    Raises SurroundingsError if the server does not answer, or with something else.
    """
    from bot.distro.http import get

    content = get(url, _LIMIT).content or b""
    try:
        value = json.loads(content)
        texts = {name: text.encode() for name, text in value["documents"].items()}
        rows = tuple(dict(row) for row in value.get("base_images", ()))
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
    return SharedDocuments(cache.directory(f"documents/{folder.name}"), rows)
