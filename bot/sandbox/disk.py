"""The disks that a run writes to: its quota, and a reserve that it must leave.

No file system has quotas of directories for root, ordinary users and containers alike (loop devices
and project quotas are root's, a file system in user space has a tenth of the speed). So disk space
can be taken only by writing (system_calls.py refuses to preallocate), and is checked as often as
the fastest writer needs to reach the reserve.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from bot.sandbox.values import SandboxError

# The space and inodes that a run must leave: our own store may be on the same disk.
RESERVE_BYTES = 256 * 1024 * 1024
RESERVE_FILES = 4096
# What can be written between the check that ends the run and the end of its last process.
_MARGIN = 256 * 1024 * 1024
# Bytes per second of all processes of a run together: more than files in memory reach.
_FASTEST = 8 * 1024**3
_SHORTEST, _LONGEST = 0.005, 0.2  # seconds


class DiskRoom:
    """The disk space of a run: `quota` bytes below `directories` (None: any), never the reserve."""

    def __init__(self, directories: Iterable[Path], quota: int | None) -> None:
        self._directories = tuple(directories)
        self._most: int | None = None
        if quota is not None:
            self._measure()
            self._most = self._used + quota

    def _measure(self) -> None:
        """Measure the bytes below the directories now, and the free bytes of their disks."""
        self._used = sum(used_bytes(directory) for directory in self._directories)
        self._free_before = self._free()

    def short(self) -> Path | None:
        """Return a directory whose disk is full up to the reserve, or that exceeds its quota."""
        for directory in self._directories:
            if _room(directory) < _MARGIN:
                return directory
        if self._most is None or not self._directories:
            return None
        # Measured only once the disk has lost as many bytes, to any process, as would exceed the
        # quota.
        if self._used + self._free_before - self._free() > self._most:
            self._measure()
        return self._directories[0] if self._used > self._most else None

    def pause(self) -> float:
        """Return the seconds until the next check: half the time in which space could run out."""
        room = min((_room(directory) for directory in self._directories), default=_FASTEST)
        return min(max(room / _FASTEST / 2, _SHORTEST), _LONGEST)

    def check(self) -> None:
        """Raise SandboxError if there is too little space to start."""
        for directory in self._directories:
            if _room(directory) < _MARGIN:
                raise SandboxError(
                    f"The disk of {directory} has less than {RESERVE_BYTES + _MARGIN >> 20} MiB or "
                    f"{RESERVE_FILES} files left.",
                    "Free some space, or put the cache on another disk (--cache).",
                )

    def _free(self) -> int:
        """Return the free bytes of the directories' disks, each disk once."""
        free_by_disk = {}
        for directory in self._directories:
            try:
                state = os.statvfs(directory)
            except OSError:
                continue
            free_by_disk[state.f_fsid] = state.f_bavail * state.f_frsize
        return sum(free_by_disk.values())


def _room(directory: Path) -> int:
    """Return the free bytes beyond the reserve of the directory's disk; 0 where inodes run out."""
    try:
        state = os.statvfs(directory)
    except OSError:
        return _FASTEST
    if state.f_files > 0 and state.f_favail < RESERVE_FILES:
        return 0
    return state.f_bavail * state.f_frsize - RESERVE_BYTES


def used_bytes(directory: Path) -> int:
    """Return the bytes on disk of the readable files below `directory`; links are not followed."""
    total = 0
    pending = [os.fspath(directory)]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    state = entry.stat(follow_symlinks=False)
                    total += state.st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
        except OSError:
            continue  # removed meanwhile
    return total
