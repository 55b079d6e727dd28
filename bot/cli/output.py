"""The output of a command: its answer, remarks beside it, and how it shows its progress.

A runner of GitHub's, Forgejo's or Gitea's Actions acts on what it reads. A line `::NAME ...::TEXT`,
and `##[NAME]TEXT` anywhere in one, is a command there: it hides words of the log, adds paths, makes
annotations. A spec file's line or a message of rpm may be such.
https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands;
src/Runner.Common/ActionCommand.cs of https://github.com/actions/runner reads both forms.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO, cast

import click

if TYPE_CHECKING:
    from rich.console import Console

    from bot.cli.progress import Steps


def echo(text: object = "", *, err: bool = False) -> None:
    """Print a text, on standard error if `err`: with none of the terminal's controls in it."""
    from bot.report.phrase import printable

    click.echo(printable(str(text)), err=err)


# Where a click context has the command's Shown.
SHOWN = "minimize.shown"


@dataclass(slots=True)
class Shown:
    """How a command shows itself: `--color`, `--quiet`, and its progress while there is some."""

    color: str = "auto"
    quiet: bool = False
    steps: Steps | None = None


def print_json(value: Mapping[str, object]) -> None:
    """Writes JSON, and nothing else, to standard output."""
    from bot.report.jsonform import json_text

    # A runner would take it for a command; JSON has another way to write the same.
    print_text(json_text(value).replace("##[", "##\\u005b"))


def print_text(text: str) -> None:
    """Write a command's answer to standard output; the line of its progress goes away first."""
    _end_steps()
    sys.stdout.write(text)


def note(text: str) -> None:
    """Write a remark to standard error, unless --quiet is given."""
    if not _shown().quiet:
        _end_steps()
        echo(f"note: {text}", err=True)


def _shown() -> Shown:
    context = click.get_current_context(silent=True)
    found = None if context is None else context.meta.get(SHOWN)
    return found if isinstance(found, Shown) else Shown()


def _end_steps() -> None:
    """Take the line of the progress away: output follows."""
    steps = _shown().steps
    if steps is not None:
        steps.end()


@contextmanager
def progress_bar(
    text: str, total: int | None = None
) -> Iterator[Callable[[int, int | None, str], None] | None]:
    """A bar on a terminal's standard error; None elsewhere.

    It is called with how many are done, of how many (None: as before), and the text beside it.
    """
    if not sys.stderr.isatty() or _shown().quiet:
        yield None
        return
    _end_steps()
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(text, total=total)
        yield lambda done, of, now: bar.update(task, completed=done, total=of, description=now)


def console() -> Console:
    """Standard output for people; rich is imported here, since it costs more than a solve."""
    from rich.console import Console

    _end_steps()
    color = _shown().color
    if color == "never":
        return Console(color_system=None)
    return Console(force_terminal=True) if color == "always" else Console()


_VARIABLES = ("GITHUB_ACTIONS", "FORGEJO_ACTIONS", "GITEA_ACTIONS")
_BREAK = "\N{ZERO WIDTH SPACE}"
_LINE = re.compile(r"(?m)(?<![^\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029])(\s*):(?=:)")


def inert(text: str) -> str:
    """`text` with a space of no width in whatever a runner would take for a command."""
    return _LINE.sub(rf"\1{_BREAK}:", text).replace("##[", f"##{_BREAK}[")


class InertStream:
    """A stream of which a runner takes nothing for a command but what `command` writes."""

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

    def __getattr__(self, name: str) -> Any:  # all else is the stream's own
        return getattr(self._stream, name)


@contextmanager
def inert_streams(variables: Mapping[str, str]) -> Iterator[None]:
    """Make standard output and error inert where the variables are those of such a runner."""
    with ExitStack() as stack:
        if any(variables.get(name) for name in _VARIABLES):
            stack.enter_context(redirect_stdout(cast("TextIO", InertStream(sys.stdout))))
            stack.enter_context(redirect_stderr(cast("TextIO", InertStream(sys.stderr))))
        yield


def write_command(line: str) -> None:
    """Write a command to the runner that reads standard error."""
    stream: object = sys.stderr
    if isinstance(stream, InertStream):
        stream.command(line)
    else:
        click.echo(line, err=True)
