"""Entries of a tar archive, POSIX pax format: their bytes, and their size without the bytes."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

BLOCK = 512
END = bytes(2 * BLOCK)
_NAME, _PREFIX = 100, 155
_MAX_SIZE = 8**11 - 1
_MAX_ID = 8**7 - 1
_KINDS = {
    stat.S_IFREG: b"0",
    stat.S_IFLNK: b"2",
    stat.S_IFDIR: b"5",
    stat.S_IFIFO: b"6",
}


@dataclass(frozen=True, slots=True)
class TarEntry:
    """One entry. `path` has no leading slash; `mode` includes the file's type.

    `link` is a symbolic link's target, or with `hard` the path (in the archive) of the entry whose
    content this one shares. `attributes` are extended attributes.
    """

    path: str
    mode: int
    uid: int = 0
    gid: int = 0
    size: int = 0
    mtime: int = 0
    link: str = ""
    hard: bool = False
    attributes: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def stored(self) -> int:
        """Bytes of content that follow the entry's header, without their padding."""
        return self.size if stat.S_ISREG(self.mode) and not self.hard else 0


def padding(size: int) -> bytes:
    """The padding of the last block of a content of `size` bytes."""
    return bytes(-size % BLOCK)


def entry_size(entry: TarEntry) -> int:
    """Bytes that an entry takes, with its content and padding."""
    stored = entry.stored
    extended = len(_extended(entry, _split(_raw(entry.path))[1]))
    return extended + BLOCK + stored + -stored % BLOCK


def entry_header(entry: TarEntry) -> bytes:
    """The headers before an entry's content: a pax header where one is needed, and its own."""
    prefix, name = _split(_raw(entry.path))
    extended = _extended(entry, name)
    kind = b"1" if entry.hard else _KINDS[stat.S_IFMT(entry.mode)]
    stored = entry.stored
    return extended + _block(
        name[:_NAME],
        prefix,
        kind,
        entry.mode & 0o7777,
        (entry.uid if entry.uid <= _MAX_ID else 0, entry.gid if entry.gid <= _MAX_ID else 0),
        stored if stored <= _MAX_SIZE else 0,
        entry.mtime,
        _raw(entry.link)[:_NAME],
    )


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _split(path: bytes) -> tuple[bytes, bytes]:
    """Prefix and name, as ustar divides a path; the name too long where it cannot be divided."""
    if len(path) <= _NAME:
        return b"", path
    place = path.rfind(b"/", 0, _PREFIX + 1)
    # A directory's closing slash must not become an empty name.
    if place > 0 and 0 < len(path) - place - 1 <= _NAME:
        return path[:place], path[place + 1 :]
    return b"", path


def _extended(entry: TarEntry, name: bytes) -> bytes:
    records: list[tuple[str, bytes]] = []
    link = _raw(entry.link)
    if len(name) > _NAME or not entry.path.isascii():
        records.append(("path", _raw(entry.path)))
    if len(link) > _NAME or not entry.link.isascii():
        records.append(("linkpath", link))
    if entry.stored > _MAX_SIZE:
        records.append(("size", b"%d" % entry.stored))
    if entry.uid > _MAX_ID:
        records.append(("uid", b"%d" % entry.uid))
    if entry.gid > _MAX_ID:
        records.append(("gid", b"%d" % entry.gid))
    if not entry.hard:
        for attribute, value in sorted(entry.attributes.items()):
            records.append((f"SCHILY.xattr.{attribute}", value))
    if not records:
        return b""
    content = b"".join(_record(key, value) for key, value in records)
    header = _block(b"././@PaxHeader", b"", b"x", 0o644, (0, 0), len(content), 0, b"")
    return header + content + padding(len(content))


def _record(key: str, value: bytes) -> bytes:
    """`LENGTH KEY=VALUE`, the length counting its own digits too."""
    rest = b" " + key.encode() + b"=" + value + b"\n"
    length = len(rest)
    while length != len(rest) + len(str(length)):
        length = len(rest) + len(str(length))
    return b"%d" % length + rest


def _block(
    name: bytes,
    prefix: bytes,
    kind: bytes,
    mode: int,
    ids: tuple[int, int],
    size: int,
    mtime: int,
    link: bytes,
) -> bytes:
    fields = (
        name.ljust(_NAME, b"\0"),
        b"%07o\0%07o\0%07o\0%011o\0%011o\0" % (mode, *ids, size, mtime),
        b" " * 8,
        kind,
        link.ljust(_NAME, b"\0"),
        b"ustar\x0000",
        bytes(64),  # no owner names: a reader must not look them up on its own machine
        b"0000000\x000000000\0",
        prefix.ljust(_PREFIX, b"\0"),
        bytes(12),
    )
    block = b"".join(fields)
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def without_content(entries: Iterable[TarEntry]) -> bytes:
    """Entries that have no content (directories, links), one after the other."""
    return b"".join(entry_header(entry) for entry in entries)
