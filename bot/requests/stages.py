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
from bot.requests.values import UnreadLine

_CONFIGURED = re.compile(r"/etc/(?:yum\.repos\.d|dnf|yum|zypp)\b")
_VALUE = re.compile(r"""(?<!\w)(\w+)=("(?:[^"\\]|\\.)*"|'[^']*'|(?:[^\s\\]|\\.)*)""", re.S)
# Commands that remove the caches of package managers.
_CACHES = re.compile(r"/var/cache/(?:dnf|yum|libdnf5|zypp|tdnf)|/var/cache/?\*?(?:\s|$)")
SCRATCH = "scratch"


@dataclass(frozen=True, slots=True)
class Install:
    """A command of a stage that changes packages.

    `line` is the command's first; `removes_caches` is true if the same instruction removes them.
    """

    line: SpecLine
    command: ManagerLine
    removes_caches: bool


@dataclass(slots=True)
class BuildStage:
    """A stage as far as it is read; `configured` is the first line that changes repositories."""

    name: str
    base: str
    line: SpecLine
    values: dict[str, str]
    installs: list[Install] = field(default_factory=list)
    unread: list[UnreadLine] = field(default_factory=list)
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
        arguments: dict[str, str] = {}
        stages: list[BuildStage] = []
        for instruction in self._instructions:
            if instruction.name == "FROM":
                stages.append(self._stage(instruction, arguments, stages))
            elif instruction.name == "ARG" and not stages:
                arguments.update(_values(instruction.text, arguments))
            elif stages:
                self._instruct(stages[-1], instruction, arguments)
        return stages

    def _stage(
        self, instruction: Instruction, arguments: Mapping[str, str], stages: list[BuildStage]
    ) -> BuildStage:
        words = instruction.words
        text = words[0] if words else ""
        base = _expand(text, arguments)
        name = words[2] if len(words) > 2 and words[1].lower() == "as" else str(len(stages))
        stage = BuildStage(name, base or "", self.line(instruction.line), {})
        earlier = next((s for s in reversed(stages) if s.name.lower() == stage.base.lower()), None)
        if earlier is not None:
            stage.values = dict(earlier.values)
        if base is None:
            stage.unread.append(UnreadLine(stage.line, "the image has a variable without a value"))
        return stage

    def _instruct(
        self, stage: BuildStage, instruction: Instruction, arguments: Mapping[str, str]
    ) -> None:
        if instruction.name == "ENV":
            stage.values.update(_values(instruction.text, stage.values))
        elif instruction.name == "ARG":
            for name in instruction.words:
                if "=" not in name and name in arguments:
                    stage.values[name] = arguments[name]
            stage.values.update(
                {
                    n: v
                    for n, v in _values(instruction.text, stage.values).items()
                    if n in instruction.text
                }
            )
        elif instruction.name in ("COPY", "ADD"):
            self._copy(stage, instruction)
        elif instruction.name == "RUN":
            self._run(stage, instruction)

    def _copy(self, stage: BuildStage, instruction: Instruction) -> None:
        *sources, target = instruction.words or [""]
        if _CONFIGURED.search(target) and stage.configured is None:
            stage.configured = self.line(instruction.line)
        if from_ := instruction.option("from"):
            stage.copies += [(from_, source, target) for source in sources]

    def _run(self, stage: BuildStage, instruction: Instruction) -> None:
        text, options = _without_options(instruction.text)
        if _CONFIGURED.search(options) and stage.configured is None:
            stage.configured = self.line(instruction.line)
        cached = "type=cache" in options and "/var/cache" in options
        scripts = [(text, instruction.line)] if not instruction.documents else []
        scripts += [(document.text, document.line) for document in instruction.documents]
        for script, line in scripts:
            self._script(stage, _shell_of(script), line, cached=cached)

    def _script(self, stage: BuildStage, script: str, line: int, *, cached: bool) -> None:
        commands = read_commands(script, stage.values, line)
        manager_lines = [manager_line(command) for command in commands]
        removes_caches = cached or _CACHES.search(script) is not None
        removes_caches = removes_caches or any(
            manager is not None and manager.action == "clean" for manager in manager_lines
        )
        for command, manager in zip(commands, manager_lines, strict=True):
            changed_words = [w for w in command.words if _CONFIGURED.search(w.text)]
            if changed_words and stage.configured is None:
                stage.configured = self.line(changed_words[0].line)
            if manager is None:
                continue
            line_of_manager = self.line(manager.line)
            if manager.action in CHANGING:
                first_line = self.line(command.words[0].line)
                stage.installs.append(Install(first_line, manager, removes_caches))
                if stage.configured is not None:
                    why = "its repositories were changed by an earlier command"
                    stage.unread.append(UnreadLine(stage.configured, why))
            elif manager.action == "upgrade":
                stage.upgraded = stage.upgraded or line_of_manager
            elif manager.action == "unread":
                stage.unread.append(UnreadLine(line_of_manager, manager.why))


def _values(text: str, variables: Mapping[str, str]) -> dict[str, str]:
    """Return the known values that an ENV or ARG sets; `ENV NAME value` too."""
    text = text.replace("\\\n", " ").strip()
    first = text.split(maxsplit=1)
    if len(first) == 2 and "=" not in first[0]:
        pairs = [(first[0], first[1])]
    else:
        pairs = [(m[1], m[2]) for m in _VALUE.finditer(text)]
    values: dict[str, str] = {}
    for name, value in pairs:
        quoted = value[:1] == value[-1:] and value[:1] in "\"'" and len(value) > 1
        plain = _expand(
            value[1:-1] if quoted else value.replace("\\ ", " "), {**variables, **values}
        )
        if plain is not None:
            values[name] = plain
    return values


def _expand(text: str, variables: Mapping[str, str]) -> str | None:
    """Return a text with the values of its variables; None if one is unknown."""
    commands = read_commands(f': "{text}"' if '"' not in text else f": {text}", variables)
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
    chain = [stages[number]]
    names = [stage.name.lower() for stage in stages]
    while (base := chain[0].base.lower()) in names[:number]:
        number = max(index for index, name in enumerate(names[:number]) if name == base)
        chain.insert(0, stages[number])
    return chain


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
    index = 0
    while index < len(lines):
        line = lines[index].strip()
        if not line or line.startswith("#"):
            index += 1
            continue
        first = index + 1
        text, index = _join(lines, index, escape)
        name, _, rest = text.lstrip().partition(" ") if " " in text.lstrip() else (text, "", "")
        name = name.strip()
        documents: list[HereDocument] = []
        if name.upper() in ("RUN", "COPY", "ADD"):
            for dash, _, word in _HEREDOC.findall(rest):
                document, index = _document(lines, index, word, tabs=bool(dash))
                documents.append(document)
        yield Instruction(name.upper(), rest, first, tuple(documents))


def _escape(lines: list[str]) -> str:
    for line in lines:
        if not _DIRECTIVE.match(line.strip()):
            return "\\"
        if match := _ESCAPE.match(line.strip()):
            return match[1]
    return "\\"


def _join(lines: list[str], index: int, escape: str) -> tuple[str, int]:
    """Return an instruction with its continuation lines, and where the next one begins."""
    text = lines[index]
    index += 1
    while text.rstrip().endswith(escape):
        text = f"{text.rstrip()[:-1]}\\\n"
        while index < len(lines) and (
            not lines[index].strip() or lines[index].strip().startswith("#")
        ):
            text, index = f"{text}\\\n", index + 1
        if index == len(lines):
            break
        text, index = text + lines[index], index + 1
    return text.rstrip("\\\n") if text.endswith("\\\n") else text, index


def _document(lines: list[str], index: int, word: str, *, tabs: bool) -> tuple[HereDocument, int]:
    first = index
    while index < len(lines) and (lines[index].lstrip("\t") if tabs else lines[index]) != word:
        index += 1
    return HereDocument("\n".join(lines[first:index]), first + 1), index + 1
