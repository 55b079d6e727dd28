"""A process that computes for one run at a time, and can be ended with all that it started.

It is forked from a small server with the modules loaded (multiprocessing's forkserver) and leads a
session of its own. It ends by itself when its owner has ended, or was frozen for the time of a
lease: others then take over the work, and must not wait for this process's locks. Work and answers
cross a pipe as pickles: both ends are this program.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import pickle
import select
import signal
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeVar

import psutil

from bot import limits
from bot.engine.job import Checker
from bot.errors import ChangeError, MinimizeError, SurroundingsError, UsageError
from bot.locks import LEASE, RENEWAL
from bot.sandbox.priority import lower_priority
from bot.telemetry.logs import LogFormat, current_context, log_to_stderr, working_on
from bot.telemetry.measures import take_measures
from bot.telemetry.metrics import COMPUTE_ENDED, add_measures

T = TypeVar("T")
# Loaded once, shared by every process.
MODULES = ["bot.engine.checker", "bot.engine.computation", "bot.check.built", "bot.build.builders"]
LOG = logging.getLogger(__name__)
_START_PAUSES = (0.0, 0.05, 0.2, 0.5, 1.0)  # seconds to pause after each refused start
_LARGEST_ANSWER = 256_000_000  # bytes
_FRAME = 4  # bytes that a value or a name takes in JSON beside its text: quotes, comma, colon
_FIRST_TO_GO = "500"  # oom_score_adj, of 1000: ended before the server, after sandboxes
_SECONDS_TO_END = 10.0
# Seconds between two signs of life of the owner.
SIGN = RENEWAL


class ProcessEndedError(SurroundingsError):
    """A compute process ended by itself, or was ended for using too much memory."""


class RunStoppedError(SurroundingsError):
    """The run that a process computed for was stopped."""


class AnswerTooLargeError(ChangeError):
    """An answer was too large, and was not read."""


class ComputationError(Exception):
    """A bug in code that ran in a compute process; the text is its traceback."""


def _always() -> bool:
    return True


def start_process(start: Callable[[], None]) -> None:
    """Start a process by the fork server; ProcessEndedError if that cannot be reached.

    After the fork server was killed, starts are refused until its end is noticed; a later one makes
    a new server.
    """
    for pause in _START_PAUSES:
        try:
            start()
        except (EOFError, OSError) as error:
            LOG.info("the fork server does not answer (%s); trying again", error)
            time.sleep(pause)
        else:
            return
    raise ProcessEndedError("No process to compute this could be started.")


class ComputeProcess:
    """The owner's side of one process. Blocking; `end` may be called from another thread.

    `low`: it and its children have a low CPU priority.
    """

    def __init__(
        self, make_checker: Callable[[], Checker], log_format: LogFormat, *, low: bool = False
    ) -> None:
        self.low = low
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(MODULES)
        self._connection, child_end = context.Pipe()
        signs, self._signs = context.Pipe(duplex=False)
        self._process = context.Process(
            target=_serve,
            args=(child_end, signs, make_checker, log_format, low),
            name="minimize-compute",
            daemon=True,
        )
        start_process(self._process.start)
        child_end.close()
        signs.close()
        assert self._process.pid is not None
        self.pid: int = self._process.pid
        self._reaping = threading.Lock()
        self._ended: MinimizeError | None = None

    @property
    def alive(self) -> bool:
        """Return whether the process runs."""
        with self._reaping:  # its status can be read once
            return self._ended is None and self._process.is_alive()

    def call(self, work: Callable[[Checker], T], accepts_large: Callable[[], bool] = _always) -> T:
        """Call `work` with the checker in the process, and return the answer.

        `accepts_large` decides whether an answer above LARGE_ANSWER is read. Raises MinimizeErrors
        of `work`, ComputationError for its other errors, AnswerTooLargeError if the answer is not
        accepted, and, if the process ended before it, the error given to `end`, else
        ProcessEndedError.
        """
        try:
            self._connection.send((current_context(), work))
            if self._connection.recv():
                self._accept(accepts_large)
            body = self._connection.recv_bytes(_LARGEST_ANSWER)
        except (EOFError, OSError) as error:
            raise self._ending(error) from error
        succeeded, answer, measures = pickle.loads(body)
        add_measures(measures)
        if succeeded:
            return answer  # type: ignore[no-any-return]
        raise answer

    def _accept(self, accepts_large: Callable[[], bool]) -> None:
        """Tell the process whether its large answer is wanted; AnswerTooLargeError if not."""
        wanted = False
        try:
            wanted = accepts_large()
        finally:
            self._connection.send(wanted)
        if not wanted:
            raise AnswerTooLargeError(
                "What this change does to the images fills more than the"
                f" {limits.LARGE_ANSWER / 1e6:.0f} MB that are read of it."
            )

    def sign(self) -> None:
        """Send a sign of life of the owner."""
        with contextlib.suppress(OSError):
            self._signs.send_bytes(b".")

    def resident_bytes(self) -> int:
        """The bytes of memory that the process uses; 0 once it has ended."""
        try:
            return int(psutil.Process(self.pid).memory_info().rss)
        except psutil.NoSuchProcess:
            return 0

    def end(self, error: MinimizeError) -> None:
        """Kill the process and its descendants and wait for it; a waiting `call` raises `error`."""
        with self._reaping:
            self._ended = self._ended or error
            alive = self._process.is_alive()
        if alive:
            end_with_children(self.pid)

    def _ending(self, error: Exception) -> MinimizeError:
        COMPUTE_ENDED.inc()
        with self._reaping:
            if self._ended is not None:
                return self._ended
            self._process.join(_SECONDS_TO_END)
            code = self._process.exitcode
        if code is None:
            return ProcessEndedError(f"The process that computes this cannot be read ({error}).")
        if code < 0:
            name = signal.Signals(-code).name
            return ProcessEndedError(f"The process that computes this was ended by {name}.")
        return ProcessEndedError(f"The process that computes this ended with status {code}.")


def end_children() -> None:
    """Kill what this process has started, and what that started; returns when they are gone.

    The server that forks would end by itself, but half a second after this process: a supervisor
    that ends whole groups, as systemd does, finds it left then.
    """
    for child in psutil.Process().children():
        end_with_children(child.pid)


def end_with_children(pid: int) -> None:
    """Kill a process and all its descendants, and wait for their end, 10 s at most.

    All are stopped (SIGSTOP) before any is killed, so that none starts another.
    """
    stopped: dict[int, psutil.Process] = {}
    fresh: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        fresh.append(psutil.Process(pid))
    while fresh:
        for process in fresh:
            stopped[process.pid] = process
            with contextlib.suppress(psutil.Error):
                process.suspend()
        descendants: list[psutil.Process] = []
        with contextlib.suppress(psutil.NoSuchProcess):
            descendants = stopped[pid].children(recursive=True)
        fresh = [process for process in descendants if process.pid not in stopped]
    # The deepest first; a sandbox whose parent has ended ends its other processes anyway.
    for process in reversed(stopped.values()):
        with contextlib.suppress(psutil.Error):
            process.kill()
    deadline = time.monotonic() + _SECONDS_TO_END
    while any(map(runs, stopped.values())) and time.monotonic() < deadline:
        time.sleep(0.005)


def runs(process: psutil.Process) -> bool:
    """Return whether a process still runs; an unreaped zombie does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _serve(
    connection: Connection,
    signs: Connection,
    make_checker: Callable[[], Checker],
    log_format: LogFormat,
    low: bool,
) -> None:
    """The main loop of the process: do one piece of work after the other until the owner has
    ended."""
    os.setsid()
    if low:
        lower_priority()
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO)
    log_to_stderr(log_format)
    working = threading.Event()
    watch = threading.Thread(
        target=_end_with_owner, args=(connection.fileno(), signs, working), daemon=True
    )
    watch.start()
    checker = make_checker()
    while True:
        try:
            context, work = connection.recv()
            working.set()
            with working_on(context):
                answer, large = _answer(work, checker)
            connection.send(large)
            if not large or connection.recv():
                connection.send_bytes(answer)
            working.clear()
        except (EOFError, ConnectionError):
            return  # the owner has ended: nobody reads the answer


def _answer(work: Callable[[Checker], object], checker: Checker) -> tuple[bytes, bool]:
    """The pickled answer, and whether it is large."""
    try:
        answer: tuple[bool, object] = True, work(checker)
    except MinimizeError as error:
        answer = False, _portable(error)
    except Exception:  # noqa: BLE001  (sent to the owner, which logs it)
        answer = False, ComputationError(traceback.format_exc())
    return pickle.dumps((*answer, take_measures())), is_large(answer)


def is_large(answer: object) -> bool:
    """Return whether an answer takes more than LARGE_ANSWER bytes as JSON, by an estimate.

    JSON repeats a package for each of a thousand images; a pickle has it once. Counted are the
    lengths of texts and field names, and a few bytes for each value.
    """
    bytes_left = limits.LARGE_ANSWER
    waiting: list[object] = [answer]
    while waiting:
        value = waiting.pop()
        bytes_left -= _FRAME
        if isinstance(value, str | bytes):
            bytes_left -= len(value)
        elif isinstance(value, Mapping):
            waiting.extend(value.keys())
            waiting.extend(value.values())
        elif isinstance(value, list | tuple | set | frozenset):
            waiting.extend(value)
        elif is_dataclass(value) and not isinstance(value, type):
            for field in fields(value):
                bytes_left -= _FRAME + len(field.name)
                waiting.append(getattr(value, field.name))
        elif isinstance(value, BaseException):
            waiting.extend(value.args)
        if bytes_left < 0:
            return True
    return False


def _portable(error: MinimizeError) -> MinimizeError:
    """The error, or a similar one if its class cannot be unpickled in the owner."""
    try:
        pickle.loads(pickle.dumps(error))
    except (TypeError, AttributeError, pickle.PicklingError):
        kinds = {
            error_class.exit_code: error_class
            for error_class in (UsageError, ChangeError, SurroundingsError)
        }
        return kinds[error.exit_code](error.what, error.hint)
    return error


def _end_with_owner(owner: int, signs: Connection, working: threading.Event) -> None:
    """Kill this process and its descendants once the owner's end of the pipe is closed, or if the
    owner sends no sign of life while it works."""
    poller = select.poll()
    poller.register(owner, select.POLLRDHUP)
    poller.register(signs.fileno(), select.POLLIN)
    heard = time.monotonic()
    while True:
        ready = dict(poller.poll(SIGN * 1000))
        if owner in ready:
            break
        if signs.fileno() in ready:
            with contextlib.suppress(EOFError):
                signs.recv_bytes()
            heard = time.monotonic()
        elif not working.is_set():
            heard = time.monotonic()
        elif time.monotonic() - heard > LEASE:
            break
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            child.kill()
    os.kill(os.getpid(), signal.SIGKILL)
