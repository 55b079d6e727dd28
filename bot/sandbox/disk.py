"""The disks that a run writes to: what it may take of them, and what it must leave.

No file system gives a directory a size of its own to root, to an ordinary user and in a container
alike (loop devices and project quotas are root's, a file system in user space has a tenth of the
speed). So a disk can be taken by writing alone (system_calls.py refuses to preallocate), and is
looked at as often as the fastest writer needs to reach the reserve.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from bot.sandbox.values import SandboxError

# What a run must leave of a disk that others need too: our own store is perhaps on it.
RESERVE_BYTES = 256 * 1024 * 1024
RESERVE_FILES = 4096
# What is written between the look that finds too much and the end of the last process.
_MARGIN = 256 * 1024 * 1024
# Bytes a second, of all processes of a run together: more than memory takes as files.
_FASTEST = 8 * 1024**3
_SHORTEST, _LONGEST = 0.005, 0.2  # seconds


class DiskRoom:
    """The use of disks by a run: `quota` bytes below `directories` (null: any), no reserve."""

    def __init__(self, directories: Iterable[Path], quota: int | None) -> None:
        self._directories = tuple(directories)
        self._most: int | None = None
        if quota is not None:
            self._measure()
            self._most = self._used + quota

    def _measure(self) -> None:
        """The bytes below the directories now, and those that are free beside them."""
        self._used = sum(used_bytes(each) for each in self._directories)
        self._free_then = self._free()

    def short(self) -> Path | None:
        """A directory whose disk has no room beyond our reserve, or that has passed its quota."""
        for directory in self._directories:
            if _left(directory) < _MARGIN:
                return directory
        if self._most is None or not self._directories:
            return None
        # Measured only when as much of the disk was taken, by anybody, as would pass the quota.
        if self._used + self._free_then - self._free() > self._most:
            self._measure()
        return self._directories[0] if self._used > self._most else None

    def pause(self) -> float:
        """Seconds until a look is due again: half of those in which it could run short."""
        left = min((_left(each) for each in self._directories), default=_FASTEST)
        return min(max(left / _FASTEST / 2, _SHORTEST), _LONGEST)

    def check(self) -> None:
        """SandboxError if there is no room from the start."""
        for directory in self._directories:
            if _left(directory) < _MARGIN:
                raise SandboxError(
                    f"The disk of {directory} has less than {RESERVE_BYTES + _MARGIN >> 20} MiB or "
                    f"{RESERVE_FILES} files left.",
                    "Free some space, or put the cache on another disk (--cache).",
                )

    def _free(self) -> int:
        """The bytes that are free on the directories' disks, each once."""
        found = {}
        for directory in self._directories:
            try:
                state = os.statvfs(directory)
            except OSError:
                continue
            found[state.f_fsid] = state.f_bavail * state.f_frsize
        return sum(found.values())


def _left(directory: Path) -> int:
    """The bytes of the directory's disk beyond the reserve; none where files run out."""
    try:
        state = os.statvfs(directory)
    except OSError:
        return _FASTEST
    if state.f_files > 0 and state.f_favail < RESERVE_FILES:
        return 0
    return state.f_bavail * state.f_frsize - RESERVE_BYTES


def used_bytes(directory: Path) -> int:
    """The bytes on disk of what can be read below `directory`; no link is followed."""
    total = 0
    waiting = [os.fspath(directory)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    state = entry.stat(follow_symlinks=False)
                    total += state.st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except OSError:
            continue  # gone meanwhile
    return total
