"""Tar archives in POSIX pax format: the bytes of entries, and cached parts, compressed once."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO, Self

import deflate
import zstandard

from bot.distro.cache import Cache
from bot.model.result import LayerSize

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
    """One entry.

    `path` has no leading slash; `mode` includes the file's type. `link` is a symbolic link's
    target, or with `hard` the path (in the archive) of the entry with the content. `attributes` are
    extended attributes.
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
        """The bytes of content after the entry's header, without padding."""
        return self.size if stat.S_ISREG(self.mode) and not self.hard else 0


def padding(size: int) -> bytes:
    """Return the padding of the last block of a content of `size` bytes."""
    return bytes(-size % BLOCK)


def entry_header(entry: TarEntry) -> bytes:
    """Return the headers before an entry's content: a pax header if needed, and its own."""
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
    """Return prefix and name, as ustar divides a path; the name is too long where it cannot."""
    if len(path) <= _NAME:
        return b"", path
    place = path.rfind(b"/", 0, _PREFIX + 1)
    # A directory's final slash must not become an empty name.
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
    """Return `LENGTH KEY=VALUE`; the length counts its own digits too."""
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
        bytes(64),  # no owner names: a reader must not use those of its own machine
        b"0000000\x000000000\0",
        prefix.ljust(_PREFIX, b"\0"),
        bytes(12),
    )
    block = b"".join(fields)
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def without_content(entries: Iterable[TarEntry]) -> bytes:
    """Return entries without content (directories, links), concatenated."""
    return b"".join(entry_header(entry) for entry in entries)


# To be raised with any change to the bytes of a part.
FORMAT = "1"
_GZIP_LEVEL, _ZSTD_LEVEL = 6, 3
# deflate looks back 32 KiB: members of this size cost 0.1 %, and bound the memory.
_MEMBER = 4 << 20
_KIND = "fragments"


@dataclass(frozen=True, slots=True)
class PartSize:
    """The bytes of a part, in the archive and compressed."""

    uncompressed: int = 0
    gzip: int = 0
    zstd: int = 0

    def __add__(self, other: PartSize) -> PartSize:
        return PartSize(
            self.uncompressed + other.uncompressed,
            self.gzip + other.gzip,
            self.zstd + other.zstd,
        )

    @property
    def layer(self) -> LayerSize:
        """The same as in results."""
        return LayerSize(self.uncompressed, self.gzip, self.zstd)


@dataclass(frozen=True, slots=True)
class Part:
    """A cached part: `gzip_file` and `zstd_file` have the same bytes of the archive."""

    size: PartSize
    gzip_file: Path
    zstd_file: Path


@dataclass(frozen=True, slots=True)
class SmallPart:
    """A part that is not cached, but made each time."""

    size: PartSize
    gzip_bytes: bytes
    zstd_bytes: bytes


def small_part(content: bytes) -> SmallPart:
    """Return the part of content that fits into memory."""
    gzip_bytes = b"".join(
        bytes(deflate.gzip_compress(content[start : start + _MEMBER], _GZIP_LEVEL))
        for start in range(0, len(content), _MEMBER)
    )
    zstd_bytes = _compressor().compress(content) if content else b""
    return SmallPart(
        PartSize(len(content), len(gzip_bytes), len(zstd_bytes)), gzip_bytes, zstd_bytes
    )


def _compressor() -> zstandard.ZstdCompressor:
    return zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_checksum=True)


class PartStore:
    """The parts in a cache, by a key of everything that their bytes depend on."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def get(self, key: str) -> Part | None:
        """Return the part `key`, None if it is not complete; it counts as used now."""
        record, gzip_file, zstd_file = self._places(key)
        try:
            size = PartSize(**json.loads(record.read_bytes()))
            whole = (gzip_file.stat().st_size, zstd_file.stat().st_size) == (size.gzip, size.zstd)
        except (OSError, ValueError, TypeError):
            return None
        if not whole:
            return None
        with suppress(OSError):  # another user's cache, or removed just now: read or make it
            os.utime(record)
        return Part(size, gzip_file, zstd_file)

    def make(self, key: str, fill: Callable[[PartWriter], None]) -> Part:
        """Return the part `key` from the cache, or made of what `fill` writes.

        It is complete or absent: the record is written last, and a part without one does not exist.
        """
        part = self.get(key)
        if part is not None:
            return part
        record, gzip_file, zstd_file = self._places(key)
        with (
            self._cache.replacing(gzip_file) as gzip_new,
            self._cache.replacing(zstd_file) as zstd_new,
        ):
            with PartWriter(gzip_new, zstd_new) as writer:
                fill(writer)
            size = writer.size
        self._cache.write(record, json.dumps(asdict(size)).encode())
        return Part(size, gzip_file, zstd_file)

    def _places(self, key: str) -> tuple[Path, Path, Path]:
        place = self._cache.addressed
        return place(_KIND, key, "json"), place(_KIND, key, "gz"), place(_KIND, key, "zst")


class PartWriter:
    """Writes a part's two files from a stream of bytes."""

    def __init__(self, gzip_file: Path, zstd_file: Path) -> None:
        self._gzip: BinaryIO = gzip_file.open("wb")
        self._zstd: BinaryIO = zstd_file.open("wb")
        self._frame = _compressor().compressobj()
        self._waiting = bytearray()
        # libdeflate compresses a member while the archive goes on: at most two wait.
        self._worker = ThreadPoolExecutor(1)
        self._member: Future[None] | None = None
        self._uncompressed = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                if self._waiting:
                    self._hand_over(bytes(self._waiting))
                self._finish_member()
                if self._uncompressed:
                    self._zstd.write(self._frame.flush())
        finally:
            self._worker.shutdown()
            self._gzip.close()
            self._zstd.close()
        if kind is None:
            self.size = PartSize(
                self._uncompressed,
                Path(self._gzip.name).stat().st_size,
                Path(self._zstd.name).stat().st_size,
            )

    def write(self, content: bytes) -> None:
        """Append bytes of the archive."""
        self._uncompressed += len(content)
        self._waiting += content
        if len(self._waiting) >= _MEMBER:
            self._compress()

    def _compress(self) -> None:
        """Compress the waiting bytes, divided where a member is full, however they arrived."""
        while len(self._waiting) >= _MEMBER:
            self._hand_over(bytes(self._waiting[:_MEMBER]))
            del self._waiting[:_MEMBER]

    def _hand_over(self, member: bytes) -> None:
        self._finish_member()
        self._member = self._worker.submit(self._write_member, member)
        self._zstd.write(self._frame.compress(member))

    def _write_member(self, member: bytes) -> None:
        self._gzip.write(deflate.gzip_compress(member, _GZIP_LEVEL))

    def _finish_member(self) -> None:
        if self._member is not None:
            self._member.result()
            self._member = None


def key_of(*parts: object) -> str:
    """Return a part's key: a SHA-256 of our format and everything that the part depends on."""
    text = json.dumps([FORMAT, *parts], separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
