"""Removes files from the cache by age and size: builds, logs, metadata, roots, unfinished files."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bot.distro.cache import KINDS, Cache, size_on_disk

# What was used just now may be needed again.
_GRACE = 3600.0
# Folders whose files are named by checksum, with a dot while they are written. Not those with
# whole trees (buildroots, rpm's roots, macros): their dot files belong to packages.
_ADDRESSED = (*KINDS, "metadata", "macro-files", "accounts", "dist", "nodocs")
# Folders for unfinished work only.
_UNFINISHED = ("partial", "packed", "scratch")


@dataclass(frozen=True, slots=True)
class SweptFiles:
    """The number of removed entries, and the bytes left."""

    removed: int
    bytes: int


@dataclass(frozen=True, slots=True, order=True)
class _Entry:
    used: float
    path: Path
    size: int


def sweep_entries(
    folder: Path, before: float, most: int, now: float, in_use: Collection[str] = ()
) -> SweptFiles:
    """Remove what is old in `folder`, then the least recently used until `most` bytes are left.

    Old is not used since `before`, in seconds since 1970. Entries in `in_use` (paths of files,
    there or below) and those used in the last hour stay.
    """
    needed_paths = {path for text in in_use for path in (Path(text), *Path(text).parents)}

    def remove(path: Path) -> bool:
        if path not in needed_paths:
            _remove(path)
        return path not in needed_paths

    return sweep_paths(_entries(folder), before, most, now, remove)


def sweep_metadata(cache: Cache, before: float, most: int, now: float) -> SweptFiles:
    """Remove repositories' metadata, and the files made of it for solving, as `sweep_entries` does,
    by when they were last read."""
    paths = [*(cache.root / "metadata").glob("*/*"), *_entries(cache.root / "solv")]
    return sweep_paths([path for path in paths if path.is_file()], before, most, now, _remove)


def sweep_paths(
    paths: Iterable[Path], before: float, most: int, now: float, remove: Callable[[Path], bool]
) -> SweptFiles:
    """Remove those of `paths` not used since `before`, then the least recently used until `most`
    bytes are left, by `remove`, which returns whether it did. Those used in the last hour stay."""
    entries = sorted(_entry(path) for path in paths)
    size = sum(entry.size for entry in entries)
    removed = 0
    for entry in entries:
        old = entry.used < before
        if entry.used > now - _GRACE or not (old or size > most):
            break
        if remove(entry.path):
            removed += 1
            size -= entry.size
    return SweptFiles(removed, size)


def sweep_remains(cache: Path, before: float, most: int, now: float) -> SweptFiles:
    """Remove what killed runs left in a cache before a time: unfinished files and downloads,
    temporary directories."""
    removed = size = 0
    for name in _UNFINISHED:
        swept = sweep_entries(cache / name, before, most, now)
        removed, size = removed + swept.removed, size + swept.bytes
    for kind in _ADDRESSED:
        for path in (cache / kind).glob("*/.*"):
            if path.is_file() and _entry(path).used < before:
                path.unlink(missing_ok=True)
                removed += 1
    return SweptFiles(removed, size)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []  # nothing was ever stored there


def _entry(path: Path) -> _Entry:
    used = 0.0
    with suppress(OSError):
        used = path.lstat().st_mtime
    return _Entry(used, path, size_on_disk(path))


def _remove(path: Path) -> bool:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
    return True
