"""The output of a command: its answer, remarks beside it, and how it shows its progress."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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


def print_json(value: dict[str, Any]) -> None:
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
