"""An empty pool, and where its metadata comes from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import solv

if TYPE_CHECKING:
    from bot.distro.snapshot import SnapshotRepository

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
