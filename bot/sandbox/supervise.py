"""Supervision of a running sandbox: its output, its limits, and its end."""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from bot.sandbox.cancellation import Cancellation
from bot.sandbox.cgroup import ControlGroup
from bot.sandbox.disk import DiskRoom
from bot.sandbox.remedies import namespace_remedy
from bot.sandbox.user_ids import IdMap
from bot.sandbox.values import Limit, Limits, RunResult, SandboxError
from bot.sandbox.watch import exceeded, readable, usage

_CHUNK = 64 * 1024
# Seconds: often at first (a fork bomb needs milliseconds), less often in a long build.
_EARLY, _LATE, _EARLY_FOR = 0.02, 0.2, 5.0
_AFTER_KILL = 10.0


@dataclass(frozen=True, slots=True)
class Launch:
    """A sandbox that is ready to start.

    `input` is `command`'s standard input, `descriptors` those that it inherits, `status` is the one
    to which bubblewrap writes its status; `uid` is the unprivileged user's, None if this
    process is not root.
    """

    command: Sequence[str]
    input: int
    descriptors: Sequence[int]
    status: int
    limits: Limits
    group: ControlGroup
    log: Path | None
    ids: IdMap | None
    uid: int | None
    room: DiskRoom
    cancellation: Cancellation


def supervise(launch: Launch) -> RunResult:
    """Run it to its end, or kill it with all its processes at a limit or when it is cancelled.

    Raises SandboxError where it did not start, and WorkCancelled.
    """
    started = time.monotonic()
    log, limits = launch.log, launch.limits
    sink: Sink = OutputSink(limits.output) if log is None else LogSink(log, limits.output)
    with sink:
        process = subprocess.Popen(
            launch.command,
            stdin=launch.input,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if log is None else subprocess.STDOUT,
            pass_fds=launch.descriptors,
            env={"PATH": "/usr/bin:/usr/sbin:/bin:/sbin"},
            cwd="/",
            start_new_session=True,
        )
        limit: Limit | None = None
        try:
            if launch.ids is not None:
                launch.ids.write(launch.uid)
            limit = _read_streams(process, sink, _Watch(process, launch, started))
        finally:
            if process.poll() is None:
                _kill(process, launch)
            _await_all(launch.status)
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
        stdout, stderr = sink.result()
    returncode = process.returncode
    limit = limit or launch.group.exceeded()
    # bubblewrap reports a command that a signal ended as 128 + signal, as a shell does.
    if limit is None and returncode in (128 + signal.SIGXFSZ, -signal.SIGXFSZ):
        limit = "disk"
    if limit is None:
        _refuse_setup_failure(launch.status, stderr or stdout)
    return RunResult(returncode, stdout, stderr, limit, time.monotonic() - started)


def _refuse_setup_failure(status: int, output: bytes) -> None:
    """Raise SandboxError if bubblewrap or its starters failed before the command started.

    bubblewrap writes an exit code to its status descriptor only if its setup succeeded.
    """
    if b'"exit-code"' in os.pread(status, _CHUNK, 0):
        return
    text = output.decode(errors="replace").strip()
    raise SandboxError(
        f"The sandbox could not start: {text.rstrip('.') or 'no reason was given'}.",
        namespace_remedy(text),
    )


class _Watch:
    """Ends the run when one of its limits is exceeded, and records which."""

    def __init__(self, process: subprocess.Popen[bytes], launch: Launch, started: float) -> None:
        self.limit: Limit | None = None
        self._process = process
        self._launch = launch
        self._started = started
        self._deadline = started + launch.limits.seconds
        self._next_look = started + _EARLY
        self._next_disk_look = started

    def pause(self) -> float:
        """Return the seconds until the next check is due."""
        until = min(self._deadline, self._next_look, self._next_disk_look) - time.monotonic()
        return max(0.0, min(until, _LATE))

    def end(self, limit: Limit) -> None:
        """Kill the run for this limit."""
        self.limit = limit
        _kill(self._process, self._launch)

    def look(self) -> bool:
        """Return whether the run may go on; raise WorkCancelled where it was cancelled."""
        limits = self._launch.limits
        self._launch.cancellation.check()
        now = time.monotonic()
        if now >= self._deadline:
            self.end("time")
            return False
        if now >= self._next_disk_look:
            if self._launch.room.short() is not None:
                self.end("disk")
                return False
            self._next_disk_look = now + self._launch.room.pause()
        if now >= self._next_look:
            group = self._launch.group
            excess = group.exceeded()
            excess = excess or exceeded(group.usage() or usage(self._process.pid), limits)
            if excess is not None:
                self.end(excess)
            # Checking a large tree takes longer: use at most a fifth of a processor.
            pause = _EARLY if now - self._started < _EARLY_FOR else _LATE
            self._next_look = now + max(pause, 5 * (time.monotonic() - now))
        return self.limit is None


def _read_streams(process: subprocess.Popen[bytes], sink: Sink, watch: _Watch) -> Limit | None:
    """Read the streams until they end and wait for the process; return the limit that ended it."""
    streams = [stream for stream in (process.stdout, process.stderr) if stream is not None]
    with selectors.DefaultSelector() as selector:
        for stream in streams:
            selector.register(stream.fileno(), selectors.EVENT_READ, stream is process.stderr)
        while selector.get_map() and watch.look():
            for key, _ in selector.select(watch.pause()):
                data = os.read(key.fd, _CHUNK)
                if not data:
                    selector.unregister(key.fd)
                elif not sink.take(data, is_error=key.data):
                    watch.end("output")
                    break
    # A command may close its streams and continue.
    while process.poll() is None and watch.look():
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=max(watch.pause(), 0.001))
    return watch.limit


def _init_of(status: int) -> int | None:
    """Return a descriptor (pidfd) of the run's first process inside, None if it does not exist.

    `status` is the descriptor to which bubblewrap writes its status.
    """
    match = re.search(rb'"child-pid"\s*:\s*(\d+)', os.pread(status, _CHUNK, 0))
    try:
        return None if match is None else os.pidfd_open(int(match[1]))
    except ProcessLookupError:
        return None


def _signal_init(init: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        signal.pidfd_send_signal(init, signal.SIGKILL)


def _kill(process: subprocess.Popen[bytes], launch: Launch) -> None:
    """Kill everything in the run's process namespace, and bubblewrap.

    The namespace's init is killed first, so that bubblewrap reaps it. If that takes long,
    bubblewrap itself is killed, and its init with it.
    """
    launch.group.kill()
    init = _init_of(launch.status)
    if init is not None:
        _signal_init(init)
        os.close(init)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_AFTER_KILL / 4)
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
    try:
        process.wait(timeout=_AFTER_KILL)
    except subprocess.TimeoutExpired as error:
        raise SandboxError(f"Process {process.pid} of the sandbox does not end.") from error


def _await_all(status: int) -> None:
    """Wait until no process of the run is left.

    bubblewrap may end before its processes. The init of a process namespace is the last to end:
    until then its processes count for their user, and may still write.
    """
    init = _init_of(status)
    if init is None:
        return
    try:
        _signal_init(init)
        if not readable(init, _AFTER_KILL):
            raise SandboxError("Processes of the sandbox do not end.")
        # If this is process 1 of a container, it must reap orphans.
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, init, os.WEXITED | os.WNOHANG)
    finally:
        os.close(init)


_TAIL = 64 * 1024


class Sink(Protocol):
    """A destination of both streams."""

    def take(self, data: bytes, *, is_error: bool) -> bool: ...

    def result(self) -> tuple[bytes, bytes]: ...

    def __enter__(self) -> Sink: ...

    def __exit__(self, *_: object) -> None: ...


class OutputSink:
    """Stores both streams in memory, up to a total number of bytes."""

    def __init__(self, limit: int) -> None:
        self._room = limit
        self._streams = (bytearray(), bytearray())

    def take(self, data: bytes, *, is_error: bool) -> bool:
        self._streams[is_error].extend(data[: max(self._room, 0)])
        self._room -= len(data)
        return self._room >= 0

    def result(self) -> tuple[bytes, bytes]:
        return bytes(self._streams[0]), bytes(self._streams[1])

    def __enter__(self) -> OutputSink:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class LogSink:
    """Writes both streams to a file as they arrive, and stores the end in memory."""

    def __init__(self, path: Path, limit: int) -> None:
        self._path = path
        self._room = limit
        self._tail: deque[bytes] = deque()
        self._size = 0
        self._file: IO[bytes] | None = None

    def take(self, data: bytes, *, is_error: bool) -> bool:
        del is_error
        assert self._file is not None
        self._file.write(data[: max(self._room, 0)])
        self._file.flush()
        self._room -= len(data)
        self._tail.append(data)
        self._size += len(data)
        while self._size - len(self._tail[0]) >= _TAIL:
            self._size -= len(self._tail.popleft())
        return self._room >= 0

    def result(self) -> tuple[bytes, bytes]:
        return b"".join(self._tail)[-_TAIL:], b""

    def __enter__(self) -> LogSink:
        self._file = self._path.open("ab")
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
