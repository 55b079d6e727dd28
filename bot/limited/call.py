"""Calls of functions in a process of its own, with limits of memory and time.

Untrusted files are parsed there: one that takes all memory, or a regular expression that does not
end, ends that process and not the server. The answer is bytes, limited in number. One process
(`bot.limited.forker`) has imported the readers and forks for each call, in some milliseconds.
(multiprocessing's fork server would run the program's main module again, which fails in a script
without `if __name__ ...`.)
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import pickle
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.errors import SurroundingsError
from bot.limited.forker import ANSWER, MEMORY, REFUSED, UnreadableError

MEBIBYTE = 1024 * 1024
# Simultaneous calls of one server: each may use its limit of memory.
_AT_ONCE = threading.BoundedSemaphore(4)
# Seconds that a call may wait for its process to start on a busy machine.
_STARTING = 60.0
# Seconds between the closing of a dying process's descriptors and its end.
_ENDING = 0.2
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class CallLimits:
    """The limits of one call: `seconds` of time, `memory` and `answer` in bytes."""

    seconds: float = 10.0
    memory: int = 256 * MEBIBYTE
    answer: int = 4 * MEBIBYTE


class LimitError(UnreadableError):
    """A call exceeded one of its limits; the text says which."""


def call_limited(
    function: Callable[..., bytes],
    *arguments: object,
    limits: CallLimits | None = None,
    descriptors: Sequence[int] = (),
) -> bytes:
    """Return `function(*arguments, *descriptors)`, called in a process of its own.

    `function` is at the top of its module; `arguments` are trusted and can be pickled;
    `descriptors` are open files. Raises UnreadableError as `function` does, LimitError if it
    exceeds one of `limits`, SurroundingsError if no process can be started.
    """
    limits = limits or CallLimits()
    with _AT_ONCE:
        answer = _call_answer(function, arguments, limits, descriptors)
        if not answer and _FORKER.has_died():
            answer = _call_answer(function, arguments, limits, descriptors)
    # The kind is the last byte: an answer without it is incomplete.
    kind, text = answer[-1:], answer[:-1]
    if kind == ANSWER:
        return text
    if kind == REFUSED:
        raise UnreadableError(text.decode(errors="replace"))
    if kind == MEMORY:
        raise LimitError(f"reading it takes more than {limits.memory // MEBIBYTE} MiB of memory")
    # A limit's signal ended it, or a bug of ours, whose traceback is in the log.
    raise LimitError(f"reading it takes more than {limits.seconds:g} s, or fails")


def _call_answer(
    function: Callable[..., bytes],
    arguments: tuple[object, ...],
    limits: CallLimits,
    descriptors: Sequence[int],
) -> bytes:
    """The bytes that the process of one call writes; empty if it died before."""
    with contextlib.ExitStack() as stack:
        arguments_file = os.memfd_create("minimize-arguments")
        stack.callback(os.close, arguments_file)
        with open(arguments_file, "wb", closefd=False) as stream:
            pickle.dump((function, arguments), stream)
        os.lseek(arguments_file, 0, os.SEEK_SET)
        reading, writing = os.pipe()
        stack.callback(os.close, reading)
        message = json.dumps({"seconds": limits.seconds, "memory": limits.memory}).encode()
        try:
            _FORKER.send(message, [arguments_file, writing, *descriptors])
        finally:
            os.close(writing)
        return _read(reading, limits)


def prepare() -> None:
    """Start the process that forks, if it does not run, so that it is ready for the first call."""
    _FORKER.start()


def _read(descriptor: int, limits: CallLimits) -> bytes:
    """The bytes that come through a pipe. Raises LimitError above the limit."""
    deadline = time.monotonic() + limits.seconds + _STARTING
    content = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while selector.select(max(0.0, deadline - time.monotonic())):
            piece = os.read(descriptor, _CHUNK)
            content += piece
            if len(content) > limits.answer + 1:
                raise LimitError(f"it has more than {limits.answer} bytes")
            if not piece:
                break
        else:
            raise SurroundingsError("The process that reads untrusted files does not answer.")
    return bytes(content)


class _Forker:
    """The process that forks; started on first use, and again after it died."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> socket.socket:
        with self._lock:
            dead = self._process is not None and self._process.poll() is not None
            if self._socket is not None and not dead:
                return self._socket
            if self._socket is not None:
                self._socket.close()
            own_end, child_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            program = (
                "import json, sys; sys.path[:] = json.loads(sys.argv[1]);"
                " from bot.limited.forker import main; main(int(sys.argv[2]))"
            )
            with child_end:
                self._process = subprocess.Popen(
                    [sys.executable, "-c", program, json.dumps(sys.path), str(child_end.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[child_end.fileno()],
                    start_new_session=True,
                )
            self._socket = own_end
            return own_end

    def send(self, message: bytes, descriptors: Sequence[int]) -> None:
        for last in (False, True):
            try:
                socket.send_fds(self.start(), [message], list(descriptors))
            except OSError as error:
                # It died meanwhile: `start` will notice, and start another.
                if last:
                    raise SurroundingsError(
                        f"No process can be started to read untrusted files: {error.strerror}."
                    ) from error
                self.stop()
            else:
                return

    def has_died(self) -> bool:
        """Return whether the process has ended, or is about to."""
        with self._lock:
            if self._process is None:
                return True
            try:
                self._process.wait(_ENDING)
            except subprocess.TimeoutExpired:
                return False
            return True

    def stop(self) -> None:
        """End the process, if it runs."""
        with self._lock:
            if self._socket is not None and self._process is not None:
                self._socket.close()
                self._process.kill()
                self._process.wait()
            self._socket = self._process = None


_FORKER = _Forker()
atexit.register(_FORKER.stop)
