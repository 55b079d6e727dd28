"""Where a spec file's sources come from: beside it, from the lookaside, or from their URL.

A dist-git repository keeps large files elsewhere and lists them beside the spec: `sources`
(`SHA512 (file) = hash`, once `md5 file`), CentOS's `.NAME.metadata` (`sha1 SOURCES/file`), Azure
Linux's `NAME.signatures.json`. The lookaside's address is a template such as

    https://src.fedoraproject.org/repo/pkgs/rpms/{name}/{file}/{hashtype}/{hash}/{file}

Names, lists and links come from the change's author: nothing here leaves the checkout.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from bot.errors import ChangeError
from bot.model import SpecSource

FEDORA_LOOKASIDE = (
    "https://src.fedoraproject.org/repo/pkgs/rpms/{name}/{file}/{hashtype}/{hash}/{file}"
)
CENTOS_LOOKASIDE = (
    "https://sources.stream.centos.org/sources/rpms/{name}/{file}/{hashtype}/{hash}/{file}"
)
_BSD_LINE = re.compile(
    r"^(?P<type>[A-Za-z0-9]+)\s*\((?P<file>[^)]+)\)\s*=\s*(?P<hash>[0-9a-fA-F]+)$"
)
_PLAIN_LINE = re.compile(r"^(?P<hash>[0-9a-fA-F]{32,128})\s+\*?(?P<file>\S.*)$")
_TYPE_OF_LENGTH = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}
_LIST_BYTES = 1_000_000
_FIELD = re.compile(r"\{(\w+)\}")


class SourcesError(ChangeError):
    """A source is not there, is not what it should be, or has a name that is refused."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A file of the lookaside, and what its content must be (`algorithm` as hashlib calls it)."""

    name: str
    algorithm: str
    checksum: str


@dataclass(frozen=True, slots=True)
class WantedSource:
    """One `Source` or `Patch`: the file's `name` in the build, and where it can come from.

    `local` is a file of the checkout; else `listed` and `url` are where to fetch it: with both,
    the lookaside first, and the checksum holds for either.
    """

    tag: str
    name: str
    local: Path | None = None
    listed: Listed | None = None
    url: str | None = None


def wanted_sources(
    checkout: Path, spec_path: str, sources: Iterable[SpecSource]
) -> tuple[WantedSource, ...]:
    """Where each of a spec's sources comes from. SourcesError for one that is nowhere."""
    directory = source_directory(checkout, spec_path)
    lists: dict[str, Listed] = {}
    for place in {directory: None, (checkout / spec_path).parent: None, checkout: None}:
        lists = {**read_lists(place), **lists}
    found: dict[str, WantedSource] = {}
    for source in sources:
        name = checked_name(source.location.rsplit("/", 1)[-1])
        if name in found:
            continue
        listed = lists.get(name)
        url = source.location if "://" in source.location else None
        local = inside(checkout, directory / name)
        if local is None and listed is None and url is None:
            raise SourcesError(
                f"{source.tag} of {spec_path}: {name} is not beside the spec file, is in no"
                " list of sources there, and is no URL.",
                "Add the file, or upload it to the lookaside and commit `sources`.",
            )
        if local is not None:
            found[name] = WantedSource(source.tag, name, local=local)
        else:
            found[name] = WantedSource(source.tag, name, listed=listed, url=url)
    return tuple(found.values())


def source_directory(checkout: Path, spec_path: str) -> Path:
    """Where `Source:` files lie: beside the spec, or in SOURCES/ beside its SPECS/."""
    directory = (checkout / spec_path).parent
    beside = directory.with_name("SOURCES")
    return beside if directory.name == "SPECS" and beside.is_dir() else directory


def inside(checkout: Path, path: Path) -> Path | None:
    """`path` if it is a regular file of the checkout, links followed; null if there is none.

    SourcesError for a link that leads out of the checkout: a change's author may not have the
    server's files read.
    """
    if not (path.is_symlink() or path.exists()):
        return None
    real = path.resolve()
    if not real.is_relative_to(checkout.resolve()):
        raise SourcesError(f"{path.name} is a link out of the repository; it is not followed.")
    return real if real.is_file() else None


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


def lookaside_url(template: str, package: str, listed: Listed) -> str:
    """The URL of a lookaside file; SourcesError if the template has other fields than ours."""
    values = {
        "name": quote(package, safe=""),
        "file": quote(listed.name, safe=""),
        "hashtype": listed.algorithm,
        "hash": listed.checksum,
    }
    rest = _FIELD.sub("", template)
    unknown = set(_FIELD.findall(template)) - values.keys()
    if unknown or "{" in rest or urlsplit(template).scheme not in {"http", "https"}:
        raise SourcesError(
            f"The lookaside {template!r} is no http(s) URL with {{name}}, {{file}}, {{hashtype}}"
            " and {hash}.",
            "Correct `lookaside` in .minimize.yaml.",
        )
    return _FIELD.sub(lambda match: values[match[1]], template)


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
