"""The memory of builds, by the machine's; who needs more is tried once more in a larger slot.

Of larger slots there is one on a machine at a time: two at once would need what it does not have.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

import psutil

from bot.sandbox.values import Finished, Limits

LOG = logging.getLogger(__name__)
# Of a machine's memory, for a slot and for the larger one.
_SLOT_SHARE, _SHARE = 0.5, 0.75
# Enough for most packages, where the machine has that.
_SLOT = 6 * 1024**3
# Less than this would run into the same.
_WORTH = 1.25
_LARGER = 2


@cache
def machine_memory() -> int:
    """The bytes of memory that this process may use: the machine's, or its control group's."""
    return min([psutil.virtual_memory().total, *_group_limits(Path("/"))])


def slot_memory(machine: int) -> int:
    """The bytes of memory of one build on a machine with so many."""
    return min(_SLOT, int(machine * _SLOT_SHARE))


def _group_limits(root: Path) -> list[int]:
    """The limits of this process's control group (version 2) and of those around it, in bytes."""
    found = []
    with suppress(OSError):
        name = (root / "proc/self/cgroup").read_text().strip().rpartition("::")[2]
        place = root / "sys/fs/cgroup"
        group = place / name.lstrip("/")
        for directory in (group, *group.parents):
            with suppress(OSError, ValueError):
                found.append(int((directory / "memory.max").read_text()))
            if directory == place:
                break
    return found


def larger(limits: Limits, machine: int | None = None) -> Limits | None:
    """The limits of a larger slot, on a machine with so many bytes of memory (by default this one);
    null where it has none."""
    total = machine_memory() if machine is None else machine
    memory = min(limits.memory * _LARGER, int(total * _SHARE))
    return None if memory < limits.memory * _WORTH else replace(limits, memory=memory)


def with_enough_memory(
    run: Callable[[Limits], Finished],
    limits: Limits,
    alone: Callable[[], AbstractContextManager[object]],
    machine: int | None = None,
) -> tuple[Finished, Limits]:
    """`run` within `limits`; where it runs out of memory once more, `alone`, within larger ones.

    Returns the last run's end and its limits.
    """
    finished = run(limits)
    more = larger(limits, machine) if finished.limit == "memory" else None
    if more is None:
        return finished, limits
    LOG.info("a build out of memory is tried with %d bytes", more.memory)
    with alone():
        return run(more), more
