"""The lines of a spec file that decide what another of its lines says.

They are those that define its macros, and the conditions that it stands in. Read from the raw text,
by names alone: each definition of a macro counts, wherever it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bot.spec.inside.markers import SECTION, logical_lines
from bot.spec.lines import DEPENDENCY_TAGS, PLAIN_SECTIONS

_DEFINITION = re.compile(r"^\s*(?:%\{[!?]+\w+:\s*)*%(?:global|define)\s+(\w+)")
_BCOND = re.compile(r"^\s*%bcond(?:_with|_without)?\s+(\w+)")
_TAG = re.compile(r"^\s*(Name|Version|Release|Epoch|Source|Patch)(\d*)\s*:", re.IGNORECASE)
_REFERENCE = re.compile(
    r"%\{[?!]*(?:with|without)\s+(?P<option>\w+)|%\{(?P<list>[SP]):(?P<number>\d+)\}"
    r"|%\{?[?!]*(?P<name>[A-Za-z_]\w*)"
)
_READS = re.compile(r"%\(|%\{(?:lua|load):|^\s*%(?:include|load)\b")
_CONDITION = re.compile(r"^\s*%(if\w*|elif\w*|else|endif)\b")
_RUNTIME = (tag for tag in DEPENDENCY_TAGS if not tag.startswith("build"))
_DECISIVE = re.compile(
    rf"^\s*(?:{'|'.join(('name', 'version', 'release', 'epoch', *_RUNTIME))}"
    r"|buildarch(?:itectures)?|exclusivearch|excludearch)\s*(?:\([^)]*\))?\s*:",
    re.IGNORECASE,
)
_OTHER_TAG = re.compile(r"^\s*[A-Za-z]\w*\s*(?:\([^)]*\))?\s*:")


class MacroUses:
    """A spec file's logical lines, and which of them each depends on."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._groups = logical_lines(self._lines)
        self._texts = ["\n".join(self._lines[start : end + 1]) for start, end in self._groups]
        self._definitions: dict[str, list[int]] = {}
        self._conditions: list[tuple[int, ...]] = []
        open_: list[list[int]] = []
        unnumbered = {"SOURCE": 0, "PATCH": 0}
        for index, line in enumerate(self._texts):
            word = _CONDITION.match(line)
            if word is not None and word[1] == "endif" and open_:
                open_.pop()
            elif word is not None and not word[1].startswith("if") and open_:
                open_[-1].append(index)
            outer = open_[:-1] if word is not None and open_ else open_
            self._conditions.append(tuple(i for each in reversed(outer) for i in reversed(each)))
            if word is not None and word[1].startswith("if"):
                open_.append([index])
            for name in _defined(line, unnumbered):
                self._definitions.setdefault(name, []).append(index)

    def deciding(self, number: int) -> Iterator[tuple[int, ...]]:
        """The logical lines that decide what the line `number` (from 1) says: itself first, then
        the conditions that it stands in and the definitions of its macros, the nearest first.

        Each as the numbers of its lines.
        """
        start = next((i for i, (_, end) in enumerate(self._groups) if number <= end + 1), None)
        for index in () if start is None else self._deciding(start):
            first, last = self._groups[index]
            yield tuple(range(first + 1, last + 2))

    def line(self, number: int) -> str:
        """The text of a line by its number from 1."""
        return self._lines[number - 1]

    def first_decided_by(self, file: str) -> int | None:
        """The number of the first line on packages, their names, versions, architectures or
        dependencies that what a spec file reads from `file` (a base name) decides.

        Null if there is none: what is read then goes into what a build runs, or is only shown.
        Where no line that reads has the name, each that reads counts.
        """
        word = re.compile(rf"(?<![\w.+-]){re.escape(file)}(?![\w+-]|\.\w)")
        reading = {i for i, line in enumerate(self._texts) if _READS.search(line)}
        named = {
            i
            for i, line in enumerate(self._texts)
            if word.search(line) and (i in reading or _TAG.match(line) or _DEFINITION.match(line))
        }
        sources = named or reading
        for index in self._decisive():
            if not sources.isdisjoint(self._deciding(index)):
                return self._groups[index][0] + 1
        return None

    def _deciding(self, start: int) -> Iterator[int]:
        seen, queue = {start}, [start]
        for index in queue:
            yield index
            names = _referenced(self._texts[index])
            defined = (i for name in names for i in self._definitions.get(name, ()))
            for each in (*self._conditions[index], *defined):
                if each not in seen:
                    seen.add(each)
                    queue.append(each)

    def _decisive(self) -> Iterator[int]:
        """The lines that say what packages there are, and all about their dependencies."""
        described = True
        for index, line in enumerate(self._texts):
            heading = SECTION.match(line)
            if heading is not None:
                word = heading[1].lower()
                described = word == "package"
                if word not in PLAIN_SECTIONS:
                    yield index
            elif (
                described
                and not line.lstrip().startswith("#")
                and not _CONDITION.match(line)
                and not _DEFINITION.match(line)
                and not _BCOND.match(line)
                and (_DECISIVE.match(line) or ("%" in line and not _OTHER_TAG.match(line)))
            ):
                yield index


def _defined(line: str, unnumbered: dict[str, int]) -> Iterator[str]:
    """The macros that a logical line defines; of sources and patches without a number the next."""
    if (found := _DEFINITION.match(line)) is not None:
        yield found[1]
    elif (found := _BCOND.match(line)) is not None:
        yield f"with_{found[1]}"
    elif (found := _TAG.match(line)) is not None:
        name = found[1].upper()
        if name in unnumbered:
            number = int(found[2]) if found[2] else unnumbered[name]
            unnumbered[name] = number + 1
            name = f"{name}{number}"
        yield name


def _referenced(line: str) -> Iterator[str]:
    """The macros that a line uses, as `_defined` names them."""
    for found in _REFERENCE.finditer(line):
        if found["option"]:
            yield f"with_{found['option']}"
        elif found["list"]:
            yield f"{'SOURCE' if found['list'] == 'S' else 'PATCH'}{int(found['number'])}"
        else:
            name = found["name"]
            yield name
            yield name.upper()
            if name.startswith("_with"):
                yield f"with_{name.partition('_with_')[2] or name.partition('_without_')[2]}"
