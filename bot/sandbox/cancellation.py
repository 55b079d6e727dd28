"""Cancellation of the sandboxes of a piece of work.

The work is a function that calls `run_sandboxed` somewhere below. Its caller has a Cancellation and
calls the work through it; the sandboxes find it in their context, so that the functions between do
not have to pass it on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")


class WorkCancelled(BaseException):
    """The work was cancelled, and all its processes in sandboxes have been killed."""


class Cancellation:
    """The cancellation of one piece of work.

    `cancel` may be called from any thread, also before the work begins. Within a second all
    processes in sandboxes are killed, and `run_sandboxed` raises WorkCancelled; so does every
    sandbox that the work would start afterwards.
    """

    def __init__(self) -> None:
        self._event = threading.Event()

    def run(self, work: Callable[[], T]) -> T:
        """Call `work` in this thread. Threads that it starts must be given the context."""
        reset = _CURRENT.set(self)
        try:
            return work()
        finally:
            _CURRENT.reset(reset)

    def cancel(self) -> None:
        """End the work's sandboxes; returns at once."""
        self._event.set()

    def check(self) -> None:
        """Raise WorkCancelled if the work was cancelled."""
        if self._event.is_set():
            raise WorkCancelled

    def wait(self, seconds: float) -> None:
        """Sleep for `seconds`; raise WorkCancelled as soon as the work is cancelled."""
        self._event.wait(seconds)
        self.check()


_CURRENT: ContextVar[Cancellation | None] = ContextVar("cancellation", default=None)


def current_cancellation() -> Cancellation:
    """Return the cancellation of this thread's work, or one that is never cancelled."""
    return _CURRENT.get() or Cancellation()
