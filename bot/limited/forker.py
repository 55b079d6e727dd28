"""The process that forks a child for each call, and the child (`bot.limited.call`).

It imports the called modules before the first call, runs one thread, and ends with its server, when
its socket is closed.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pickle
import resource
import signal
import socket
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

# The last byte of a child's answer: the kind of the rest.
ANSWER, REFUSED, MEMORY = b"a", b"r", b"m"
# The modules of the called functions.
READERS: tuple[str, ...] = ("bot.spec.results", "bot.build.headers", "bot.build.listing")
_MOST_TEXT = 4096  # bytes of an error's text
_MESSAGE, _DESCRIPTORS = 4096, 16


class UnreadableError(ValueError):
    """Untrusted bytes are not in the expected format; the text says why."""


def main(descriptor: int) -> None:
    """Answer the calls that come through a socket until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The kernel reaps ended children.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    calls = socket.socket(fileno=descriptor)
    for name in READERS:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    while True:
        message, descriptors, _, _ = socket.recv_fds(calls, _MESSAGE, _DESCRIPTORS)
        if not message:
            return
        try:
            child = os.fork()
        except OSError:
            child = -1  # the caller sees that nothing was written
        if child == 0:
            calls.close()
            _answer(json.loads(message), descriptors)
        for fd in descriptors:
            os.close(fd)


def _answer(limits: dict[str, float], descriptors: Sequence[int]) -> NoReturn:
    """Make the call that `descriptors` begin with (arguments, answer), and end."""
    arguments_fd, answer_fd, *open_files = descriptors
    status = 1
    try:
        with os.fdopen(arguments_fd, "rb") as stream:
            function, arguments = pickle.load(stream)
        _limit(limits["seconds"], int(limits["memory"]))
        kind, text = ANSWER, b""
        try:
            text = function(*arguments, *open_files)
        except UnreadableError as error:
            kind, text = REFUSED, str(error).encode(errors="replace")[:_MOST_TEXT]
        except MemoryError:
            kind = MEMORY
        with os.fdopen(answer_fd, "wb") as stream:
            stream.write(text)
            stream.write(kind)
        status = 0
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        os._exit(status)


def _limit(seconds: float, memory: int) -> None:
    """Limit this process: memory above the present, processor time, no files, no processes."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    size = pages * resource.getpagesize() + memory
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    gc.disable()
    # Not caught: it ends the process wherever it is.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
