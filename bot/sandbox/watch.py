"""Watching a sandbox from outside: the resources that its processes use together.

The kernel's per-process limits do not limit the sum, and a shell that cannot fork tries again
forever. So a run is checked many times a second, and ended when it exceeds its limits: by its
control group, or else by the tree of processes below bubblewrap.
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
    """Tasks (threads) and resident bytes of a process tree; shared pages count several times."""

    tasks: int
    resident: int
    pids: tuple[int, ...]


def descendants(pid: int) -> Iterator[int]:
    """Yield `pid` and all processes below it that are alive when visited."""
    pending = [pid]
    while pending:
        current = pending.pop()
        yield current
        try:
            tasks = list((_PROC / str(current) / "task").iterdir())
        except OSError:
            continue
        for task in tasks:
            try:
                pending.extend(int(child) for child in (task / "children").read_text().split())
            except OSError:
                continue


def usage(pid: int) -> Usage:
    """Return the resources of the processes below `pid`; those that end meanwhile count as 0."""
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
    """Return the resident bytes of these processes, shared pages once (Pss in smaps_rollup)."""
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
    """Return whether the sandbox's /tmp, as seen by its newest process, is full."""
    if len(pids) < 3:  # bubblewrap, its init, and then the command
        return False
    try:
        state = os.statvfs(_PROC / str(pids[-1]) / "root/tmp")
    except OSError:
        return False
    return state.f_bavail == 0 and state.f_blocks > 0


# bubblewrap outside and its init inside are in the tree, but not in the limit.
OWN_TASKS = 2


def exceeded(current: Usage, limits: Limits) -> Limit | None:
    """Return the limit that a run with this usage exceeds, or None."""
    if current.tasks - OWN_TASKS >= limits.processes:
        return "processes"
    if current.resident > limits.memory and proportional(current.pids) > limits.memory:
        return "memory"
    if _tmp_is_full(current.pids):
        return "disk"
    return None


def tasks_of_user(uid: int) -> int:
    """Return the number of this user's threads on the machine, as RLIMIT_NPROC counts them."""
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
    """Return whether `descriptor` can be read, waiting at most `seconds`.

    By poll(2): select(2) refuses descriptors from 1,024 on, which a long-lived server may reach.
    """
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
