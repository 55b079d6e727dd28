"""A workload's test, run in an image composed of the packages of a plan.

The image's layer is unpacked into a directory, which becomes the root of a sandbox without network.
Scriptlets do not run, as in every composed image.
"""

from __future__ import annotations

import io
import os
import platform
import tarfile
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bot.distro.cache import Cache, in_use
from bot.errors import MinimizeError
from bot.model.package import Package
from bot.sandbox.run import run_sandboxed
from bot.sandbox.values import Limits
from bot.temporary import temporary_directory

if TYPE_CHECKING:
    from bot.image.layer import Layer

_GIBIBYTE = 1024**3
_LIMITS = Limits(
    seconds=60.0, memory=2 * _GIBIBYTE, processes=256, output=1 << 20, tmp=_GIBIBYTE // 4
)
_ROOM = ("proc", "dev", "tmp", "run", "var/log", "var/tmp")


def native(arch: str) -> bool:
    """Return whether this machine runs programs of an architecture without emulation."""
    return platform.machine() == arch


def test_passes(
    packages: Sequence[Package], test: str, cache: Cache, without: Collection[str] = ()
) -> bool | None:
    """Return whether a shell command succeeds in the image of `packages`.

    The files `without` are left out. None where the image cannot be composed or the sandbox cannot
    be started.
    """
    from bot.image.layer import compose_layer

    try:
        with in_use(cache), temporary_directory("trial") as root:
            unpack(compose_layer(packages, cache, database=False), root, without)
            done = run_sandboxed(
                ["/bin/sh", "-c", test], root=root, root_writable=True, chdir="/", limits=_LIMITS
            )
    except (MinimizeError, OSError):
        return None
    return done.returncode == 0 and done.limit is None


def unpack(layer: Layer, root: Path, without: Collection[str] = ()) -> None:
    """Unpack a layer below `root`.

    All files belong to this process and none is privileged. Left out are devices, the files
    `without` (absolute paths) and hard links to them.
    """
    from bot.image.layer import archive

    with tarfile.open(fileobj=_Stream(archive(layer)), mode="r|") as opened:
        # Members are extracted as they are. By the attribute, as `extract` has no `filter` before
        # Python 3.11.4.
        opened.extraction_filter = lambda member, _root: member
        for member in opened:
            names = (member.name, member.linkname) if member.islnk() else (member.name,)
            if member.isdev() or any(f"/{name.lstrip('./')}" in without for name in names):
                continue
            member.uid, member.gid = os.getuid(), os.getgid()
            member.uname = member.gname = ""
            member.mode = (member.mode & 0o777) | (0o700 if member.isdir() else 0o600)
            opened.extract(member, root)
    for place in _ROOM:
        (root / place).mkdir(parents=True, exist_ok=True)


class _Stream(io.RawIOBase):
    """Chunks of bytes as a file that can be read once."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        parts = [self._left]
        length = len(self._left)
        while size < 0 or length < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            parts.append(chunk)
            length += len(chunk)
        whole = b"".join(parts)
        end = len(whole) if size < 0 else size
        self._left = whole[end:]
        return whole[:end]
