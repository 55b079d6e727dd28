"""Cancelling what runs in sandboxes for a piece of work that nobody waits for any more.

The work is a function that calls `run_sandboxed` somewhere below. Its caller holds a Cancellation
and calls the work through it; the sandboxes find it in their context, so that nothing between has
to pass it on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")


class WorkCancelled(BaseException):
    """The work was cancelled, and all that it ran in sandboxes has been killed."""


class Cancellation:
    """One piece of work, and the end of it.

    `cancel` may be called from any thread, also before the work begins. What runs in a sandbox is
    killed with all it started within a second, and `run_sandboxed` raises WorkCancelled; so does
    every sandbox that the work would start afterwards.
    """

    def __init__(self) -> None:
        self._event = threading.Event()

    def run(self, work: Callable[[], T]) -> T:
        """`work()`, in this thread. Threads that it starts must be given the context."""
        reset = _CURRENT.set(self)
        try:
            return work()
        finally:
            _CURRENT.reset(reset)

    def cancel(self) -> None:
        """End the work's sandboxes; returns at once."""
        self._event.set()

    def check(self) -> None:
        """WorkCancelled if it was cancelled."""
        if self._event.is_set():
            raise WorkCancelled

    def wait(self, seconds: float) -> None:
        """Sleep for `seconds`; WorkCancelled as soon as it is cancelled."""
        self._event.wait(seconds)
        self.check()


_CURRENT: ContextVar[Cancellation | None] = ContextVar("cancellation", default=None)


def current_cancellation() -> Cancellation:
    """The cancellation of the work that this thread does; of none, one that nobody cancels."""
    return _CURRENT.get() or Cancellation()
