"""repomd.xml: the files of a repository, with checksums.

The format is createrepo_c's (http://linux.duke.edu/metadata/repo).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from bot.temporary import temporary_directory

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

# Names of the same metadata in other compressions, in order of preference. zchunk (`primary_zck`)
# is left out: repositories that have it also have a sibling in another compression.
_VARIANTS = {
    "primary": ("primary",),
    "filelists": ("filelists",),
    "group": ("group_zst", "group_xz", "group_gz", "group"),
    "modules": ("modules", "modules_gz"),
}
# The last second of the year 9999, after which no calendar goes on.
_LATEST = 253_402_300_799
# md5 and sha1 do not prove who made a file.
CHECKSUMS = ("sha256", "sha512", "sha384", "sha224")


class RepomdError(ValueError):
    """Not a repomd.xml, or one with forbidden content; the text says what."""


@dataclass(frozen=True, slots=True)
class Record:
    """One file of a repository: sizes in bytes, null if repomd.xml does not state them.

    `checksum` and `size` are those of the file as transferred, the `open_` ones of its content.
    `base` is the file's own base URL, if it is not the repository's.
    """

    type: str
    href: str
    checksum_type: str
    checksum: str
    size: int | None = None
    open_checksum_type: str | None = None
    open_checksum: str | None = None
    open_size: int | None = None
    timestamp: int = 0
    base: str | None = None


@dataclass(frozen=True, slots=True)
class Repomd:
    """A parsed repomd.xml; `timestamp` is its newest, in seconds since 1970, 0 if it has none."""

    revision: str
    timestamp: int
    records: tuple[Record, ...]

    def record(self, type_: str) -> Record | None:
        """The record of `primary`, `filelists`, `group` or `modules`, in any compression."""
        by_type = {record.type: record for record in self.records}
        for name in _VARIANTS.get(type_, (type_,)):
            if name in by_type:
                return by_type[name]
        return None


@cache
def createrepo() -> Any:
    """Import createrepo_c.

    Its wheel contains an rpm of its own, which reads the host's rpm macros on import and prints an
    error if they are of another version: it gets an empty macro path.
    """
    before = os.environ.get("RPM_CONFIGDIR")
    with temporary_directory("rpm") as directory:
        for name in ("rpmrc", "macros"):
            (directory / name).touch()
        os.environ["RPM_CONFIGDIR"] = str(directory)
        try:
            import createrepo_c
        finally:
            del os.environ["RPM_CONFIGDIR"]
            if before is not None:
                os.environ["RPM_CONFIGDIR"] = before
    return createrepo_c


def parse_xml(content: bytes) -> Element:
    """The root of a small XML document without a document type. Raises RepomdError."""
    from xml.etree import ElementTree

    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise RepomdError("it declares a document type, which no such file does")
    try:
        return ElementTree.fromstring(content)  # expat limits what entities may grow to
    # An encoding unknown to Python or expat raises no ParseError.
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise RepomdError(f"it is not XML: {error}") from error


def local_name(tag: str) -> str:
    """An element's or attribute's name without its namespace."""
    return tag.rpartition("}")[2]


def parse_repomd(content: bytes) -> Repomd:
    """Parse `content`. Raises RepomdError."""
    root = parse_xml(content)
    if local_name(root.tag) != "repomd":
        raise RepomdError(f"it is not a repomd.xml: its root is `{local_name(root.tag)[:80]}`")
    data = [child for child in root if local_name(child.tag) == "data"]
    records = tuple(_record(_fields(element)) for element in data)
    if not any(record.type == "primary" for record in records):
        raise RepomdError("it lists no primary metadata that can be read")
    timestamp = max((record.timestamp for record in records), default=0)
    revisions = [child.text or "" for child in root if local_name(child.tag) == "revision"]
    return Repomd("".join(revisions).strip(), timestamp, records)


def _fields(data: Element) -> dict[str, str]:
    """The texts of one record by element, and its attributes: `checksum@type`."""
    fields = {"data": data.get("type", "")}
    for element in data:
        name = local_name(element.tag)
        fields[name] = element.text or ""
        fields |= {f"{name}@{local_name(key)}": value for key, value in element.items()}
    return fields


def _record(fields: dict[str, str]) -> Record:
    type_, href = fields["data"], fields.get("location@href", "")
    # A file outside the repository is not part of it.
    if not href or href.startswith("/") or ".." in href.split("/") or "://" in href:
        raise RepomdError(f"the location of {type_}, `{href}`, is not inside the repository")
    checksum, opened = _hex(fields, "checksum"), _hex(fields, "open-checksum")
    if not checksum:
        raise RepomdError(f"the checksum of {type_} is missing")
    return Record(
        type=type_,
        href=href,
        checksum_type=fields.get("checksum@type", ""),
        checksum=checksum,
        size=_number(fields, "size"),
        open_checksum_type=fields.get("open-checksum@type"),
        open_checksum=opened or None,
        open_size=_number(fields, "open-size"),
        timestamp=_number(fields, "timestamp", _LATEST) or 0,
        base=fields.get("location@base"),
    )


def _hex(fields: dict[str, str], name: str) -> str:
    text = fields.get(name, "").strip().lower()
    if any(c not in "0123456789abcdef" for c in text):
        raise RepomdError(f"the {name} of {fields['data']}, `{text[:80]}`, is not a number")
    return text


def number_of(text: str) -> int | None:
    """The number in ASCII digits; null for other texts and for numbers above any file's."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def _number(fields: dict[str, str], name: str, most: int = 2**63 - 1) -> int | None:
    text = fields.get(name, "").strip()
    if not text:
        return None
    try:
        number = int(text.partition(".")[0])  # old createrepo wrote seconds with a fraction
    except ValueError:
        number = -1
    if not 0 <= number <= most:
        raise RepomdError(f"the {name} of {fields['data']}, `{text[:80]}`, is not a number")
    return number
