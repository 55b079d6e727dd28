"""The payload of an RPM file: decompressed as it is read, and checked against the header.

The payload is untrusted. Its archive (cpio newc, and rpm's own format without names for large
files) is read here in plain Python: a name is only a key into the header's list of files, whose
paths were checked, and not more bytes are read than the header says.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from bot.image.listing import FileEntry, Listing
from bot.image.rpmheader import RefusedPackageError

_CHUNK = 1 << 18
_NEWC, _STRIPPED = b"070701", b"07070X"
_TRAILER = "TRAILER!!!"
_MAX_NAME = 4096 + 2
_WINDOW = 1 << 27
_XZ_MEMORY = 256 << 20
# Bytes that may follow the archive: cpio pads to blocks.
_MAX_REST = 1 << 16
# OpenPGP's numbers (RFC 9580, section 9.5), as rpm uses them for file digests.
_ALGORITHMS = {1: "md5", 2: "sha1", 8: "sha256", 9: "sha384", 10: "sha512", 11: "sha224"}


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


Content = Iterator[bytes]
# Called with the file's index in the listing, its content's size, and the content.
Take = Callable[[int, int, Content], None]


def read_payload(name: str, path: Path, listing: Listing, take: Take) -> None:
    """Pass every file of the payload to `take`, in the archive's order.

    `take` gets the content of regular files (of hard links: with the entry that has it; the others
    have no content); it need not read it. Raises RefusedPackageError, naming the package, where the
    payload differs from its header: other names, sizes, digests, or more data.
    """
    with path.open("rb") as stream:
        stream.seek(listing.header_end)
        with _decompress(name, stream, listing.compressor) as source:
            _Archive(name, source, listing, take).read()


class _Archive:
    def __init__(self, name: str, source: _Readable, listing: Listing, take: Take) -> None:
        self._name = name
        self._source = source
        self._files = listing.files
        self._algorithm = _ALGORITHMS.get(listing.digest_algorithm)
        self._take = take
        self._by_path = {entry.path: index for index, entry in enumerate(listing.files)}
        self._last = _last_of_groups(listing.files)
        self._position = 0

    def read(self) -> None:
        indexes: set[int] = set()
        while (member := self._next()) is not None:
            index, size = member
            if index in indexes:
                raise self._refusal(f"its payload has {self._files[index].path} twice")
            indexes.add(index)
            self._file(index, size)
            self._align()
        rest = 0
        while chunk := self._source.read(_CHUNK):
            rest += len(chunk)
            if rest > _MAX_REST:
                raise self._refusal("its payload is larger than its header says")

    def _next(self) -> tuple[int, int] | None:
        """Return the index and size of the next file; None at the end."""
        magic = self._bytes(6)
        if magic == _STRIPPED:
            index = self._hexadecimal(self._bytes(8))
            self._align()
            if index >= len(self._files):
                raise self._refusal("its payload has a file that its header does not list")
            return index, self._stored_size(index)
        if magic != _NEWC:
            raise self._refusal("its payload is no cpio archive")
        header = self._bytes(104)
        size = self._hexadecimal(header[48:56])
        length = self._hexadecimal(header[88:96])
        if not 0 < length <= _MAX_NAME:
            raise self._refusal("a name in its payload is too long")
        name = self._bytes(length)[:-1].decode("utf-8", "surrogateescape")
        self._align()
        if name == _TRAILER:
            return None
        path = name.removeprefix(".")
        number = self._by_path.get(path) if name.startswith("./") else None
        if number is None:
            raise self._refusal(f"its payload has {name!r}, which its header does not list")
        return number, size

    def _stored_size(self, index: int) -> int:
        """Return the size of a file's data where the archive does not say it: the header's."""
        entry = self._files[index]
        if stat.S_ISLNK(entry.mode):
            return entry.size
        if not stat.S_ISREG(entry.mode):
            return 0
        return entry.size if not entry.links or self._last[entry.links] == index else 0

    def _file(self, index: int, size: int) -> None:
        entry = self._files[index]
        if stat.S_ISREG(entry.mode):
            if size != entry.size and not (size == 0 and entry.links):
                raise self._refusal(
                    f"{entry.path} has {size} bytes in its payload, {entry.size} in its header"
                )
            content = self._content(entry, size)
            self._take(index, size, content)
            for _ in content:
                pass  # unread content is read too, and checked
            return
        if size:
            limit = len(entry.link.encode("utf-8", "surrogateescape")) + 1
            if not stat.S_ISLNK(entry.mode) or size > limit:
                raise self._refusal(f"{entry.path} has data in its payload, and should have none")
            self._bytes(size)
        self._take(index, 0, iter(()))

    def _content(self, entry: FileEntry, size: int) -> Content:
        digest = hashlib.new(self._algorithm) if self._algorithm and size else None
        remaining = size
        while remaining:
            chunk = self._source.read(min(remaining, _CHUNK))
            if not chunk:
                raise self._refusal("its payload is cut off")
            remaining -= len(chunk)
            self._position += len(chunk)
            if digest is not None:
                digest.update(chunk)
            yield chunk
        if digest is not None and entry.digest and digest.hexdigest() != entry.digest:
            raise self._refusal(f"the content of {entry.path} differs from its header")

    def _bytes(self, size: int) -> bytes:
        content = b""
        while len(content) < size:
            chunk = self._source.read(size - len(content))
            if not chunk:
                raise self._refusal("its payload is cut off")
            content += chunk
        self._position += size
        return content

    def _align(self) -> None:
        self._bytes(-self._position % 4)

    def _hexadecimal(self, digits: bytes) -> int:
        try:
            return int(digits.decode("ascii"), 16)
        except ValueError as error:
            raise self._refusal("its payload is no cpio archive") from error

    def _refusal(self, why: str) -> RefusedPackageError:
        return RefusedPackageError(self._name, why)


def _last_of_groups(files: tuple[FileEntry, ...]) -> dict[int, int]:
    return {entry.links: index for index, entry in enumerate(files) if entry.links}


@contextmanager
def _decompress(name: str, stream: BinaryIO, compressor: str) -> Iterator[_Readable]:
    """Return the payload's archive, decompressed; errors of the decompressor refuse the package."""
    import bz2
    import lzma
    import zlib

    import zstandard

    reader: _Readable
    if compressor == "zstd":
        reader = zstandard.ZstdDecompressor(max_window_size=_WINDOW).stream_reader(
            stream, read_across_frames=True
        )
    elif compressor in ("xz", "lzma"):
        # Packages for which liblzma needs more memory than this are refused.
        reader = _Lzma(stream, lzma.LZMADecompressor(memlimit=_XZ_MEMORY))
    elif compressor == "gzip":
        import gzip

        reader = gzip.GzipFile(fileobj=stream)
    elif compressor == "bzip2":
        reader = bz2.BZ2File(stream)
    elif compressor in ("identity", "none"):
        reader = stream
    else:
        raise RefusedPackageError(name, f"its payload is compressed with {compressor!r}")
    try:
        yield reader
    except (zstandard.ZstdError, lzma.LZMAError, zlib.error, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise RefusedPackageError(name, f"its payload cannot be unpacked: {error}") from error


class _Lzma:
    """A reader over a decompressor that bounds what one read can produce."""

    def __init__(self, stream: BinaryIO, decompressor: object) -> None:
        import lzma

        assert isinstance(decompressor, lzma.LZMADecompressor)
        self._stream = stream
        self._decompressor = decompressor

    def read(self, size: int, /) -> bytes:
        while not self._decompressor.eof:
            data = self._stream.read(_CHUNK) if self._decompressor.needs_input else b""
            if not data and self._decompressor.needs_input:
                raise EOFError("it is cut off")
            chunk = self._decompressor.decompress(data, max_length=size)
            if chunk:
                return chunk
        return b""
