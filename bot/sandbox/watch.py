"""Watching a sandbox from outside: what its processes use together.

The kernel's per-process limits say nothing of the sum, and a shell that cannot fork just goes on
trying. So a run is looked at many times a second, and ended when it is beyond its limits: by what
its control group says, or else by the tree of processes below bubblewrap.
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bot.sandbox.values import Limit, Limits

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
