"""Output in a runner of GitHub's, Forgejo's or Gitea's Actions, which acts on what it reads.

A line `::NAME ...::TEXT`, and `##[NAME]TEXT` anywhere in one, is a command there: it hides words of
the log, adds paths, makes annotations. A spec file's line or a message of rpm may be such.
https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands;
src/Runner.Common/ActionCommand.cs of https://github.com/actions/runner reads both forms.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import Any, TextIO, cast

import click

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
