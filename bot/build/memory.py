"""Builds that need more memory than their slot has: tried once more in a larger one.

Of larger slots there is one on a machine at a time: two at once would need what it does not have.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace

import psutil

from bot.sandbox.values import Finished, Limits

LOG = logging.getLogger(__name__)
# Of a machine's memory, for the larger slot.
_SHARE = 0.75
# Less than this would run into the same.
_WORTH = 1.25
_LARGER = 2


def larger(limits: Limits, machine: int | None = None) -> Limits | None:
    """The limits of a larger slot, on a machine with so many bytes of memory (by default this one);
    null where it has none."""
    total = psutil.virtual_memory().total if machine is None else machine
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
