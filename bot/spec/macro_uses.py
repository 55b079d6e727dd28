"""Finds the lines of a spec file on which another line depends.

They are the definitions of its macros, and the conditions around it. They are read from the raw
text, by names alone: each definition of a macro counts, wherever it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bot.spec.inside.markers import SECTION, logical_lines
from bot.spec.lines import DEPENDENCY_TAGS, PLAIN_SECTIONS

_DEFINITION = re.compile(r"^\s*(?:%\{[!?]+\w+:\s*)*%(?:global|define)\s+(\w+)")
_BCOND = re.compile(r"^\s*%bcond(?:_with|_without)?\s+(\w+)")
_TAG = re.compile(r"^\s*(Name|Version|Release|Epoch|Source|Patch)(\d{0,9})\s*:", re.IGNORECASE)
_REFERENCE = re.compile(
    r"%\{[?!]*(?:with|without)\s+(?P<option>\w+)|%\{(?P<list>[SP]):(?P<number>\d{1,9})\}"
    r"|%\{?[?!]*(?P<name>[A-Za-z_]\w*)"
)
_READS = re.compile(r"%\(|%\{(?:lua|load):|^\s*%(?:include|load)\b")
_CONDITION = re.compile(r"^\s*%(if\w*|elif\w*|else|endif)\b")
_RUNTIME = (tag for tag in DEPENDENCY_TAGS if not tag.startswith("build"))
_DECISIVE = re.compile(
    rf"^\s*(?:{'|'.join(('name', 'version', 'release', 'epoch', *_RUNTIME))}"
    r"|buildarch(?:itectures)?|exclusivearch|excludearch)\s*(?:\([^)]*\)\s*)?:",
    re.IGNORECASE,
)
_OTHER_TAG = re.compile(r"^\s*[A-Za-z]\w*\s*(?:\([^)]*\)\s*)?:")


@dataclass(frozen=True, slots=True, eq=False)
class _Condition:
    """A line of a condition (by index), and the one around or before it: `%else` has its `%if`.

    Lines share them, so that deep nesting takes memory only by the number of lines.
    """

    index: int
    outer: _Condition | None


class MacroUses:
    """A spec file's logical lines, and the lines on which each depends."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._groups = logical_lines(self._lines)
        self._texts = ["\n".join(self._lines[start : end + 1]) for start, end in self._groups]
        self._definitions: dict[str, list[int]] = {}
        self._conditions: list[_Condition | None] = []
        # For each open condition, the condition around it and its newest line.
        open_: list[tuple[_Condition | None, _Condition]] = []
        unnumbered = {"SOURCE": 0, "PATCH": 0}
        for index, line in enumerate(self._texts):
            word = _CONDITION.match(line)
            if word is not None and word[1] == "endif" and open_:
                open_.pop()
            elif word is not None and not word[1].startswith("if") and open_:
                around, newest = open_[-1]
                open_[-1] = (around, _Condition(index, newest))
            outer, inner = open_[-1] if open_ else (None, None)
            self._conditions.append(inner if word is None else outer)
            if word is not None and word[1].startswith("if"):
                open_.append((inner, _Condition(index, inner)))
            for name in _defined(line, unnumbered):
                self._definitions.setdefault(name, []).append(index)

    def deciding(self, number: int) -> Iterator[tuple[int, ...]]:
        """The logical lines on which the line `number` (from 1) depends, itself first.

        Then come the conditions around it and the definitions of its macros, the nearest first.
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
        """The number of the first line on packages that depends on the text of a file.

        `file` is a base name. Such a line is on the packages' names, versions, architectures or
        dependencies. Null if there is none: the text goes only into a build, or is only shown. If
        no line that reads files names it, each such line counts.
        """
        word = re.compile(rf"(?<![\w.+-]){re.escape(file)}(?![\w+-]|\.\w)")
        reading = {i for i, line in enumerate(self._texts) if _READS.search(line)}
        named = {
            i
            for i, line in enumerate(self._texts)
            if word.search(line) and (i in reading or _TAG.match(line) or _DEFINITION.match(line))
        }
        decided = self._decided_by(named or reading)
        return next((self._groups[i][0] + 1 for i in self._decisive() if i in decided), None)

    def _deciding(self, start: int) -> Iterator[int]:
        reached, queue = {start}, [start]
        names: set[str] = set()
        conditions: set[_Condition] = set()
        for index in queue:
            yield index
            deciders: list[int] = []
            condition = self._conditions[index]
            while condition is not None and condition not in conditions:
                conditions.add(condition)
                deciders.append(condition.index)
                condition = condition.outer
            for name in _referenced(self._texts[index]):
                if name not in names:
                    names.add(name)
                    deciders += self._definitions.get(name, ())
            for decider in deciders:
                if decider not in reached:
                    reached.add(decider)
                    queue.append(decider)

    def _decided_by(self, sources: Iterable[int]) -> set[int]:
        """The lines that depend on one of `sources`, through any macros and conditions."""
        users: dict[str, list[int]] = {}
        inside: dict[_Condition, list[int]] = {}
        inner: dict[_Condition, list[_Condition]] = {}
        opened: dict[int, _Condition] = {}
        for index, line in enumerate(self._texts):
            for name in set(_referenced(line)):
                users.setdefault(name, []).append(index)
            condition = self._conditions[index]
            if condition is not None:
                inside.setdefault(condition, []).append(index)
            while condition is not None and condition.index not in opened:
                opened[condition.index] = condition
                if condition.outer is not None:
                    inner.setdefault(condition.outer, []).append(condition)
                condition = condition.outer
        defined: dict[int, list[str]] = {}
        for name, indexes in self._definitions.items():
            for index in indexes:
                defined.setdefault(index, []).append(name)
        decided, queue = set(sources), list(sources)
        for index in queue:
            dependents: list[int] = []
            for name in defined.pop(index, ()):
                dependents += users.pop(name, ())
            conditions = [opened[index]] if index in opened else []
            for condition in conditions:
                dependents += inside.pop(condition, ())
                conditions += inner.pop(condition, ())
            for dependent in dependents:
                if dependent not in decided:
                    decided.add(dependent)
                    queue.append(dependent)
        return decided

    def _decisive(self) -> Iterator[int]:
        """The lines that decide packages and their dependencies."""
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
    """The macros that a logical line defines, with SOURCE and PATCH and their number; unnumbered
    ones get the next."""
    if (match := _DEFINITION.match(line)) is not None:
        yield match[1]
    elif (match := _BCOND.match(line)) is not None:
        yield f"with_{match[1]}"
    elif (match := _TAG.match(line)) is not None:
        name = match[1].upper()
        if name in unnumbered:
            number = int(match[2]) if match[2] else unnumbered[name]
            unnumbered[name] = number + 1
            name = f"{name}{number}"
        yield name


def _referenced(line: str) -> Iterator[str]:
    """The macros that a line uses, as `_defined` names them."""
    for reference in _REFERENCE.finditer(line):
        if reference["option"]:
            yield f"with_{reference['option']}"
        elif reference["list"]:
            yield f"{'SOURCE' if reference['list'] == 'S' else 'PATCH'}{int(reference['number'])}"
        else:
            name = reference["name"]
            yield name
            yield name.upper()
            if name.startswith("_with"):
                yield f"with_{name.partition('_with_')[2] or name.partition('_without_')[2]}"
