"""A time limit for a program and all that it started: past it, they say where they stand and end.

It does not depend on the event loop, which may be what hangs.
"""

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

# How long a process may take to write its stacks, to end after SIGTERM, and to be gone.
STACKS_SECONDS = 2.0
END_SECONDS = 10.0
# For a call into C that keeps Python's lock: how much later faulthandler ends the process.
_LATER = 60.0
_USR1 = 1 << (signal.SIGUSR1 - 1)


class TimeLimit:
    """Ends this process and those below it, with code 1, if the block takes more than `seconds`.

    Before that, it writes a sentence with `what`, and the stacks of this process to standard error;
    then it calls `shown`: the processes below have been sent SIGUSR1.
    """

    def __init__(self, seconds: float, what: str) -> None:
        self.shown: Callable[[], None] = lambda: None
        self._seconds = seconds
        self._what = what
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def lift(self) -> None:
        """Takes the limit back."""
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
            self.shown()
        finally:
            end(lambda: processes_below(os.getpid()))
            os._exit(1)


def processes_below(pid: int) -> list[int]:
    """The processes that `pid` and its children started and that have not ended."""
    return [one for one in descendants(pid) if one != pid and _lives(one)]


def ask_for_stacks(pids: Sequence[int]) -> list[int]:
    """Has those write their stacks that write them on SIGUSR1, where it is sure to be heard.

    Gives those that got it, after the time that it takes.
    """
    catching = [pid for pid in pids if _catches_usr1(pid)]
    for pid in catching:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGUSR1)
    if catching:
        time.sleep(STACKS_SECONDS)
    return catching


def end(living: Callable[[], Sequence[int]]) -> None:
    """Asks the processes to end, and kills those that have not after `END_SECONDS`."""
    _signal_all(living(), signal.SIGTERM)
    until = time.monotonic() + END_SECONDS
    while living() and time.monotonic() < until:
        time.sleep(0.05)
    until = time.monotonic() + END_SECONDS
    while (left := living()) and time.monotonic() < until:
        _signal_all(left, signal.SIGKILL)
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
