"""Watching a sandbox from outside: what its processes use together.

The kernel's per-process limits say nothing of the sum, and a shell that cannot fork just goes on
trying. So a run is looked at many times a second, and ended when it is beyond its limits: by what
its control group says, or else by the tree of processes below bubblewrap.
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bot.sandbox.values import Limit, Limits, SandboxError

_PAGE = os.sysconf("SC_PAGE_SIZE")
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Usage:
    """Tasks (threads) and resident bytes of a tree of processes, pages they share counted twice."""

    tasks: int
    resident: int
    pids: tuple[int, ...]


def descendants(pid: int) -> Iterator[int]:
    """`pid` and all processes below it, as far as they live while we look."""
    waiting = [pid]
    while waiting:
        current = waiting.pop()
        yield current
        try:
            tasks = list((_PROC / str(current) / "task").iterdir())
        except OSError:
            continue
        for task in tasks:
            try:
                waiting.extend(int(child) for child in (task / "children").read_text().split())
            except OSError:
                continue


def usage(pid: int) -> Usage:
    """The resources that the processes below `pid` use; those that end meanwhile count as
    nothing."""
    tasks = resident = 0
    pids = []
    for current in descendants(pid):
        try:
            fields = (_PROC / str(current) / "statm").read_text().split()
            tasks += len(os.listdir(_PROC / str(current) / "task"))  # noqa: PTH208 -- in a hot loop
        except OSError:
            continue
        resident += int(fields[1]) * _PAGE
        pids.append(current)
    return Usage(tasks, resident, tuple(pids))


def proportional(pids: tuple[int, ...]) -> int:
    """Resident bytes of these processes, shared pages counted once (smaps_rollup's Pss)."""
    total = 0
    for pid in pids:
        try:
            text = (_PROC / str(pid) / "smaps_rollup").read_text()
        except OSError:
            continue
        for line in text.splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
                break
    return total


def _tmp_is_full(pids: tuple[int, ...]) -> bool:
    """Return whether the sandbox's own /tmp, as its newest process sees it, has no byte left."""
    if len(pids) < 3:  # bubblewrap, its init, and then the command
        return False
    try:
        state = os.statvfs(_PROC / str(pids[-1]) / "root/tmp")
    except OSError:
        return False
    return state.f_bavail == 0 and state.f_blocks > 0


# bubblewrap outside and its init inside are part of the tree, not of what was asked for.
OWN_TASKS = 2


def exceeded(now: Usage, limits: Limits) -> Limit | None:
    """The limit that a run with this usage is beyond, or null."""
    if now.tasks - OWN_TASKS >= limits.processes:
        return "processes"
    if now.resident > limits.memory and proportional(now.pids) > limits.memory:
        return "memory"
    if _tmp_is_full(now.pids):
        return "disk"
    return None


# What a run must leave of a disk that others need too: our own store is perhaps on it.
RESERVE_BYTES = 256 * 1024 * 1024
RESERVE_FILES = 4096


class DiskRoom:
    """The disks that a run can write to, and whether they have room left."""

    def __init__(self, directories: Iterable[Path]) -> None:
        self._directories = tuple(directories)

    def short(self) -> Path | None:
        """A directory whose disk has no room beyond our reserve, or null."""
        for directory in self._directories:
            try:
                state = os.statvfs(directory)
            except OSError:
                continue
            few = state.f_files > 0 and state.f_favail < RESERVE_FILES
            if few or state.f_bavail * state.f_frsize < RESERVE_BYTES:
                return directory
        return None

    def check(self) -> None:
        """SandboxError if there is no room from the start."""
        directory = self.short()
        if directory is not None:
            raise SandboxError(
                f"The disk of {directory} has less than {RESERVE_BYTES >> 20} MiB or "
                f"{RESERVE_FILES} files left.",
                "Free some space, or put the cache on another disk (--cache).",
            )


def tasks_of_user(uid: int) -> int:
    """How many threads this user runs on the machine, which RLIMIT_NPROC counts together."""
    count = 0
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            try:
                if entry.stat().st_uid == uid:
                    count += len(list((entry / "task").iterdir()))
            except OSError:
                continue
    return count


def readable(descriptor: int, seconds: float) -> bool:
    """True once `descriptor` can be read; false after `seconds` without that.

    poll(2): select(2) refuses descriptors from 1,024 on, which a long-lived server may reach.
    """
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
