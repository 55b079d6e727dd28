"""The output of a command: its answer, notes, and its progress.

A runner of GitHub's, Forgejo's or Gitea's Actions acts on what it reads. A line `::NAME ...::TEXT`,
and `##[NAME]TEXT` anywhere in one, is a command there: it hides words of the log, adds paths, makes
annotations. A spec file's line or a message of rpm may look like one.
https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands;
src/Runner.Common/ActionCommand.cs of https://github.com/actions/runner reads both forms.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO, cast

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status


def echo(text: object = "", *, err: bool = False) -> None:
    """Print a text, on standard error if `err`, without the terminal's control characters."""
    from bot.report.phrase import printable

    click.echo(printable(str(text)), err=err)


# Seconds; faster commands show only their answer.
_SILENT_SECONDS = 1.0
_LOGGER = "bot"
_BESIDE = 5  # columns of the spinner and the dots
# The key of the command's Shown in a click context.
OUTPUT_OPTIONS = "minimize.shown"


@dataclass(slots=True)
class OutputOptions:
    """The output options of a command (`--color`, `--quiet`), and its progress, if any."""

    color: str = "auto"
    quiet: bool = False
    steps: Steps | None = None


def print_json(value: Mapping[str, object]) -> None:
    """Write JSON, and nothing else, to standard output."""
    from bot.report.jsonform import json_text

    # A runner would take this for a command; JSON can be written differently.
    print_text(json_text(value).replace("##[", "##\\u005b"))


def print_text(text: str) -> None:
    """Write a command's answer to standard output, after removing the progress line."""
    _end_steps()
    sys.stdout.write(text)


def note(text: str) -> None:
    """Write a note to standard error, unless --quiet is given."""
    if not _output_options().quiet:
        _end_steps()
        echo(f"note: {text}", err=True)


def _output_options() -> OutputOptions:
    context = click.get_current_context(silent=True)
    value = None if context is None else context.meta.get(OUTPUT_OPTIONS)
    return value if isinstance(value, OutputOptions) else OutputOptions()


def _end_steps() -> None:
    """Remove the progress line before other output."""
    steps = _output_options().steps
    if steps is not None:
        steps.end()


@contextmanager
def progress_bar(
    text: str, total: int | None = None
) -> Iterator[Callable[[int, int | None, str], None] | None]:
    """Return a bar on a terminal's standard error; None elsewhere.

    It is called with the number done, the total (None: as before), and the text beside it.
    """
    if not sys.stderr.isatty() or _output_options().quiet:
        yield None
        return
    _end_steps()
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(text, total=total)
        yield lambda number, of, caption: bar.update(
            task, completed=number, total=of, description=caption
        )


def console() -> Console:
    """Return the standard output for people; importing rich takes longer than a solve."""
    from rich.console import Console

    _end_steps()
    color = _output_options().color
    if color == "never":
        return Console(color_system=None)
    return Console(force_terminal=True) if color == "always" else Console()


_VARIABLES = ("GITHUB_ACTIONS", "FORGEJO_ACTIONS", "GITEA_ACTIONS")
_BREAK = "\N{ZERO WIDTH SPACE}"
_LINE = re.compile(r"(?m)(?<![^\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029])(\s*):(?=:)")


def inert(text: str) -> str:
    """Return `text` with a zero-width space in all that a runner would take for a command."""
    return _LINE.sub(rf"\1{_BREAK}:", text).replace("##[", f"##{_BREAK}[")


class InertStream:
    """A stream in which a runner finds no commands except those that `command` writes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text without commands."""
        self._stream.write(inert(text))
        return len(text)

    def command(self, line: str) -> None:
        """Write a command of our own, on a line of its own."""
        self._stream.write(f"{line}\n")
        self._stream.flush()

    def __getattr__(self, name: str) -> Any:  # everything else is the stream's own
        return getattr(self._stream, name)


@contextmanager
def inert_streams(variables: Mapping[str, str]) -> Iterator[None]:
    """Make standard output and error inert if the environment is such a runner's."""
    with ExitStack() as stack:
        if any(variables.get(name) for name in _VARIABLES):
            stack.enter_context(redirect_stdout(cast("TextIO", InertStream(sys.stdout))))
            stack.enter_context(redirect_stderr(cast("TextIO", InertStream(sys.stderr))))
        yield


def write_command(line: str) -> None:
    """Write a command for the runner, which reads standard error."""
    stream: object = sys.stderr
    if isinstance(stream, InertStream):
        stream.command(line)
    else:
        click.echo(line, err=True)


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
