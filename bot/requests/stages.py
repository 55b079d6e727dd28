"""The stages of a Containerfile: what they are built on, install, remove and copy, by line.

Instructions are read by the reference of Dockerfiles: continuation lines, comments between them,
the `escape` directive, `RUN <<EOF`. (dockerfile-parse 2.0.1 of 2023 knows neither here-documents
nor the line of a word in a continued instruction.)
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bot.model.spec import SpecLine
from bot.requests.package_managers import CHANGING, MANAGERS, ManagerLine, manager_line
from bot.requests.shell import read_commands
from bot.requests.values import Unread

_CONFIGURED = re.compile(r"/etc/(?:yum\.repos\.d|dnf|yum|zypp)\b")
_VALUE = re.compile(r"""(?<!\w)(\w+)=("(?:[^"\\]|\\.)*"|'[^']*'|(?:[^\s\\]|\\.)*)""", re.S)
# Commands that remove the caches of package managers.
_CACHES = re.compile(r"/var/cache/(?:dnf|yum|libdnf5|zypp|tdnf)|/var/cache/?\*?(?:\s|$)")
SCRATCH = "scratch"


@dataclass(frozen=True, slots=True)
class Install:
    """A command of a stage that changes packages.

    `line` is the command's first line; `cleaned` says that the same instruction removes the caches.
    """

    line: SpecLine
    command: ManagerLine
    cleaned: bool


@dataclass(slots=True)
class BuildStage:
    name: str
    base: str
    line: SpecLine
    values: dict[str, str]
    installs: list[Install] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    configured: SpecLine | None = None
    upgraded: SpecLine | None = None
    copies: list[tuple[str, str, str]] = field(default_factory=list)


class StageReader:
    """The stages of one file."""

    def __init__(self, path: str, content: bytes) -> None:
        self._path = path
        self._lines = content.decode("utf-8", "replace").split("\n")
        self._instructions = read_instructions(content)

    def line(self, number: int) -> SpecLine:
        """Return a line of the file, by its number from 1."""
        text = self._lines[number - 1] if 0 < number <= len(self._lines) else ""
        return SpecLine(self._path, number, text.strip().removesuffix("\\").rstrip())

    def stages(self) -> list[BuildStage]:
        """Return the stages, in the order of the file."""
        given: dict[str, str] = {}
        found: list[BuildStage] = []
        for one in self._instructions:
            if one.name == "FROM":
                found.append(self._stage(one, given, found))
            elif one.name == "ARG" and not found:
                given.update(_values(one.text, given))
            elif found:
                self._instruct(found[-1], one, given)
        return found

    def _stage(
        self, one: Instruction, given: Mapping[str, str], before: list[BuildStage]
    ) -> BuildStage:
        words = one.words
        text = words[0] if words else ""
        base = _expanded(text, given)
        name = words[2] if len(words) > 2 and words[1].lower() == "as" else str(len(before))
        stage = BuildStage(name, base or "", self.line(one.line), {})
        earlier = next((s for s in reversed(before) if s.name.lower() == stage.base.lower()), None)
        if earlier is not None:
            stage.values = dict(earlier.values)
        if base is None:
            stage.unread.append(Unread(stage.line, "the image has a variable without a value"))
        return stage

    def _instruct(self, stage: BuildStage, one: Instruction, given: Mapping[str, str]) -> None:
        if one.name == "ENV":
            stage.values.update(_values(one.text, stage.values))
        elif one.name == "ARG":
            for name in one.words:
                if "=" not in name and name in given:
                    stage.values[name] = given[name]
            stage.values.update(
                {n: v for n, v in _values(one.text, stage.values).items() if n in one.text}
            )
        elif one.name in ("COPY", "ADD"):
            self._copy(stage, one)
        elif one.name == "RUN":
            self._run(stage, one)

    def _copy(self, stage: BuildStage, one: Instruction) -> None:
        *sources, target = one.words or [""]
        if _CONFIGURED.search(target) and stage.configured is None:
            stage.configured = self.line(one.line)
        if from_ := one.option("from"):
            stage.copies += [(from_, source, target) for source in sources]

    def _run(self, stage: BuildStage, one: Instruction) -> None:
        text, options = _without_options(one.text)
        if _CONFIGURED.search(options) and stage.configured is None:
            stage.configured = self.line(one.line)
        cached = "type=cache" in options and "/var/cache" in options
        scripts = [(text, one.line)] if not one.documents else []
        scripts += [(document.text, document.line) for document in one.documents]
        for script, line in scripts:
            self._script(stage, _shell_of(script), line, cached=cached)

    def _script(self, stage: BuildStage, script: str, line: int, *, cached: bool) -> None:
        commands = read_commands(script, stage.values, line)
        read = [manager_line(command) for command in commands]
        cleaned = cached or _CACHES.search(script) is not None
        cleaned = cleaned or any(one is not None and one.action == "clean" for one in read)
        for command, one in zip(commands, read, strict=True):
            touched = [w for w in command.words if _CONFIGURED.search(w.text)]
            if touched and stage.configured is None:
                stage.configured = self.line(touched[0].line)
            if one is None:
                continue
            where = self.line(one.line)
            if one.action in CHANGING:
                begins = self.line(command.words[0].line)
                stage.installs.append(Install(begins, one, cleaned))
                if stage.configured is not None:
                    why = "its repositories were changed by an earlier command"
                    stage.unread.append(Unread(stage.configured, why))
            elif one.action == "upgrade":
                stage.upgraded = stage.upgraded or where
            elif one.action == "unread":
                stage.unread.append(Unread(where, one.why))


def _values(text: str, known: Mapping[str, str]) -> dict[str, str]:
    """Return the known values that an ENV or ARG sets; `ENV NAME value` too."""
    text = text.replace("\\\n", " ").strip()
    first = text.split(maxsplit=1)
    if len(first) == 2 and "=" not in first[0]:
        pairs = [(first[0], first[1])]
    else:
        pairs = [(m[1], m[2]) for m in _VALUE.finditer(text)]
    found: dict[str, str] = {}
    for name, value in pairs:
        quoted = value[:1] == value[-1:] and value[:1] in "\"'" and len(value) > 1
        plain = _expanded(value[1:-1] if quoted else value.replace("\\ ", " "), {**known, **found})
        if plain is not None:
            found[name] = plain
    return found


def _expanded(text: str, known: Mapping[str, str]) -> str | None:
    """Return a text with the values of its variables; None if one is unknown."""
    commands = read_commands(f': "{text}"' if '"' not in text else f": {text}", known)
    words = commands[0].words[1:] if commands else ()
    return " ".join(w.text for w in words) if all(w.known for w in words) else None


def _without_options(text: str) -> tuple[str, str]:
    """Return the command of a RUN and its options (`--mount=…`), with the same number of lines."""
    match = re.match(r"(?:\s|\\\n)*(?:--[a-z]+(?:=\S+)?(?:\s|\\\n)+)*", text)
    options = match[0] if match is not None else ""
    return "\\\n" * options.count("\n") + text[len(options) :], options


def _shell_of(text: str) -> str:
    """Return the text of a RUN for a shell; `["dnf", "install"]` as words in quotes."""
    if not text.lstrip().startswith("["):
        return text
    try:
        words = json.loads(text.replace("\\\n", " "))
    except ValueError:
        return text
    if not (isinstance(words, list) and all(isinstance(w, str) for w in words)):
        return text
    if len(words) == 3 and words[0].rpartition("/")[2] in ("sh", "bash") and words[1] == "-c":
        return str(words[2])
    return " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)


def chain_of(stages: list[BuildStage], number: int) -> list[BuildStage]:
    """Return a stage and those that it is built on, the first one first."""
    found = [stages[number]]
    names = [stage.name.lower() for stage in stages]
    while (base := found[0].base.lower()) in names[:number]:
        number = max(at for at, name in enumerate(names[:number]) if name == base)
        found.insert(0, stages[number])
    return found


def is_weak(install: Install) -> bool:
    """Return whether a line installs weak dependencies, by its options or its program's default."""
    command = install.command
    return MANAGERS[command.manager] if command.weak is None else command.weak


_ESCAPE = re.compile(r"#\s*escape\s*=\s*([\\`])\s*$", re.IGNORECASE)
_DIRECTIVE = re.compile(r"#\s*\w+\s*=")
_HEREDOC = re.compile(r"<<(-?)([\"']?)([A-Za-z_]\w*)\2")


@dataclass(frozen=True, slots=True)
class HereDocument:
    """A here-document of an instruction: its text and its first line."""

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Instruction:
    """An instruction: its name in capitals, its text, and its line, from 1.

    In `text` a continued line ends in a backslash and a newline, whatever the file's escape
    character; comment lines are empty.
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
        """Return the value of an option (`--from=build`), or an empty text."""
        start = f"--{name}="
        words = self.text.replace("\\\n", " ").split()
        return next((word.removeprefix(start) for word in words if word.startswith(start)), "")


def read_instructions(content: bytes) -> tuple[Instruction, ...]:
    """Return the instructions of a file, in order."""
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
    """Return an instruction with its continuation lines, and where the next one begins."""
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
