"""Checking a metadata file against what repomd.xml says of it, and unpacking it."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Protocol

from bot.distro.repomd import CHECKSUMS, Record
from bot.errors import SurroundingsError

# What no metadata of a distribution reaches: Fedora's filelists are below 1 GB.
MAX_OPEN = 4_000_000_000
MAX_PACKED = 1_000_000_000
_CHUNK = 1 << 20
_XZ_MEMORY = 256 << 20
_ZSTD_WINDOW = 1 << 27


class RefusedFileError(SurroundingsError):
    """A file is not what was said of it: truncated, corrupt, too large or another one."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"{name} is refused: {why}.",
            "The mirror may be out of step or damaged: try again, or name another one.",
        )
        self.name = name
        self.why = why


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def check_file(path: Path, name: str, size: int | None, checksum_type: str, checksum: str) -> None:
    """Raises RefusedFileError, naming `name`, unless `path` has this size and checksum."""
    actual = path.stat().st_size
    if size is not None and actual != size:
        raise RefusedFileError(name, f"it has {actual} bytes, {size} were said")
    digest = new_digest(checksum_type, name)
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    if digest.hexdigest() != checksum:
        raise RefusedFileError(name, f"its {checksum_type} checksum is another than was said")


def new_digest(checksum_type: str, name: str) -> hashlib._Hash:
    """A digest of a type that is still worth something; RefusedFileError for others."""
    if checksum_type not in CHECKSUMS:
        known = ", ".join(CHECKSUMS)
        raise RefusedFileError(name, f"its checksum is of type `{checksum_type}`, not {known}")
    return hashlib.new(checksum_type)


def unpack(packed: Path, name: str, record: Record, target: Path) -> None:
    """Writes the content of `packed` (checked before) to `target`, and checks it on the way.

    Reads no further than the size that was said, or MAX_OPEN where none was: a file that would
    unpack to more is refused before it fills the disk. Raises RefusedFileError; OSError is the
    caller's (the disk).

    File lists with another `open-checksum` than was said are taken with a warning: the checksum of
    the packed file already binds their content, dnf's librepo does not look at the other one, and
    real repositories (a CentOS Stream 9 compose) have it wrong.
    """
    limit = min(MAX_OPEN, MAX_OPEN if record.open_size is None else record.open_size)
    digest = None
    if record.open_checksum is not None:
        digest = new_digest(record.open_checksum_type or "", name)
    written = 0
    with packed.open("rb") as stream, target.open("wb") as output:
        reader, broken = opened(stream, name)
        while True:
            try:
                chunk = reader.read(_CHUNK)
            except broken as error:
                raise RefusedFileError(name, f"it cannot be unpacked: {error}") from error
            if not chunk:
                break
            written += len(chunk)
            if written > limit:
                raise RefusedFileError(name, f"it unpacks to more than the {limit} bytes allowed")
            if digest is not None:
                digest.update(chunk)
            output.write(chunk)
    if record.open_size is not None and written != record.open_size:
        raise RefusedFileError(name, f"it unpacks to {written} bytes, {limit} were said")
    if digest is not None and digest.hexdigest() != record.open_checksum:
        why = f"the {record.open_checksum_type} checksum of its content is another than was said"
        if record.type != "filelists":
            raise RefusedFileError(name, why)
        import logging

        logging.getLogger(__name__).warning("%s: %s; its own checksum is right", name, why)


def opened(stream: IO[bytes], name: str) -> tuple[_Readable, tuple[type[Exception], ...]]:
    """A reader of the content, by the file's first bytes, and the errors it raises."""
    magic = stream.read(6)
    stream.seek(0)
    for start, opener in _OPENERS.items():
        if magic.startswith(start):
            return opener(stream)
    if magic.startswith((b"\0ZCK1", b"\0ZHR1")):
        raise RefusedFileError(name, "it is zchunk, and no plain sibling is offered")
    return stream, ()


def _gzip(stream: IO[bytes]) -> tuple[_Readable, tuple[type[Exception], ...]]:
    import gzip
    import zlib

    return gzip.GzipFile(fileobj=stream), (gzip.BadGzipFile, EOFError, zlib.error)


def _bzip2(stream: IO[bytes]) -> tuple[_Readable, tuple[type[Exception], ...]]:
    import bz2

    return bz2.BZ2File(stream), (OSError, EOFError, ValueError)


def _xz(stream: IO[bytes]) -> tuple[_Readable, tuple[type[Exception], ...]]:
    import lzma

    return _XzReader(stream), (lzma.LZMAError, EOFError)


def _zstd(stream: IO[bytes]) -> tuple[_Readable, tuple[type[Exception], ...]]:
    import zstandard

    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    return decompressor.stream_reader(stream, read_across_frames=True), (zstandard.ZstdError,)


class _XzReader:
    """lzma.LZMAFile has no limit on memory, its decompressor has."""

    def __init__(self, stream: IO[bytes]) -> None:
        from lzma import LZMADecompressor

        self._stream = stream
        self._new = functools.partial(LZMADecompressor, memlimit=_XZ_MEMORY)
        self._xz = self._new()

    def read(self, size: int, /) -> bytes:
        while True:
            if self._xz.eof:
                rest = self._xz.unused_data or self._stream.read(_CHUNK)
                # Streams may follow each other, with padding of null bytes between them.
                rest = rest.lstrip(b"\0")
                if not rest:
                    return b""
                self._xz = self._new()
            elif self._xz.needs_input:
                rest = self._stream.read(_CHUNK)
                if not rest:
                    raise EOFError("it ends too early")
            else:
                rest = b""
            chunk = self._xz.decompress(rest, size)
            if chunk:
                return chunk


_OPENERS: dict[bytes, Callable[[IO[bytes]], tuple[_Readable, tuple[type[Exception], ...]]]] = {
    b"\x1f\x8b": _gzip,
    b"BZh": _bzip2,
    b"\xfd7zXZ\x00": _xz,
    b"\x28\xb5\x2f\xfd": _zstd,
}
