"""Stacks of this process: where each of its threads and asyncio tasks stands, for people.

`kill -USR1 PID` has a bot write its stacks to its log (`write_stacks_on_sigusr1`).
"""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import os
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Any


def write_stacks(descriptor: int) -> None:
    """Writes the stack of every thread, then of every asyncio task, to a file descriptor."""
    faulthandler.dump_traceback(descriptor, all_threads=True)
    os.write(descriptor, task_stacks().encode(errors="replace"))


def write_stacks_on_sigusr1(descriptor: int) -> None:
    """Has SIGUSR1 write them, from now on; for the main thread to call.

    The threads' stacks come from faulthandler, also where Python's own handlers get no turn because
    a call into C does not come back.
    """

    def write_tasks(number: int, frame: FrameType | None) -> None:
        del number, frame
        os.write(descriptor, task_stacks().encode(errors="replace"))

    signal.signal(signal.SIGUSR1, write_tasks)
    faulthandler.register(signal.SIGUSR1, descriptor, all_threads=True, chain=True)


def task_stacks() -> str:
    """The asyncio tasks of all event loops that have not ended, each with its stack."""
    # asyncio lists the tasks of one loop only, and a process may have some.
    tasks = [one for one in gc.get_objects() if issubclass(type(one), asyncio.Task)]
    lines = []
    for task in tasks:
        if task.done():
            continue
        lines.append(f"Task {task.get_name()} (most recent call last):")
        for frame, line in _frames(task.get_coro()):
            code = frame.f_code
            lines.append(f'  File "{code.co_filename}", line {line} in {code.co_qualname}')
    return "".join(f"{line}\n" for line in lines)


def _frames(awaited: Any) -> Iterator[tuple[FrameType, int | None]]:
    """The frames of a coroutine and of what it waits for, outermost first."""
    while awaited is not None:
        for kind, waits in (("cr", "cr_await"), ("ag", "ag_await"), ("gi", "gi_yieldfrom")):
            frame = getattr(awaited, f"{kind}_frame", None)
            if frame is not None:
                yield frame, frame.f_lineno
                awaited = getattr(awaited, waits)
                break
        else:
            return
