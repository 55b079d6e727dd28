"""Owners of paths and paths of packages, from filelists.xml, searched without parsing all of it."""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable, Collection
from pathlib import Path

_ENTRY = re.compile(rb'<package pkgid="([^"]+)"|<file(?: type="[a-z]+")?>([^<]*)</file>')
_PACKAGE = b'<package pkgid="'
_SLASHES = re.compile(r"/{2,}")


def in_primary(path: str) -> bool:
    """Return whether primary.xml lists this path for every package that owns it.

    This is createrepo_c's rule (cr_is_primary), also libsolv's: `/etc/*`, `*bin/*` and
    `/usr/lib/sendmail`.
    """
    return path.startswith("/etc/") or "bin/" in path or path == "/usr/lib/sendmail"


def normal_path(path: str) -> str:
    """Return a path as file lists write it: no trailing slash, no doubled one."""
    return _SLASHES.sub("/", path).rstrip("/") or "/"


def owners(filelists: Path, paths: Collection[str]) -> dict[str, list[str]]:
    """Return the `pkgid` checksums of the packages that own each of `paths`, in the file's order.

    `filelists` is a decompressed filelists.xml; paths that nobody owns are left out. The file is
    mapped into memory, so that large files need little of it.
    """
    names = {_escaped(path): path for path in paths}
    return _scan(filelists, names.get) if names else {}


def matching(filelists: Path, matches: Callable[[str], bool]) -> dict[str, list[str]]:
    """Return the same as `owners` for every path that passes a test."""

    def path_of(name: bytes) -> str | None:
        path = _unescaped(name)
        return path if matches(path) else None

    return _scan(filelists, path_of)


def owners_below(filelists: Path, directories: Collection[str]) -> list[str]:
    """Return the `pkgid`s of the packages that own a file or link below one of `directories`.

    They are in the file's order. Directories and ghosts do not count: they bring no content. The
    names of `directories` end in a slash and must need no escaping in XML.
    """
    if filelists.stat().st_size == 0:
        return []
    pkgids: dict[int, str] = {}
    with filelists.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for directory in directories:
            # A search for the bytes is some hundred times faster than reading every entry.
            name = b"<file>" + directory.encode()
            position = data.find(name)
            while position >= 0:
                start = data.rfind(_PACKAGE, 0, position) + len(_PACKAGE)
                pkgids[start] = data[start : data.find(b'"', start)].decode(errors="replace")
                end = data.find(b"</package>", position)
                position = data.find(name, end) if end >= 0 else -1
    return [pkgids[start] for start in sorted(pkgids)]


def files_of(filelists: Path, checksums: Collection[str]) -> dict[str, list[str]]:
    """Return the paths of each package whose `pkgid` is among `checksums`, in the file's order.

    Only those packages' entries are read; the others are skipped.
    """
    encoded = {checksum.encode() for checksum in checksums}
    paths: dict[str, list[str]] = {}
    if not encoded or filelists.stat().st_size == 0:
        return paths
    with filelists.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        start = data.find(_PACKAGE)
        while start >= 0 and len(paths) < len(encoded):
            first = start + len(_PACKAGE)
            checksum = data[first : data.find(b'"', first)]
            if checksum in encoded:
                end = data.find(b"</package>", first)
                entries = _ENTRY.finditer(data, first, end if end >= 0 else len(data))
                paths[checksum.decode(errors="replace")] = [
                    _unescaped(entry[2]) for entry in entries
                ]
            start = data.find(_PACKAGE, first)
    return paths


def _escaped(path: str) -> bytes:
    # xml.sax.saxutils would do, but importing it takes as long as the rest of a command.
    return path.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").encode()


def _unescaped(name: bytes) -> str:
    text = name.decode(errors="replace")
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _scan(filelists: Path, path_of: Callable[[bytes], str | None]) -> dict[str, list[str]]:
    pkgids: dict[str, list[str]] = {}
    if filelists.stat().st_size == 0:
        return pkgids
    package = b""
    with filelists.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for match in _ENTRY.finditer(data):
            if match[1] is not None:
                package = match[1]
                continue
            path = path_of(match[2])
            if path is not None:
                pkgids.setdefault(path, []).append(package.decode(errors="replace"))
    return pkgids
