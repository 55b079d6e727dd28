"""Finds the line of a spec file that states a dependency.

rpm's expanded text of a marked copy (`bot.spec.inside.markers`) shows what became of each line. A
line is named only if the expanded text, read as rpm reads it, has that dependency in that package,
and the line itself can have brought it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bot.model.capability import capabilities_in, split_capability
from bot.model.package import Dependency, DependencyKind
from bot.model.spec import SpecLine
from bot.spec.headers import capability_key
from bot.spec.inside.markers import END, MARK, SECTION, logical_lines

# The package name for BuildRequires; no package can have it.
SOURCE = ""

DEPENDENCY_TAGS: Mapping[str, DependencyKind] = {
    "requires": "requires",
    "prereq": "requires",
    "provides": "provides",
    "conflicts": "conflicts",
    "obsoletes": "obsoletes",
    "recommends": "recommends",
    "suggests": "suggests",
    "supplements": "supplements",
    "enhances": "enhances",
    "buildrequires": "requires",
    "buildprereq": "requires",
}
# Tags that turn the generators of dependencies on and off.
_GENERATORS = frozenset({"autoreq", "autoprov", "autoreqprov"})
_TAG_LINE = re.compile(r"^\s*([A-Za-z]+)\s*(?:\(([^)]*)\)\s*)?:(.*)$")
_HEADING = re.compile(r"^%([a-z_]+)\b(.*)$", re.IGNORECASE)
_SCRIPTLETS = {
    "pre": "pre",
    "post": "post",
    "preun": "preun",
    "postun": "postun",
    "pretrans": "pretrans",
    "posttrans": "posttrans",
    "preuntrans": "preuntrans",
    "postuntrans": "postuntrans",
    "verifyscript": "verify",
}
# Sections that make no package and state no dependency.
PLAIN_SECTIONS = frozenset(
    {
        "description",
        "prep",
        "conf",
        "generate_buildrequires",
        "build",
        "install",
        "check",
        "clean",
        "changelog",
        "sourcelist",
        "patchlist",
        "sepolicy",
    }
)


# What a build runs, in rpm's order.
_BUILD = ("prep", "conf", "generate_buildrequires", "build", "install", "check")


def build_sections(parsed: str) -> tuple[tuple[str, str], ...]:
    """Name and text of the sections of expanded text that a build runs, in the order of the
    text."""
    sections: list[tuple[str, list[str]]] = []
    current: list[str] | None = None
    for line in parsed.split("\n"):
        heading = SECTION.match(line)
        if heading is not None or END.match(line):
            name = "" if heading is None else heading[1].lower()
            current = [] if name in _BUILD else None
            if current is not None:
                sections.append((name, current))
        elif current is not None:
            current.append(line)
    return tuple((name, "\n".join(lines)) for name, lines in sections)


@dataclass(frozen=True, slots=True)
class _Stated:
    """One statement of a dependency in expanded text: its qualifiers, and the raw line it came
    from."""

    qualifiers: tuple[str, ...]
    origin: SpecLine | None


@dataclass(slots=True)
class ExpandedSpec:
    """The content of expanded text: dependencies by package, kind and capability; packages with
    `%files`; `%package` lines by package; tags that turn generators on and off, as package, tag and
    value."""

    stated: dict[tuple[str, DependencyKind, str], list[_Stated]] = field(default_factory=dict)
    with_files: set[str] = field(default_factory=set)
    headings: dict[str, SpecLine] = field(default_factory=dict)
    generates_requirements: bool = False
    generator_tags: list[tuple[str, str, str]] = field(default_factory=list)

    def origins(self, package: str, dependency: Dependency) -> tuple[SpecLine | None, ...]:
        """The lines that state a dependency of `package`, or one null if none can be named.

        A dependency that two lines state has two: without one of them it stays.
        """
        key = (package, dependency.kind, capability_key(dependency.capability))
        stated = self.stated.get(key, [])
        exact = [statement for statement in stated if statement.qualifiers == dependency.qualifiers]
        lines = dict.fromkeys(statement.origin for statement in exact or stated)
        if not lines or None in lines:
            return (None,)
        return tuple(lines)


def read_expanded(parsed: str, main: str, files: Sequence[tuple[str, str]] = ()) -> ExpandedSpec:
    """Read expanded text as rpm reads it. `main` is the name of the main package.

    `files` are the files to which the marks refer by number: path in the checkout, and raw text.
    """
    reader = _Reader(main, [_File(path, text) for path, text in files])
    for line in parsed.split("\n"):
        reader.take(line)
    return reader.spec


class _File:
    """A raw spec file: its path, its lines, and the start and end of each logical line."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.lines = text.split("\n")
        self.groups = dict(logical_lines(self.lines))

    def origin(self, first: int, tag: str, needle: str) -> SpecLine | None:
        """The raw line that brought `needle`, within the logical line that begins at index `first`.

        If macros or Lua brought it, and no line has both `tag` and `needle`, it is the first line.
        """
        last = self.groups.get(first)
        if last is None:
            return None
        group = range(first, last + 1)
        naming = [
            index
            for index in group
            if _has_word(self.lines[index], needle)
            and tag.lower() in self.lines[index].lower()
            and not self.lines[index].lstrip().startswith(("#", "--"))
        ]
        if len(naming) == 1:
            return self.line(naming[0])
        if naming or any("%" in self.lines[index] for index in group):
            return self.line(first)
        return None

    def line(self, index: int) -> SpecLine:
        """A line by its index from 0."""
        text = self.lines[index].rstrip("\r")
        clean = text.encode(errors="surrogateescape").decode(errors="replace")
        return SpecLine(self.path, index + 1, clean)


def _has_word(line: str, name: str) -> bool:
    """Return whether `line` has `name` as a whole word."""
    return re.search(rf"(?<![\w.+/-]){re.escape(name)}(?![\w+-]|\.\w)", line) is not None


class _Reader:
    def __init__(self, main: str, files: list[_File]) -> None:
        self.spec = ExpandedSpec()
        self._main = main
        self._files = files
        self._place: tuple[_File, int] | None = None
        self._package: str | None = main

    def take(self, line: str) -> None:
        if (mark := MARK.match(line)) is not None:
            number = int(mark[1])
            file = self._files[number] if number < len(self._files) else None
            line_number = 0 if mark[2] == "x" else int(mark[2])
            known = file is not None and 0 < line_number <= len(file.lines)
            self._place = (file, line_number - 1) if file is not None and known else None
            return
        if (heading := _HEADING.match(line)) is not None and self._heading(heading):
            return
        if self._package is not None and (tag := _TAG_LINE.match(line)) is not None:
            self._tag(self._package, tag)

    def _heading(self, match: re.Match[str]) -> bool:
        word, rest = match[1].lower(), match[2]
        if word == "package":
            self._package = self._package_name(rest)
            if self._package is not None and self._place is not None:
                file, index = self._place
                self.spec.headings[self._package] = file.line(index)
        elif word == "files":
            self._package = None
            if (name := self._package_name(rest)) is not None:
                self.spec.with_files.add(name)
        elif word in PLAIN_SECTIONS:
            self._package = None
            self.spec.generates_requirements |= word == "generate_buildrequires"
        elif word in _SCRIPTLETS or "trigger" in word:
            self._package = None
            self._scriptlet(word, rest)
        else:
            return False
        return True

    def _package_name(self, options: str) -> str | None:
        """The name of the package of a `%package`, `%files` or scriptlet heading."""
        words = options.split(" -- ", maxsplit=1)[0].split()
        while words:
            word = words.pop(0)
            if word == "-n" and words:
                return words[0]
            if word in ("-f", "-p", "-P") and words:
                words.pop(0)
            elif not word.startswith("-"):
                return f"{self._main}-{word}"
        return self._main

    def _scriptlet(self, word: str, options: str) -> None:
        """Record that a scriptlet requires its interpreter."""
        words = options.split()
        program = words[words.index("-p") + 1] if "-p" in words[:-1] else "/bin/sh"
        package = self._package_name(options)
        if package is None or program.startswith("<"):
            return
        qualifier = (_SCRIPTLETS[word],) if word in _SCRIPTLETS else ()
        marks = tuple(sorted({"interp", *qualifier}))
        # Only the heading itself can be named.
        origin = None
        if self._place is not None:
            file, index = self._place
            if file.lines[index].lstrip().lower().startswith(f"%{word}"):
                origin = file.origin(index, word, f"%{word}")
        self._state(package, "requires", program, marks, origin)

    def _tag(self, package: str, match: re.Match[str]) -> None:
        name = match[1].lower()
        if name in _GENERATORS:
            self.spec.generator_tags.append((package, match[1], match[3].strip()))
        kind = DEPENDENCY_TAGS.get(name)
        if kind is None:
            return
        qualifiers = tuple(
            sorted(part.strip() for part in (match[2] or "").lower().split(",") if part)
        )
        where = SOURCE if name.startswith("build") else package
        for capability in capabilities_in(match[3].strip()):
            origin = None
            if self._place is not None:
                file, index = self._place
                origin = file.origin(index, name, split_capability(capability).name)
            self._state(where, kind, capability, qualifiers, origin)

    def _state(
        self,
        package: str,
        kind: DependencyKind,
        capability: str,
        qualifiers: tuple[str, ...],
        origin: SpecLine | None,
    ) -> None:
        key = (package, kind, capability_key(capability))
        self.spec.stated.setdefault(key, []).append(_Stated(qualifiers, origin))
