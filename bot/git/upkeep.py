"""Keeping the object caches of other hosts' repositories small: packs joined, old ones removed."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bot.git.command import git_environment, run_git
from bot.git.mirror import locked_mirror
from bot.locks import LockedError

# Packs from which on they are joined: a fetch makes one, and git looks into each.
_PACKS = 20
_LOOSE = 2000
_SECONDS = 1800.0


@dataclass(frozen=True, slots=True)
class SweptMirrors:
    """The caches and refs that were removed, the caches whose packs were joined, the bytes left."""

    removed: int
    refs: int
    packed: int
    bytes: int


def sweep_mirrors(directory: Path, before: float, most: int) -> SweptMirrors:
    """Remove what was not used since `before` (seconds since 1970), join packs, then remove the
    longest unused caches until `most` bytes are enough.

    One that is in use is left for the next time.
    """
    removed = refs = packed = 0
    for left_over in directory.glob("*.removed"):
        shutil.rmtree(left_over, ignore_errors=True)
    mirrors = sorted(directory.glob("*.git"), key=used)
    for mirror in mirrors:
        time = used(mirror)
        with suppress(LockedError):
            if time < before:
                removed += _remove(mirror)
                continue
            with locked_mirror(mirror, seconds=1.0):
                refs += _drop_refs(mirror, before)
                packed += _join_packs(mirror)
            # Sweeping is no use.
            os.utime(mirror / "minimize.lock", (time, time))
    left = [mirror for mirror in mirrors if mirror.exists()]
    size = sum(map(size_of, left))
    for mirror in left[:-1]:
        if size <= most:
            break
        with suppress(LockedError):
            own = size_of(mirror)
            removed += _remove(mirror)
            size -= own
    return SweptMirrors(removed, refs, packed, size)


def used(mirror: Path) -> float:
    """When a cache was last fetched into or looked up in, seconds since 1970: its lock's time."""
    for file in (mirror / "minimize.lock", mirror / "HEAD"):
        with suppress(OSError):
            return file.stat().st_mtime
    return 0.0


def size_of(directory: Path) -> int:
    """The bytes of the files below a directory."""
    size = 0
    for folder, _, files in os.walk(directory):
        for name in files:
            with suppress(OSError):
                size += (Path(folder) / name).lstat().st_size
    return size


def _remove(mirror: Path) -> int:
    with locked_mirror(mirror, seconds=1.0):
        # Who waits for the lock makes it anew in another place of the same name.
        doomed = mirror.with_suffix(".removed")
        mirror.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)
    return 1


def _drop_refs(mirror: Path, before: float) -> int:
    """Drop the commits that were fetched before; their objects go with the next packing."""
    dropped = 0
    for ref in (mirror / "refs/minimize").rglob("*"):
        with suppress(OSError):
            if ref.is_file() and ref.stat().st_mtime < before:
                ref.unlink()
                dropped += 1
    return dropped


def _join_packs(mirror: Path) -> int:
    """Join the packs where they are many; what no ref reaches goes. Return whether they were."""
    packs = len(list((mirror / "objects/pack").glob("*.pack")))
    loose = sum(
        1 for folder in (mirror / "objects").glob("[0-9a-f][0-9a-f]") for _ in folder.iterdir()
    )
    if packs < _PACKS and loose < _LOOSE:
        return 0
    environment = git_environment({}, isolated=True, protocols="")
    for command in (["repack", "-a", "-d", "-q"], ["prune-packed", "-q"]):
        run_git(mirror, command, environment=environment, timeout=_SECONDS)
    return 1
