"""Directories for one build each, gone afterwards, also those that a killed process left."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from bot.build.buildroot import remove_tree
from bot.errors import SurroundingsError

if TYPE_CHECKING:
    from bot.distro.cache import Cache

# No build takes this long: what is older was left by a process that was killed.
_STALE = 2 * 24 * 3600.0  # seconds
_LEAST_FREE = 1024**3  # bytes


@contextmanager
def scratch_directory(cache: Cache) -> Iterator[Path]:
    """An empty directory on the cache's disk; SurroundingsError if that disk is almost full."""
    place = cache.directory("scratch")
    _remove_stale(place)
    free = shutil.disk_usage(place).free
    if free < _LEAST_FREE:
        raise SurroundingsError(
            f"The cache's disk has {free} bytes left, too few for a build.",
            "Free some space, or name another directory with --cache.",
        )
    directory = Path(tempfile.mkdtemp(dir=place))
    try:
        yield directory
    finally:
        remove_tree(directory)


def _remove_stale(place: Path) -> None:
    for path in place.iterdir():
        with suppress(OSError):
            if path.stat().st_mtime < time.time() - _STALE:
                remove_tree(path)
