"""The compute processes of this machine: their slots, their runs, and the pools they have loaded.

Weighed in November 2026: concurrent.futures and loky lose the whole pool with one process that is
killed; pebble replaces it, but does not kill its children, and polls ten times a second; anyio's
worker processes import everything anew each time, and their children are not killed either.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from bot.engine.computation import warm_up
from bot.engine.compute_process import (
    SIGN,
    ComputeProcess,
    ProcessEndedError,
    RunStoppedError,
)
from bot.engine.job import Checker
from bot.errors import MinimizeError
from bot.telemetry.logs import LogFormat
from bot.telemetry.metrics import COMPUTE_BYTES, COMPUTE_PROCESSES

LOG = logging.getLogger(__name__)
T = TypeVar("T")
Slot = Literal["predictions", "builds", "emulated"]
Work = Callable[[Checker], T]
AcceptsLarge = Callable[[], Awaitable[bool]]
# A push within eight minutes finds a warm process; after ten minutes idle memory is freed.
IDLE_SECONDS = 480.0
_LOOK_SECONDS = 0.5  # between two checks of a busy process's memory
_DECIDING = 60.0  # seconds to decide whether a large answer is read
_REMEMBERED = 60.0  # seconds for which an ended run cannot start processes


class Computing(Protocol):
    """The interface by which runs compute in processes of their own."""

    async def run(
        self,
        run: str,
        slot: Slot,
        seconds: float,
        work: Work[T],
        about: str = "",
        accepts_large: AcceptsLarge | None = None,
    ) -> T:
        """Run `work` for a run in a compute process; TimeoutError after `seconds`, without the wait
        for a slot.

        `about` names the repositories that the work needs loaded; `accepts_large` decides whether a
        large answer, which would fill this process's memory, is read (AnswerTooLargeError if not).
        When the caller is cancelled, or `end` is called, this returns after the process and its
        children have ended.
        """
        ...

    def end(self, run: str) -> None:
        """End the processes of a run. From any thread; blocks for some tens of milliseconds."""
        ...

    async def warm_up(self) -> None:
        """Start one process, and load what most checks need."""
        ...

    def drop_idle(self) -> int:
        """End processes that were not used lately; return their number. From any thread."""
        ...

    def close(self) -> None:
        """End every process."""
        ...


@dataclass(frozen=True, slots=True)
class _Idle:
    process: ComputeProcess
    about: str
    since: float


class Processes:
    """Compute processes, limited by slots. A slot is taken until its work has returned or its
    process ended.

    Processes for emulated builds have a low CPU priority for good.
    """

    def __init__(
        self,
        make_checker: Callable[[], Checker],
        slots: Mapping[Slot, int],
        *,
        memory: int,
        idle: float = IDLE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        log_format: LogFormat = "text",
    ) -> None:
        self._make_checker = make_checker
        self._log_format = log_format
        self._slots = {name: asyncio.Semaphore(max(count, 1)) for name, count in slots.items()}
        self._memory = memory
        self._idle_seconds = idle
        self._clock = clock
        self._lock = threading.Lock()
        self._idle: list[_Idle] = []
        self._busy: dict[ComputeProcess, str] = {}
        self._end_times: dict[str, float] = {}
        self._endings: set[asyncio.Task[None]] = set()
        self._closed = threading.Event()
        COMPUTE_PROCESSES.labels("busy").set_function(lambda: len(self._busy))
        COMPUTE_PROCESSES.labels("idle").set_function(lambda: len(self._idle))
        COMPUTE_BYTES.set_function(self._resident_bytes)
        threading.Thread(target=self._send_signs, name="signs", daemon=True).start()

    async def run(
        self,
        run: str,
        slot: Slot,
        seconds: float,
        work: Work[T],
        about: str = "",
        accepts_large: AcceptsLarge | None = None,
    ) -> T:
        """See `Computing.run`; ProcessEndedError where the process ended without an answer."""
        free = self._slots[slot]
        await free.acquire()
        process = await self._start(run, about, free, low=slot == "emulated")
        try:
            async with asyncio.timeout(seconds):
                answer = await self._watch(process, work, accepts_large)
        except BaseException as error:
            if process.alive and _is_answer(error):
                self._release(process, about, free)
            else:
                await self._end_and_release(process, run, free)
            raise
        self._release(process, about, free)
        return answer

    async def _start(
        self, run: str, about: str, free: asyncio.Semaphore, *, low: bool
    ) -> ComputeProcess:
        """A process for a run; frees the slot if none starts or the caller is cancelled."""
        acquisition = asyncio.ensure_future(asyncio.to_thread(self._acquire, run, about, low=low))

        def give_back(future: asyncio.Future[ComputeProcess]) -> None:
            if not future.cancelled() and future.exception() is None:
                self._put_back(future.result(), about)
            free.release()

        try:
            return await asyncio.shield(acquisition)
        except BaseException:
            # If it is still being started, another run will use it.
            acquisition.add_done_callback(give_back)
            raise

    def end(self, run: str) -> None:
        """See `Computing.end`."""
        with self._lock:
            now = self._clock()
            self._end_times = {r: t for r, t in self._end_times.items() if now - t < _REMEMBERED}
            self._end_times[run] = now
            processes = [process for process, other in self._busy.items() if other == run]
        for process in processes:
            process.end(_stop_error(run))

    async def warm_up(self) -> None:
        """See `Computing.warm_up`."""
        process = await asyncio.to_thread(self._acquire, "", "")
        try:
            await asyncio.to_thread(process.call, warm_up)
        finally:
            self._put_back(process, "")

    def drop_idle(self) -> int:
        """See `Computing.drop_idle`."""
        before = self._clock() - self._idle_seconds
        with self._lock:
            unused = [
                entry for entry in self._idle if entry.since < before or not entry.process.alive
            ]
            self._idle = [entry for entry in self._idle if entry not in unused]
        for entry in unused:
            entry.process.end(_stop_error("What was idle"))
        return len(unused)

    def close(self) -> None:
        """See `Computing.close`."""
        self._closed.set()
        with self._lock:
            processes = [*self._busy, *(entry.process for entry in self._idle)]
            self._idle = []
        for process in processes:
            process.end(_stop_error("The bot"))

    def _resident_bytes(self) -> int:
        with self._lock:
            processes = [*self._busy, *(entry.process for entry in self._idle)]
        return sum(process.resident_bytes() for process in processes)

    def _send_signs(self) -> None:
        """Send signs of life to the busy processes, in a thread independent of the event loop."""
        while not self._closed.wait(SIGN):
            with self._lock:
                busy = list(self._busy)
            for process in busy:
                process.sign()

    def _acquire(self, run: str, about: str, *, low: bool = False) -> ComputeProcess:
        """An idle process of that priority for a run, preferably one that last worked on `about`; a
        new one if none is idle."""
        with self._lock:
            self._refuse_stopped(run)
            self._idle = [entry for entry in self._idle if entry.process.alive]
            idle = [entry for entry in self._idle if entry.process.low == low]
            warm = [entry for entry in idle if entry.about == about]
            if idle:
                # If none is warm, the longest idle one.
                entry = warm[-1] if warm else idle[0]
                self._idle.remove(entry)
                self._busy[entry.process] = run
                return entry.process
        process = ComputeProcess(self._make_checker, self._log_format, low=low)
        with self._lock:
            self._busy[process] = run
            stopped = run in self._end_times
        if stopped:
            process.end(_stop_error(run))
        return process

    def _refuse_stopped(self, run: str) -> None:
        if run in self._end_times:
            raise _stop_error(run)

    async def _watch(
        self, process: ComputeProcess, work: Work[T], accepts_large: AcceptsLarge | None
    ) -> T:
        """The answer of `work`; the process is ended if it takes more memory than the limit."""
        arguments = (work,) if accepts_large is None else (work, _from_thread(accepts_large))
        call: asyncio.Future[T] = asyncio.ensure_future(asyncio.to_thread(process.call, *arguments))
        call.add_done_callback(lambda call: call.cancelled() or call.exception())
        while True:
            done, _ = await asyncio.wait({call}, timeout=_LOOK_SECONDS)
            if done:
                return call.result()
            used = process.resident_bytes()
            if used > self._memory:
                problem = (
                    f"The process that computes this took {used / 1e6:.0f} MB of memory,"
                    f" more than the {self._memory / 1e6:.0f} MB that it may use."
                )
                await asyncio.to_thread(process.end, ProcessEndedError(problem))

    def _release(self, process: ComputeProcess | None, about: str, free: asyncio.Semaphore) -> None:
        if process is not None:
            self._put_back(process, about)
        free.release()

    def _put_back(self, process: ComputeProcess, about: str) -> None:
        with self._lock:
            del self._busy[process]
            if process.alive:
                self._idle.append(_Idle(process, about, self._clock()))

    async def _end_and_release(
        self, process: ComputeProcess, run: str, free: asyncio.Semaphore
    ) -> None:
        """End the process, even if the caller is cancelled, and free the slot after that."""

        async def end() -> None:
            try:
                await asyncio.to_thread(process.end, _stop_error(run))
            finally:
                self._release(process, "", free)

        ending = asyncio.create_task(end())
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)
        await asyncio.shield(ending)


def _from_thread(accepts_large: AcceptsLarge) -> Callable[[], bool]:
    """`accepts_large` as a blocking function, to be called in a thread."""
    loop = asyncio.get_running_loop()

    async def accepted() -> bool:
        return await accepts_large()

    return lambda: asyncio.run_coroutine_threadsafe(accepted(), loop).result(_DECIDING)


def _stop_error(what: str) -> MinimizeError:
    return RunStoppedError(f"{what} was stopped.")


def _is_answer(error: BaseException) -> bool:
    """Return whether an error was returned by the work, so that its process can be used again."""
    ended = ProcessEndedError | RunStoppedError | TimeoutError
    return isinstance(error, Exception) and not isinstance(error, ended)
