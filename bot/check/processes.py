"""Runs a function on several values at once, each in a process forked with all loaded data."""

from __future__ import annotations

import ctypes
import gc
import os
import pickle
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from traceback import print_exception
from typing import Any, NamedTuple, NoReturn, TypeVar

from bot.errors import MinimizeError, SurroundingsError

A = TypeVar("A")
R = TypeVar("R")

# Below this many images, forking costs more than it saves.
FEW = 24
# Of Linux's prctl(2).
_PR_SET_PDEATHSIG = 1
_READ = 1 << 20
# An interruption just before the kernel starts waiting is noticed only after the wait.
_LOOK_SECONDS = 1.0


class _Child(NamedTuple):
    place: int
    pid: int
    pipe: int


def in_processes(function: Callable[[A], R], values: Sequence[A]) -> list[R]:
    """Return `function` of each of `values`, in their order; each is computed in a forked process.

    As many run at once as there are processors. Results are pickled; what a process loads or
    remembers is lost. Raises what `function` raises of the first value where it does, and
    SurroundingsError if a process was killed; then, or when the caller is interrupted, all others
    end. They also end with this process. With one value or one processor everything is computed
    here; also while other threads run, because a lock that they hold would stay locked in the fork.
    """
    at_once = min(len(values), len(os.sched_getaffinity(0)))
    if at_once < 2 or threads() > 1:
        return [function(value) for value in values]
    answers: dict[int, bytes] = {}
    with _children() as running, DefaultSelector() as selector:
        waiting = iter(enumerate(values))
        while len(answers) < len(values):
            while len(running) < at_once and (following := next(waiting, None)) is not None:
                child = _started(function, *following, running)
                answers[child.place] = b""
                selector.register(child.pipe, EVENT_READ)
            _read(selector, running, answers)
        while running:
            _read(selector, running, answers)
    results: list[R] = [_opened(answers[place]) for place in range(len(values))]
    return results


def threads() -> int:
    """Return the number of threads of this process, including those of libraries."""
    return sum(1 for _ in Path("/proc/self/task").iterdir())


@contextmanager
def _children() -> Iterator[dict[int, _Child]]:
    """The running processes, by pipe; those still running at the end are killed."""
    running: dict[int, _Child] = {}
    try:
        yield running
    finally:
        for child in running.values():
            os.kill(child.pid, signal.SIGKILL)
            os.close(child.pipe)
            os.waitpid(child.pid, 0)


def _read(selector: DefaultSelector, running: dict[int, _Child], answers: dict[int, bytes]) -> None:
    for key, _ in selector.select(_LOOK_SECONDS):
        child = running[key.fd]
        part = os.read(child.pipe, _READ)
        answers[child.place] += part
        if not part:
            selector.unregister(child.pipe)
            del running[child.pipe]
            os.close(child.pipe)
            os.waitpid(child.pid, 0)


def _started(
    function: Callable[[A], R], place: int, value: A, running: dict[int, _Child]
) -> _Child:
    """Fork a process and register it; no interruption comes between the two."""
    reading, writing = os.pipe()
    parent = os.getpid()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        pid = os.fork()
        if not pid:
            _compute(function, value, writing, parent, before)
        running[reading] = _Child(place, pid, reading)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    os.close(writing)
    return running[reading]


def _compute(
    function: Callable[[A], R], value: A, pipe: int, parent: int, mask: set[int | signal.Signals]
) -> NoReturn:
    """Run the forked process: it ends here, whatever happens, and runs nothing of its parent.
    `mask` are the signals that the parent had blocked before."""
    status = 1
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent:
            # Collecting would copy all of the parent's memory, and the process ends soon.
            gc.disable()
            with os.fdopen(pipe, "wb") as file:
                file.write(_answer(function, value))
            status = 0
    finally:
        if (error := sys.exception()) is not None:
            print_exception(error)  # nothing above catches it: it is the last frame of the process
        os._exit(status)


def _answer(function: Callable[[A], R], value: A) -> bytes:
    try:
        return pickle.dumps((function(value), None), pickle.HIGHEST_PROTOCOL)
    except MinimizeError as error:
        # Sent as a plain error: not every error can be pickled.
        plain = type(error)(error.what, error.hint)
        return pickle.dumps((None, plain), pickle.HIGHEST_PROTOCOL)


def _opened(answer: bytes) -> Any:  # whatever the function gave
    if not answer:
        raise SurroundingsError(
            "A process that solves images was killed or failed; its error is on standard error.",
            "It may have run out of memory: see the machine's log.",
        )
    result, error = pickle.loads(answer)
    if error is not None:
        raise error
    return result
