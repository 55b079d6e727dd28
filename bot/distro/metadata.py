"""A repository's metadata files, verified and unpacked in the cache, by checksum."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Protocol

from bot import limits
from bot.distro.cache import Cache
from bot.distro.failover import RefusedFileError, RetryPolicy
from bot.distro.repomd import Record
from bot.distro.transfer import new_digest, obtain
from bot.model.package import NO_ACCESS, RepositoryAccess
from bot.telemetry.measures import looked_up

_CHUNK = 1 << 20
_XZ_MEMORY = 256 << 20
_ZSTD_WINDOW = 1 << 27
_KIND = "metadata"
# Mirrors that are tried for one file: one that has repomd.xml mostly has the files it names.
_MIRRORS = 4


def metadata_file(
    record: Record,
    base_urls: Sequence[str],
    cache: Cache,
    access: RepositoryAccess = NO_ACCESS,
    retry_policy: RetryPolicy | None = None,
) -> Path:
    """The unpacked content of `record`; fetched and verified the first time, then cached.

    Raises RefusedFileError naming a file that does not match repomd.xml, SurroundingsError if it
    cannot be fetched.
    """
    name = re.sub(r"[^a-z_]", "", record.type.lower()) or "data"
    place = cache.addressed(_KIND, record.checksum, f"{name}.open")
    cached = place.exists()
    looked_up("metadata", hit=cached)
    if cached:
        cache.mark_used(place)
        return place
    urls = _urls(record, base_urls)
    with cache.lock(f"unpack-{record.checksum[:3]}"):
        if place.exists():
            return place
        packed = cache.addressed("packed", record.checksum)
        source = obtain(
            urls,
            cache,
            packed,
            checksum_type=record.checksum_type,
            checksum=record.checksum,
            size=record.size,
            limit=limits.METADATA_PACKED,
            access=access,
            retry_policy=retry_policy,
        )
        try:
            with cache.replacing(place) as temporary:
                unpack(source, urls[0], record, temporary)
        finally:
            packed.unlink(missing_ok=True)
    return place


def forget(checksum: str, cache: Cache) -> None:
    """Delete the unpacked content of the file `checksum`, if it exists."""
    place = cache.addressed(_KIND, checksum)
    for path in place.parent.glob(f"{checksum}-*"):
        path.unlink(missing_ok=True)


def _urls(record: Record, base_urls: Sequence[str]) -> list[str]:
    if record.base is None:
        return [base + record.href for base in base_urls[:_MIRRORS]]
    url = f"{record.base.rstrip('/')}/{record.href}"
    if not url.startswith(("https://", "http://")):
        raise RefusedFileError(url, "repomd.xml names another base that is not HTTP")
    return [url]


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def unpack(packed: Path, name: str, record: Record, target: Path) -> None:
    """Write the content of `packed` (verified before) to `target`, checking it.

    Raises as `unpacked`; the caller handles OSError (the disk).
    """
    with packed.open("rb") as stream, target.open("wb") as output:
        for piece in unpacked(stream, name, record):
            output.write(piece)


def unpacked(stream: IO[bytes], name: str, record: Record) -> Iterator[bytes]:
    """The content of a packed metadata file, in pieces; errors may come only at its end.

    Reads at most the stated size, or the limit if none is stated, so that a bomb cannot fill the
    disk. Raises RefusedFileError. File lists with a wrong `open-checksum` are accepted with a
    warning: the checksum of the packed file covers their content, dnf's librepo does not check the
    other one, and real repositories (a CentOS Stream 9 compose) have it wrong.
    """
    limit = min(limits.METADATA, limits.METADATA if record.open_size is None else record.open_size)
    digest = None
    if record.open_checksum is not None:
        digest = new_digest(record.open_checksum_type or "", name)
    written = 0
    reader, broken = opened(stream, name)
    while True:
        try:
            piece = reader.read(_CHUNK)
        except broken as error:
            raise RefusedFileError(name, f"it cannot be unpacked: {error}") from error
        if not piece:
            break
        written += len(piece)
        if written > limit:
            raise RefusedFileError(name, f"it unpacks to more than the {limit} bytes allowed")
        if digest is not None:
            digest.update(piece)
        yield piece
    if record.open_size is not None and written != record.open_size:
        raise RefusedFileError(name, f"it unpacks to {written} bytes instead of {limit}")
    if digest is not None and digest.hexdigest() != record.open_checksum:
        why = f"the {record.open_checksum_type} checksum of its content does not match repomd.xml"
        if record.type != "filelists":
            raise RefusedFileError(name, why)
        import logging

        logging.getLogger(__name__).warning("%s: %s; its own checksum is right", name, why)


def opened(stream: IO[bytes], name: str) -> tuple[_Readable, tuple[type[Exception], ...]]:
    """A reader of the content, chosen by the file's first bytes, and the errors that it raises.
    Raises RefusedFileError for zchunk.
    """
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
    """A reader of xz with a limit on memory, which lzma.LZMAFile lacks."""

    def __init__(self, stream: IO[bytes]) -> None:
        from lzma import LZMADecompressor

        self._stream = stream
        self._new = functools.partial(LZMADecompressor, memlimit=_XZ_MEMORY)
        self._xz = self._new()

    def read(self, size: int, /) -> bytes:
        while True:
            if self._xz.eof:
                rest = self._xz.unused_data or self._stream.read(_CHUNK)
                # Streams may be concatenated, with padding of null bytes between them.
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
