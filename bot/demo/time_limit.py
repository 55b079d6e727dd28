"""A time limit for a program and its child processes: after it they print their stacks and end. It
does not depend on the event loop, which may hang."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from bot.sandbox.watch import descendants
from bot.stacks import write_stacks

# Seconds that a process has to write its stacks, to end after SIGTERM, and to disappear.
STACKS_SECONDS = 2.0
END_SECONDS = 10.0
# Seconds after which faulthandler ends a process that hangs in C code with the GIL.
_LATER = 60.0
_USR1 = 1 << (signal.SIGUSR1 - 1)


class TimeLimit:
    """Limit that ends this process (code 1) and its descendants if a block takes over `seconds`.

    Before that it writes a sentence with `what` and this process's stacks to standard error, sends
    SIGUSR1 to the descendants, and calls `on_end`.
    """

    def __init__(self, seconds: float, what: str) -> None:
        self.on_end: Callable[[], None] = lambda: None
        self._seconds = seconds
        self._what = what
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def lift(self) -> None:
        """Cancel the limit."""
        self._timer.cancel()
        faulthandler.cancel_dump_traceback_later()

    def __enter__(self) -> Self:
        self._timer.start()
        faulthandler.dump_traceback_later(self._seconds + _LATER, exit=True, file=2)
        return self

    def __exit__(self, *_: object) -> None:
        self.lift()

    def _end(self) -> None:
        below = processes_below(os.getpid())
        try:
            sys.stdout.flush()
            text = f"error: {self._what} took more than {self._seconds:.0f} s. Where it stood:\n"
            os.write(2, text.encode())
            write_stacks(2)
            ask_for_stacks(below)
            self.on_end()
        finally:
            end(lambda: processes_below(os.getpid()))
            os._exit(1)


def processes_below(pid: int) -> list[int]:
    """The running descendants of the process `pid`."""
    return [
        descendant for descendant in descendants(pid) if descendant != pid and _lives(descendant)
    ]


def ask_for_stacks(pids: Sequence[int]) -> list[int]:
    """Let processes that handle SIGUSR1 write their stacks; wait, and return those processes."""
    catching = [pid for pid in pids if _catches_usr1(pid)]
    for pid in catching:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGUSR1)
    if catching:
        time.sleep(STACKS_SECONDS)
    return catching


def end(living: Callable[[], Sequence[int]]) -> None:
    """Send SIGTERM to the processes, and kill those that still run after END_SECONDS."""
    _signal_all(living(), signal.SIGTERM)
    until = time.monotonic() + END_SECONDS
    while living() and time.monotonic() < until:
        time.sleep(0.05)
    until = time.monotonic() + END_SECONDS
    while (remaining := living()) and time.monotonic() < until:
        _signal_all(remaining, signal.SIGKILL)
        time.sleep(0.05)


def _signal_all(pids: Sequence[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _status(pid: int) -> dict[str, str]:
    """The fields of proc(5)'s `status`; empty if the process has ended."""
    try:
        text = (Path("/proc") / str(pid) / "status").read_text(errors="replace")
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (x.partition(":") for x in text.splitlines())}


def _lives(pid: int) -> bool:
    return _status(pid).get("State", "Z")[:1] not in "ZX"


def _catches_usr1(pid: int) -> bool:
    return bool(int(_status(pid).get("SigCgt", "0"), 16) & _USR1)
