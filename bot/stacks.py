"""The stacks of this process's threads and asyncio tasks, for people.

`kill -USR1 PID` makes a bot write its stacks to its log (`write_stacks_on_sigusr1`).
"""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any


def write_stacks(descriptor: int) -> None:
    """Write the stack of every thread, then of every asyncio task, to a file descriptor."""
    faulthandler.dump_traceback(descriptor, all_threads=True)
    os.write(descriptor, task_stacks().encode(errors="replace"))


def write_stacks_on_sigusr1(descriptor: int) -> None:
    """Install a handler of SIGUSR1 that writes them; to be called in the main thread.

    faulthandler writes the main thread's stack at once, which works even when a call into C does
    not return. The others are written by Python's own handler: faulthandler would read the frames
    of threads that run meanwhile, and that ended busy processes by SIGSEGV (Python 3.13).
    """

    def write_others(number: int, frame: FrameType | None) -> None:
        del number, frame
        os.write(descriptor, (thread_stacks() + task_stacks()).encode(errors="replace"))

    signal.signal(signal.SIGUSR1, write_others)
    faulthandler.register(signal.SIGUSR1, descriptor, all_threads=False, chain=True)


def thread_stacks() -> str:
    """Return the stack of every other thread, innermost call first, as text."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    lines = []
    for ident, frame in sys._current_frames().items():
        if ident != threading.get_ident():
            lines.append(f"Thread {names.get(ident, ident)} (most recent call first):")
            lines += [f"  {_place(f.f_code, line)}" for f, line in traceback.walk_stack(frame)]
    return "".join(f"{line}\n" for line in lines)


def task_stacks() -> str:
    """Return the unfinished asyncio tasks of all event loops, each with its stack, as text."""
    # asyncio lists the tasks of one loop only, and a process may have several loops.
    tasks = [task for task in gc.get_objects() if issubclass(type(task), asyncio.Task)]
    lines = []
    for task in tasks:
        if task.done():
            continue
        lines.append(f"Task {task.get_name()} (most recent call last):")
        for frame, line in _frames(task.get_coro()):
            lines.append(f"  {_place(frame.f_code, line)}")
    return "".join(f"{line}\n" for line in lines)


def _place(code: CodeType, line: int | None) -> str:
    return f'File "{code.co_filename}", line {line} in {code.co_qualname}'


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
