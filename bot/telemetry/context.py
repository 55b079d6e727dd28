"""The delivery, the run and the step that the present work is about.

A context follows asyncio's tasks and `asyncio.to_thread`; a compute process is given its owner's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class WorkContext:
    """The ids of a delivery and a run, and the name of a step; empty where there is none."""

    delivery: str = ""
    run: str = ""
    step: str = ""


_NONE = WorkContext()
_CURRENT: ContextVar[WorkContext] = ContextVar("work", default=_NONE)


def current_context() -> WorkContext:
    """The context of the present work."""
    return _CURRENT.get()


@contextmanager
def working_on(context: WorkContext | None = None, **changes: str) -> Iterator[WorkContext]:
    """Work in `context` (null: the present one) with the named fields changed."""
    entered = replace(context or _CURRENT.get(), **changes)
    token = _CURRENT.set(entered)
    try:
        yield entered
    finally:
        _CURRENT.reset(token)
