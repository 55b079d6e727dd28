"""primary.xml, read into a pool without what neither the solver nor a result needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import solv

if TYPE_CHECKING:
    from bot.distro.snapshot import SnapshotRepository

import os
import re
import tempfile

from bot.closure.packages import HEADER_START

# The text of an element has no `<`: XML forbids it.
_UNUSED = re.compile(
    rb"<(?:summary|description|packager|url|rpm:(?:license|vendor|group|buildhost))"
    rb"(?:/>| [^>]*/>|>[^<]*</[^>]*>)|<time [^>]*/>"
)
_HEADER_RANGE = re.compile(rb'<rpm:header-range start="(\d+)"')
_CHUNK = 4 << 20


def read_primary(primary: Path, pool: Any, repo: Any) -> bool:
    """Reads a decompressed primary.xml into `repo`; false where it is not rpm-md."""
    with tempfile.TemporaryFile() as stripped:
        starts = _strip(primary, stripped)
        stripped.seek(0)
        file = solv.xfopen_fd("primary.xml", os.dup(stripped.fileno()))
        try:
            parsed = repo.add_rpmmd(file, None, 0)
        finally:
            file.close()
    if parsed:
        _note_header_starts(pool, repo, starts)
    return bool(parsed)


def _strip(primary: Path, stripped: Any) -> list[int]:
    """Copies primary.xml without what is not used; the start of each package's header."""
    starts: list[int] = []
    rest = b""
    with primary.open("rb") as file:
        while chunk := file.read(_CHUNK):
            data = rest + chunk
            end = data.rfind(b"</package>")
            if end < 0:
                rest = data
                continue
            whole, rest = data[:end], data[end:]
            # What no file counts to would not go into libsolv's numbers either.
            found = _HEADER_RANGE.findall(whole)
            starts.extend(int(start) if len(start) < 19 else 0 for start in found)
            stripped.write(_UNUSED.sub(b"", whole))
    stripped.write(rest)
    stripped.flush()
    return starts


def _note_header_starts(pool: Any, repo: Any, starts: list[int]) -> None:
    if len(starts) != repo.nsolvables:
        return  # Some package has none: better not known than another package's.
    key = pool.str2id(HEADER_START)
    data = repo.first_repodata()
    for solvable, start in zip(repo.solvables, starts, strict=True):
        data.set_num(solvable.id, key, start)
    repo.internalize()


MetadataFile = Callable[["SnapshotRepository", str], Path | None]
"""Fetches a file by type, verified and decompressed; null where the repository has none."""


def new_pool(arch: str) -> Any:
    """An empty pool, set up as libdnf does it (dnf_sack_init, dnf_sack_set_arch)."""
    pool = solv.Pool()
    pool.setdisttype(solv.Pool.DISTTYPE_RPM)
    pool.setarch(arch)
    # Excluded packages stay in the provides, so that excluding needs no new index of them.
    pool.set_flag(solv.Pool.POOL_FLAG_WHATPROVIDESWITHDISABLED, 1)
    # libsolv's default on Fedora: i686 packages may stand beside their x86_64 ones.
    pool.set_flag(solv.Pool.POOL_FLAG_IMPLICITOBSOLETEUSESCOLORS, 1)
    pool.installed = pool.add_repo("@System")
    # Nothing to add yet: it tells libsolv that whoever owns a path will be said, not searched for.
    pool.addfileprovides()
    return pool
