"""Containerfiles and Dockerfiles: the images of their stages, by what package managers install."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from bot import limits
from bot.model.spec import SpecLine
from bot.requests.instructions import Instruction, read_instructions
from bot.requests.package_managers import MANAGERS, ManagerLine, manager_line
from bot.requests.shell import read_commands
from bot.requests.values import Entry, Unread, WrittenImage

_NAME = re.compile(r"(?:^|[.-])(?:containerfile|dockerfile)(?:[._-][^/]*)?$", re.I)
_CODE = re.compile(r"\.(?:py|go|js|ts|rb|rs|sh|md|rst|adoc|txt|json|ya?ml)$", re.I)
_MANAGER = re.compile(r"^(?!\s*#).*\b(?:dnf5?|microdnf|yum|tdnf|zypper)\b(?!\.)", re.M)
_FROM = re.compile(rb"^\s*from\s", re.I | re.M)
_CONFIGURED = re.compile(r"/etc/(?:yum\.repos\.d|dnf|yum|zypp)\b")
_VALUE = re.compile(r"""(\w+)=("(?:[^"\\]|\\.)*"|'[^']*'|(?:[^\s\\]|\\.)*)""", re.S)
# What removes the caches of package managers.
_CACHES = re.compile(r"/var/cache/(?:dnf|yum|libdnf5|zypp|tdnf)|/var/cache/?\*?(?:\s|$)")
SCRATCH = "scratch"


def may_be_containerfile(path: str) -> bool:
    """Return whether a file's name is one of a Containerfile."""
    name = path.rpartition("/")[2]
    return _NAME.search(name) is not None and _CODE.search(name) is None


def is_containerfile(path: str, content: bytes) -> bool:
    """Return whether a file is a Containerfile in which an RPM package manager is named."""
    return (
        may_be_containerfile(path)
        and _FROM.search(content) is not None
        and _MANAGER.search(content.decode("utf-8", "replace")) is not None
    )


@dataclass(frozen=True, slots=True)
class Install:
    """An install line of a stage, for advice on it.

    `line` is where the command begins; `cleaned` that the same instruction takes the caches away.
    """

    line: SpecLine
    command: ManagerLine
    cleaned: bool


@dataclass(slots=True)
class _BuildStage:
    name: str
    base: str
    line: SpecLine
    values: dict[str, str]
    installs: list[Install] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    configured: SpecLine | None = None
    copies: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ContainerImage:
    """An image of a Containerfile, with its install lines."""

    written: WrittenImage
    installs: tuple[Install, ...]


def read_containerfile(path: str, content: bytes) -> tuple[ContainerImage, ...]:
    """The images of a Containerfile: its last stage, and others in which packages are installed."""
    if len(content) > limits.REQUEST_FILE:
        why = f"the file is larger than {limits.REQUEST_FILE} bytes"
        return (_without_image(path, SpecLine(path, 1, ""), why),)
    reader = _Reader(path, content)
    stages = reader.stages()
    images = _Images(path, stages, reader.line)
    made = [images.of(number) for number in range(len(stages))]
    found = tuple(image for image in made if image is not None)
    named = _MANAGER.search(content.decode("utf-8", "replace"))
    if found or named is None:
        return found
    line = reader.line(content.decode("utf-8", "replace").count("\n", 0, named.end()) + 1)
    return (_without_image(path, line, "no command of a package manager could be read"),)


def stage_base(content: bytes, stage: str = "", number: int = 0) -> str:
    """The image that a stage of a Containerfile is built on, by its name or its number from 1, else
    the last one's; empty where that is not known."""
    stages = _Reader("", content).stages()
    at = len(stages) - 1 if not number else number - 1
    if stage:
        at = next((n for n, one in enumerate(stages) if one.name.lower() == stage.lower()), -1)
    return _chain(stages, at)[0].base if 0 <= at < len(stages) else ""


def _without_image(path: str, line: SpecLine, why: str) -> ContainerImage:
    return ContainerImage(WrittenImage(path, path, "", "", line, (), (Unread(line, why),)), ())


class _Reader:
    """The stages of one file."""

    def __init__(self, path: str, content: bytes) -> None:
        self._path = path
        self._lines = content.decode("utf-8", "replace").split("\n")
        self._instructions = read_instructions(content)

    def line(self, number: int) -> SpecLine:
        """A line of the file, by its number from 1."""
        text = self._lines[number - 1] if 0 < number <= len(self._lines) else ""
        return SpecLine(self._path, number, text.strip().removesuffix("\\").rstrip())

    def stages(self) -> list[_BuildStage]:
        """The stages, in the order of the file."""
        given: dict[str, str] = {}
        found: list[_BuildStage] = []
        for one in self._instructions:
            if one.name == "FROM":
                found.append(self._stage(one, given, found))
            elif one.name == "ARG" and not found:
                given.update(_values(one.text, given))
            elif found:
                self._instruct(found[-1], one, given)
        return found

    def _stage(
        self, one: Instruction, given: Mapping[str, str], before: list[_BuildStage]
    ) -> _BuildStage:
        words = one.words
        text = words[0] if words else ""
        base = _expanded(text, given)
        name = words[2] if len(words) > 2 and words[1].lower() == "as" else str(len(before))
        stage = _BuildStage(name, base or "", self.line(one.line), {})
        earlier = next((s for s in reversed(before) if s.name.lower() == stage.base.lower()), None)
        if earlier is not None:
            stage.values = dict(earlier.values)
        if base is None:
            stage.unread.append(Unread(stage.line, "the image has a variable without a value"))
        return stage

    def _instruct(self, stage: _BuildStage, one: Instruction, given: Mapping[str, str]) -> None:
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

    def _copy(self, stage: _BuildStage, one: Instruction) -> None:
        *sources, target = one.words or [""]
        if _CONFIGURED.search(target) and stage.configured is None:
            stage.configured = self.line(one.line)
        if from_ := one.option("from"):
            stage.copies += [(from_, source, target) for source in sources]

    def _run(self, stage: _BuildStage, one: Instruction) -> None:
        text, options = _without_options(one.text)
        if _CONFIGURED.search(options) and stage.configured is None:
            stage.configured = self.line(one.line)
        cached = "type=cache" in options and "/var/cache" in options
        scripts = [(text, one.line)] if not one.documents else []
        scripts += [(document.text, document.line) for document in one.documents]
        for script, line in scripts:
            self._script(stage, _shell_of(script), line, cached=cached)

    def _script(self, stage: _BuildStage, script: str, line: int, *, cached: bool) -> None:
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
            if one.action == "install":
                begins = self.line(command.words[0].line)
                stage.installs.append(Install(begins, one, cleaned))
                if stage.configured is not None:
                    why = "its repositories are changed before"
                    stage.unread.append(Unread(stage.configured, why))
            elif one.action == "unread":
                stage.unread.append(Unread(where, one.why))


def _values(text: str, known: Mapping[str, str]) -> dict[str, str]:
    """The values that an ENV or ARG sets, those that are known; `ENV NAME value` too."""
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
    """A text with the values of its variables; null where one has none."""
    commands = read_commands(f': "{text}"' if '"' not in text else f": {text}", known)
    words = commands[0].words[1:] if commands else ()
    return " ".join(w.text for w in words) if all(w.known for w in words) else None


def _without_options(text: str) -> tuple[str, str]:
    """The command of a RUN and its options (`--mount=…`); lines are as many as before."""
    match = re.match(r"(?:\s|\\\n)*(?:--[a-z]+(?:=\S+)?(?:\s|\\\n)+)*", text)
    options = match[0] if match is not None else ""
    return "\\\n" * options.count("\n") + text[len(options) :], options


def _shell_of(text: str) -> str:
    """The text of a RUN for a shell; `["dnf", "install"]` as words in quotes."""
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


@dataclass(frozen=True, slots=True)
class _Images:
    """The images that the stages of a file make."""

    path: str
    stages: list[_BuildStage]
    line: Callable[[int], SpecLine]

    def of(self, number: int) -> ContainerImage | None:
        """The image of a stage; null where no package is installed into it."""
        chain = _chain(self.stages, number)
        base = chain[0].base
        if base.lower() == SCRATCH and not any(one.installs for one in chain):
            return self._copied(number)
        installs = [i for one in chain for i in one.installs if not i.command.root]
        unread = [u for one in chain for u in one.unread]
        # What fills a folder of its own is of the stage that copies it.
        if not installs and (not unread or any(one.installs for one in chain)):
            return None
        return self._image(number, "" if base.lower() == SCRATCH else base, chain, installs)

    def _copied(self, number: int) -> ContainerImage | None:
        """An image of a folder that another stage has installed into (`--installroot`)."""
        for from_, source, _ in self.stages[number].copies:
            at = next((n for n, s in enumerate(self.stages) if from_ in (s.name, str(n))), None)
            folder = source.rstrip("/").removesuffix("/.") or "/"
            chain = _chain(self.stages, at) if at is not None else []
            roots = [i for one in chain for i in one.installs if i.command.root]
            own = [i for i in roots if i.command.root.rstrip("/") == folder]
            if own:
                return self._image(number, "", chain, own)
        return None

    def _image(
        self, number: int, beneath: str, chain: list[_BuildStage], installs: list[Install]
    ) -> ContainerImage:
        last = number == len(self.stages) - 1
        unread = dict.fromkeys(u for one in chain for u in one.unread)
        unread.update(dict.fromkeys(_both(installs)))
        written = WrittenImage(
            name=self.path if last else f"{self.path}:{self.stages[number].name}",
            path=self.path,
            beneath=beneath,
            source=chain[0].base,
            source_line=chain[0].line,
            entries=tuple(self._entries(installs)),
            unread=tuple(unread),
            repositories=tuple((w.text, i.line) for i in installs for w in i.command.repositories),
        )
        return ContainerImage(written, tuple(installs))

    def _entries(self, installs: list[Install]) -> Iterator[Entry]:
        for one in installs:
            for word in one.command.packages:
                yield Entry("package", word.text, self.line(word.line))
            for word in one.command.excludes:
                yield Entry("exclude", word.text, self.line(word.line))
            if is_weak(one):
                yield Entry("weak", "" if one.command.weak else "default", one.line)


def _chain(stages: list[_BuildStage], number: int) -> list[_BuildStage]:
    """A stage and those that it is built on, the first one first."""
    found = [stages[number]]
    names = [stage.name.lower() for stage in stages]
    while (base := found[0].base.lower()) in names[:number]:
        number = max(at for at, name in enumerate(names[:number]) if name == base)
        found.insert(0, stages[number])
    return found


def is_weak(install: Install) -> bool:
    """Return whether a line installs weak dependencies: by its words, or its program's default."""
    command = install.command
    return MANAGERS[command.manager] if command.weak is None else command.weak


def _both(installs: list[Install]) -> Iterator[Unread]:
    """The first line that treats weak dependencies otherwise than the one before it."""
    for first, second in pairwise(installs):
        if is_weak(first) != is_weak(second):
            why = "of an image one line installs weak dependencies and another does not"
            yield Unread(second.line, why)
            return
