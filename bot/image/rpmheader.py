"""The header of an RPM file: lead, signature, header (rpm's docs/manual/format_v4.md).

Headers are untrusted (a change's author built some of them), so this is plain Python: every offset
and count is checked before use, and errors name the package.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import BinaryIO

from bot.errors import ChangeError
from bot.limits import HEADER, HEADER_VALUES

LEAD = 96
_LEAD_MAGIC = b"\xed\xab\xee\xdb"
_MAGIC = b"\x8e\xad\xe8\x01"
_INTRO = struct.Struct(">4s4xII")
_ENTRY = struct.Struct(">IIiI")
# rpm's own limit (lib/header.c, HEADER_TAGS_MAX); our limit on data is below its 256 MiB.
_MAX_ENTRIES = 0xFFFF
_INTEGERS = {2: (1, "B"), 3: (2, "H"), 4: (4, "I"), 5: (8, "Q")}
_STRING, _BINARY, _STRINGS, _TRANSLATED = 6, 7, 8, 9


def printable(text: str) -> str:
    """Return a text of a header for display and storage: invalid UTF-8 becomes U+FFFD."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


class RefusedPackageError(ChangeError):
    """A package that must not, or cannot, become part of an image; `what` names it."""

    def __init__(self, package: str, why: str) -> None:
        self.package = package
        self.why = printable(why)
        super().__init__(f"The package {package} is refused: {self.why}.")


class Header:
    """The tags of one header. Numbers are those of rpm's include/rpm/rpmtag.h."""

    def __init__(self, name: str, content: bytes) -> None:
        self._name = name
        end = _size(name, content)
        if len(content) < end:
            raise RefusedPackageError(name, "its header is cut off")
        size = _INTRO.unpack_from(content)[2]
        start = end - size
        self._data = content[start:end]
        self._tags = {
            tag: (kind, offset, count)
            for tag, kind, offset, count in _ENTRY.iter_unpack(content[_INTRO.size : start])
        }

    def __contains__(self, tag: int) -> bool:
        return tag in self._tags

    def numbers(self, tag: int) -> tuple[int, ...]:
        """Return the integers of a tag, none if it is absent."""
        if tag not in self._tags:
            return ()
        kind, offset, count = self._tags[tag]
        if kind not in _INTEGERS:
            raise self._broken_tag(tag)
        width, letter = _INTEGERS[kind]
        self._refuse_many(tag, count)
        if not 0 <= offset <= len(self._data) - width * count:
            raise self._broken_tag(tag)
        return struct.unpack_from(f">{count}{letter}", self._data, offset)

    def number(self, tag: int) -> int | None:
        """Return the first integer of a tag; None if it is absent."""
        numbers = self.numbers(tag)
        return numbers[0] if numbers else None

    def texts(self, tag: int) -> tuple[str, ...]:
        """Return the strings of a tag, none if it is absent; invalid UTF-8 is preserved.

        Equal ones are one object: most of 100,000 files have the same owner.
        """
        decoded: dict[bytes, str] = {}
        return tuple(
            decoded[raw]
            if raw in decoded
            else decoded.setdefault(raw, raw.decode("utf-8", "surrogateescape"))
            for raw in self._strings(tag)
        )

    def text(self, tag: int) -> str:
        """Return the first string of a tag, or an empty one."""
        strings = self._strings(tag)
        return strings[0].decode("utf-8", "surrogateescape") if strings else ""

    def binary(self, tag: int) -> bytes | None:
        """Return the bytes of a binary tag, or None."""
        if tag not in self._tags:
            return None
        kind, offset, count = self._tags[tag]
        if kind != _BINARY or not 0 <= offset <= len(self._data) - count:
            raise self._broken_tag(tag)
        return self._data[offset : offset + count]

    def _strings(self, tag: int) -> list[bytes]:
        if tag not in self._tags:
            return []
        kind, offset, count = self._tags[tag]
        if kind == _STRING:
            count = 1
        elif kind not in (_STRINGS, _TRANSLATED):
            raise self._broken_tag(tag)
        self._refuse_many(tag, count)
        # Each string has at least its final zero byte: a larger count is false.
        if not 0 <= offset <= len(self._data) - count:
            raise self._broken_tag(tag)
        strings = self._data[offset:].split(b"\0", count)
        if len(strings) <= count:
            raise self._broken_tag(tag)
        return strings[:count]

    def _refuse_many(self, tag: int, count: int) -> None:
        if count > HEADER_VALUES:
            raise RefusedPackageError(self._name, f"the tag {tag} of its header has {count} values")

    def _broken_tag(self, tag: int) -> RefusedPackageError:
        return RefusedPackageError(self._name, f"the tag {tag} of its header is broken")


def read_headers(name: str, content: bytes) -> tuple[Header, Header, int]:
    """Return signature, header, and the header's end, from the beginning of an RPM file."""
    if not content.startswith(_LEAD_MAGIC):
        raise RefusedPackageError(name, "it is no RPM file")
    start = start_of_header(name, content)
    end = start + _size(name, content[start : start + _INTRO.size])
    if len(content) < end:
        raise RefusedPackageError(name, "its header is cut off")
    return Header(name, content[LEAD:start]), Header(name, content[start:end]), end


def start_of_header(name: str, content: bytes) -> int:
    """Return the header's start: after the lead and the signature, which is padded to 8 bytes."""
    end = LEAD + _size(name, content[LEAD : LEAD + _INTRO.size])
    return end + -end % 8


def header_bytes(name: str, stream: BinaryIO) -> bytes:
    """Return an RPM file up to the end of its header, where the stream is left."""
    read = _exactly(name, stream)
    lead = read(LEAD)
    if not lead.startswith(_LEAD_MAGIC):
        raise RefusedPackageError(name, "it is no RPM file")
    intro = read(_INTRO.size)
    size = _size(name, intro)
    signature = intro + read(size - _INTRO.size + -size % 8)
    intro = read(_INTRO.size)
    return lead + signature + intro + read(_size(name, intro) - _INTRO.size)


def _exactly(name: str, stream: BinaryIO) -> Callable[[int], bytes]:
    def read(size: int) -> bytes:
        content = stream.read(size)
        if len(content) != size:
            raise RefusedPackageError(name, "its header is cut off")
        return content

    return read


def _size(name: str, intro: bytes) -> int:
    if len(intro) < _INTRO.size:
        raise RefusedPackageError(name, "its header is cut off")
    magic, entries, size = _INTRO.unpack_from(intro)
    if magic != _MAGIC:
        raise RefusedPackageError(name, "it has no RPM header where one should be")
    if entries > _MAX_ENTRIES or size > HEADER:
        raise RefusedPackageError(name, f"its header has {entries} tags and {size} bytes")
    return _INTRO.size + _ENTRY.size * int(entries) + int(size)
