"""The instructions of a Containerfile: their words, lines and here-documents.

By the reference of Dockerfiles: continuation lines, comments between them, the `escape` directive,
`RUN <<EOF`. (dockerfile-parse 2.0.1 of 2023 knows neither here-documents nor the line of a word in
a continued instruction.)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_ESCAPE = re.compile(r"#\s*escape\s*=\s*([\\`])\s*$", re.IGNORECASE)
_DIRECTIVE = re.compile(r"#\s*\w+\s*=")
_HEREDOC = re.compile(r"<<(-?)([\"']?)([A-Za-z_]\w*)\2")


@dataclass(frozen=True, slots=True)
class HereDocument:
    """A here-document of an instruction: its text and the line where that begins."""

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Instruction:
    """An instruction: its name in capitals, the text behind it, and its line, from 1.

    In `text` a line that goes on in the next one ends in a backslash and a newline, whatever the
    file's escape character is; comment lines are empty.
    """

    name: str
    text: str
    line: int
    documents: tuple[HereDocument, ...] = ()

    @property
    def words(self) -> list[str]:
        """The words of the text, without options such as `--from=build`."""
        return [word for word in self.text.replace("\\\n", " ").split() if word[:2] != "--"]

    def option(self, name: str) -> str:
        """The value of an option (`--from=build`), or an empty text."""
        start = f"--{name}="
        words = self.text.replace("\\\n", " ").split()
        return next((word.removeprefix(start) for word in words if word.startswith(start)), "")


def read_instructions(content: bytes) -> tuple[Instruction, ...]:
    """The instructions of a file, in order."""
    text = content.decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n")
    return tuple(_instructions(text.split("\n")))


def _instructions(lines: list[str]) -> Iterator[Instruction]:
    escape = _escape(lines)
    at = 0
    while at < len(lines):
        line = lines[at].strip()
        if not line or line.startswith("#"):
            at += 1
            continue
        first = at + 1
        joined, at = _joined(lines, at, escape)
        name, _, rest = (
            joined.lstrip().partition(" ") if " " in joined.lstrip() else (joined, "", "")
        )
        name = name.strip()
        documents: list[HereDocument] = []
        if name.upper() in ("RUN", "COPY", "ADD"):
            for dash, _, word in _HEREDOC.findall(rest):
                document, at = _document(lines, at, word, tabs=bool(dash))
                documents.append(document)
        yield Instruction(name.upper(), rest, first, tuple(documents))


def _escape(lines: list[str]) -> str:
    for line in lines:
        if not _DIRECTIVE.match(line.strip()):
            return "\\"
        if match := _ESCAPE.match(line.strip()):
            return match[1]
    return "\\"


def _joined(lines: list[str], at: int, escape: str) -> tuple[str, int]:
    """An instruction with the lines in which it goes on, and where the next one begins."""
    text = lines[at]
    at += 1
    while text.rstrip().endswith(escape):
        text = f"{text.rstrip()[:-1]}\\\n"
        while at < len(lines) and (not lines[at].strip() or lines[at].strip().startswith("#")):
            text, at = f"{text}\\\n", at + 1
        if at == len(lines):
            break
        text, at = text + lines[at], at + 1
    return text.rstrip("\\\n") if text.endswith("\\\n") else text, at


def _document(lines: list[str], at: int, word: str, *, tabs: bool) -> tuple[HereDocument, int]:
    first = at
    while at < len(lines) and (lines[at].lstrip("\t") if tabs else lines[at]) != word:
        at += 1
    return HereDocument("\n".join(lines[first:at]), first + 1), at + 1
