"""Lists of the files that a repository keeps in a lookaside cache, beside a spec file.

dist-git has `sources` (`SHA512 (file) = hash`, once `md5 file`), CentOS `.NAME.metadata`
(`sha1 SOURCES/file`), Azure Linux `NAME.signatures.json`. Names and lists come from the change's
author.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.errors import ChangeError

_BSD_LINE = re.compile(
    r"^(?P<type>[A-Za-z0-9]+)\s*\((?P<file>[^)]+)\)\s*=\s*(?P<hash>[0-9a-fA-F]+)$"
)
_PLAIN_LINE = re.compile(r"^(?P<hash>[0-9a-fA-F]{32,128})\s+\*?(?P<file>\S.*)$")
_TYPE_OF_LENGTH = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}
_LIST_BYTES = 1_000_000


class SourcesError(ChangeError):
    """A source is not there, is not what it should be, or has a name that is refused."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A file of the lookaside, and what its content must be (`algorithm` as hashlib calls it)."""

    name: str
    algorithm: str
    checksum: str


def source_directory(checkout: Path, spec_path: str) -> Path:
    """Where `Source:` files lie: beside the spec, or in SOURCES/ beside its SPECS/."""
    directory = (checkout / spec_path).parent
    beside = directory.with_name("SOURCES")
    return beside if directory.name == "SPECS" and beside.is_dir() else directory


def checked_name(name: str) -> str:
    """`name` if it can be a file name in the build's source directory, else SourcesError."""
    if not name or name in {".", ".."} or "/" in name or len(name.encode()) > 255:
        raise SourcesError(f"{name!r} is no file name for a source.")
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        raise SourcesError(f"{name!r} has control characters; it is no file name for a source.")
    return name


def read_lists(directory: Path) -> Mapping[str, Listed]:
    """The lookaside files that the lists beside a spec name, by file name.

    A line that is none of the known forms is SourcesError with its place; so is a bad name.
    """
    listed: dict[str, Listed] = {}
    paths = [directory / "sources", *sorted(directory.glob(".*.metadata"))]
    for path in paths:
        for one in _lines(path):
            listed.setdefault(one.name, one)
    for path in sorted(directory.glob("*.signatures.json")):
        for one in _signatures(path):
            listed.setdefault(one.name, one)
    return listed


def _text(path: Path) -> str:
    if path.is_symlink() or not path.is_file():
        return ""
    if path.stat().st_size > _LIST_BYTES:
        raise SourcesError(f"{path.name} is larger than a list of sources can be.")
    return path.read_text("utf-8", "replace")


def _lines(path: Path) -> Iterator[Listed]:
    for number, line in enumerate(_text(path).splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _BSD_LINE.match(text) or _PLAIN_LINE.match(text)
        if match is None:
            raise SourcesError(
                f"{path.name}:{number}: {text[:80]!r} is neither `SHA512 (file) = hash` nor"
                " `hash file`."
            )
        yield _listed(match["file"], match["hash"], f"{path.name}:{number}")


def _signatures(path: Path) -> Iterator[Listed]:
    text = _text(path)
    if not text:
        return
    try:
        data = json.loads(text)
        entries = dict(data["Signatures"])
    except (ValueError, KeyError, TypeError) as error:
        raise SourcesError(f"{path.name} is not a list of signatures: {error}") from error
    for name, checksum in entries.items():
        yield _listed(str(name), str(checksum), path.name)


def _listed(file: str, checksum: str, place: str) -> Listed:
    algorithm = _TYPE_OF_LENGTH.get(len(checksum))
    if algorithm is None or not re.fullmatch(r"[0-9a-fA-F]+", checksum):
        raise SourcesError(f"{place}: {checksum[:80]!r} is no checksum of a known length.")
    # CentOS writes SOURCES/file: the directory is its own, the build knows only the name.
    name = file.strip().removeprefix("SOURCES/")
    return Listed(checked_name(name), algorithm, checksum.lower())
