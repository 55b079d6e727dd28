"""The progress of a command on a terminal: the running step, after the first second.

The steps are the debug records of the program's loggers, so that computing code knows nothing of
terminals.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.status import Status

# Seconds; faster commands show only their answer.
_SILENT_SECONDS = 1.0
_LOGGER = "bot"
_BESIDE = 5  # columns of the spinner and the dots


class Steps(logging.Handler):
    """The steps of one command: a line with the last one, or with `verbose` a line for each.

    Warnings always have lines of their own. A forked process shows nothing: the line is its
    parent's.
    """

    def __init__(self, *, verbose: bool) -> None:
        super().__init__(logging.DEBUG)
        self._verbose = verbose
        self._started = time.monotonic()
        self._process = os.getpid()
        self._status: Status | None = None
        self._last = "Starting"
        self._ended = False
        self._guard = threading.Lock()
        self._timer = threading.Timer(_SILENT_SECONDS, self._show)
        self._timer.daemon = True
        if not verbose:
            self._timer.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record."""
        if os.getpid() != self._process:
            return
        message = record.getMessage()
        with self._guard:
            if record.levelno >= logging.WARNING:
                self._write(message)
            elif self._verbose:
                self._write(f"{time.monotonic() - self._started:7.1f} s  {message}")
            else:
                self._last = message
                if self._status is not None:
                    self._status.update(_line(message, self._status.console.width))

    def end(self) -> None:
        """Remove the line for good before other output."""
        self._timer.cancel()
        with self._guard:
            self._ended = True
            if self._status is not None:
                self._status.stop()
                self._status = None

    def _show(self) -> None:
        from rich.console import Console

        with self._guard:
            if not self._ended:
                console = Console(stderr=True)
                self._status = console.status(_line(self._last, console.width))
                self._status.start()

    def _write(self, line: str) -> None:
        if self._status is not None:
            self._status.console.print(line, markup=False, highlight=False)
        else:
            sys.stderr.write(f"{line}\n")


@contextmanager
def show_steps(*, verbose: bool) -> Iterator[Steps]:
    """Show the steps of the code inside on standard error."""
    logger, steps = logging.getLogger(_LOGGER), Steps(verbose=verbose)
    state = logger.level, logger.propagate
    logger.addHandler(steps)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield steps
    finally:
        steps.end()
        logger.removeHandler(steps)
        logger.setLevel(state[0])
        logger.propagate = state[1]


def _line(text: str, width: int) -> str:
    """Return the text for rich, on one line: markup in it is shown as text.

    The middle of a longer text is left out: a file's name is at the end.
    """
    from rich.markup import escape

    room = max(width - _BESIDE, 10)
    if len(text) > room:
        text = f"{text[: room // 2]}…{text[-(room - room // 2 - 1) :]}"
    return f"{escape(text)} …"
