"""How far the making is: a bar on a terminal, plain lines elsewhere. Always on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """Progress messages of the build of the distribution."""

    def message(self, text: str) -> None:
        """One sentence, which stays on the screen."""

    def step(self, text: str, total: int) -> Callable[[], None]:
        """Begins a step of `total` parts; the answer is called once for each part done."""


class Silent:
    """Shows nothing."""

    def message(self, text: str) -> None:
        del text

    def step(self, text: str, total: int) -> Callable[[], None]:
        del text, total
        return lambda: None


class Lines:
    """One line for each step, with the seconds since the beginning."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def message(self, text: str) -> None:
        seconds = time.monotonic() - self._start
        sys.stderr.write(f"[{seconds:5.1f} s] {text}\n")
        sys.stderr.flush()

    def step(self, text: str, total: int) -> Callable[[], None]:
        self.message(f"{text} ({total})")
        return lambda: None


@contextmanager
def progress() -> Iterator[Progress]:
    """A bar where standard error is a terminal, else lines."""
    if not sys.stderr.isatty():
        yield Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress

    with RichProgress(
        TextColumn("{task.description:<34}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    ) as bars:

        class Bars:
            def message(self, text: str) -> None:
                bars.console.print(text, highlight=False, markup=False)

            def step(self, text: str, total: int) -> Callable[[], None]:
                task = bars.add_task(text, total=total)
                return lambda: bars.advance(task)

        yield Bars()
