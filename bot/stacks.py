"""The stacks of this process's threads and asyncio tasks, for people.

`kill -USR1 PID` makes a bot write its stacks to its log (`write_stacks_on_sigusr1`).
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
    """Write the stack of every thread, then of every asyncio task, to a file descriptor."""
    faulthandler.dump_traceback(descriptor, all_threads=True)
    os.write(descriptor, task_stacks().encode(errors="replace"))


def write_stacks_on_sigusr1(descriptor: int) -> None:
    """Install a handler of SIGUSR1 that writes them; to be called in the main thread.

    The threads' stacks come from faulthandler, which works even when Python's own handlers do not
    run because a call into C does not return.
    """

    def write_tasks(number: int, frame: FrameType | None) -> None:
        del number, frame
        os.write(descriptor, task_stacks().encode(errors="replace"))

    signal.signal(signal.SIGUSR1, write_tasks)
    faulthandler.register(signal.SIGUSR1, descriptor, all_threads=True, chain=True)


def task_stacks() -> str:
    """Return the unfinished asyncio tasks of all event loops, each with its stack, as text."""
    # asyncio lists the tasks of one loop only, and a process may have several loops.
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
    """Yield the frames of a coroutine and of those that it awaits, outermost first."""
    while awaited is not None:
        for kind, waits in (("cr", "cr_await"), ("ag", "ag_await"), ("gi", "gi_yieldfrom")):
            frame = getattr(awaited, f"{kind}_frame", None)
            if frame is not None:
                yield frame, frame.f_lineno
                awaited = getattr(awaited, waits)
                break
        else:
            return
