"""Containerfiles and Dockerfiles: the images of their stages, by what package managers install."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise

from bot import limits
from bot.model.spec import SpecLine
from bot.requests.stages import SCRATCH, BuildStage, Install, StageReader, chain_of, is_weak
from bot.requests.values import Entry, EntryKind, Unread, WrittenImage

_NAME = re.compile(r"(?:^|[.-])(?:containerfile|dockerfile)(?:[._-][^/]*)?$", re.I)
_CODE = re.compile(r"\.(?:py|go|js|ts|rb|rs|sh|md|rst|adoc|txt|json|ya?ml)$", re.I)
_MANAGER = re.compile(r"^(?!\s*#).*\b(?:dnf5?|microdnf|yum|tdnf|zypper)\b(?!\.)", re.M)
_FROM = re.compile(rb"^\s*from\s", re.I | re.M)


def may_be_containerfile(path: str) -> bool:
    """Return whether a path may be that of a Containerfile."""
    name = path.rpartition("/")[2]
    return _NAME.search(name) is not None and _CODE.search(name) is None


def is_containerfile(path: str, content: bytes) -> bool:
    """Return whether a file is a Containerfile that names an RPM package manager."""
    return (
        may_be_containerfile(path)
        and _FROM.search(content) is not None
        and _MANAGER.search(content.decode("utf-8", "replace")) is not None
    )


@dataclass(frozen=True, slots=True)
class ContainerImage:
    """An image of a Containerfile, with its install lines."""

    written: WrittenImage
    installs: tuple[Install, ...]


def read_containerfile(path: str, content: bytes) -> tuple[ContainerImage, ...]:
    """Return the images of a Containerfile: of its last stage, and of others with packages."""
    if len(content) > limits.REQUEST_FILE:
        why = f"the file is larger than {limits.REQUEST_FILE} bytes"
        return (_without_image(path, SpecLine(path, 1, ""), why),)
    reader = StageReader(path, content)
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
    """Return the image that a stage is built on; empty where it is not known.

    The stage is given by its name or its number from 1; empty is the last one.
    """
    stages = StageReader("", content).stages()
    at = len(stages) - 1 if not number else number - 1
    if stage:
        at = next((n for n, one in enumerate(stages) if one.name.lower() == stage.lower()), -1)
    return chain_of(stages, at)[0].base if 0 <= at < len(stages) else ""


def _without_image(path: str, line: SpecLine, why: str) -> ContainerImage:
    return ContainerImage(WrittenImage(path, path, "", "", line, (), (Unread(line, why),)), ())


@dataclass(frozen=True, slots=True)
class _Images:
    """The images that the stages of a file make."""

    path: str
    stages: list[BuildStage]
    line: Callable[[int], SpecLine]

    def of(self, number: int) -> ContainerImage | None:
        """Return the image of a stage; None if it installs no package."""
        chain = chain_of(self.stages, number)
        base = _reference(chain[0].base)
        commands = [i for one in chain for i in one.installs]
        installs = [i for i in commands if not i.command.root]
        copied = self._copied(number, base)
        if not installs and copied is not None:
            return copied
        unread = [u for one in chain for u in one.unread]
        if copied is not None:
            why = "packages are copied from another stage, and more are installed beside them"
            unread.append(Unread(self.stages[number].line, why))
        # Packages in a directory belong to the stage that copies it.
        if not installs and (not unread or commands):
            return None
        return self._image(number, base, chain, installs, unread)

    def _copied(self, number: int, base: str) -> ContainerImage | None:
        """Return the image of a directory into which another stage installed (`--installroot`)."""
        for from_, source, _ in self.stages[number].copies:
            at = self._stage(from_)
            chain = chain_of(self.stages, at) if at is not None else []
            folder = _folder(source)
            own = [i for one in chain for i in one.installs if _is_into(i, folder)]
            if not own:
                continue
            unread = [u for one in chain for u in one.unread]
            beneath = self._filled(chain, folder, unread)
            onto = base if base != beneath else ""
            return self._image(number, beneath, chain, own, unread, onto)
        return None

    def _filled(self, chain: list[BuildStage], folder: str, unread: list[Unread]) -> str:
        """Return the image that a directory is filled with before an installation into it."""
        for stage in chain:
            for from_, source, target in stage.copies:
                if _folder(target) != folder or _folder(source) != "/":
                    continue
                at = self._stage(from_)
                filled = chain_of(self.stages, at) if at is not None else []
                if any(one.installs or one.unread for one in filled):
                    unread.append(Unread(stage.line, "its folder is filled from another stage"))
                return _reference(filled[0].base) if filled else from_
        return ""

    def _stage(self, named: str) -> int | None:
        """Return the number of the stage that a `--from` names; None if it names an image."""
        names = [stage.name.lower() for stage in self.stages]
        if named.lower() in names:
            return names.index(named.lower())
        return int(named) if named.isdecimal() and int(named) < len(names) else None

    def _image(
        self,
        number: int,
        beneath: str,
        chain: list[BuildStage],
        commands: list[Install],
        unread: list[Unread],
        onto: str = "",
    ) -> ContainerImage:
        last = number == len(self.stages) - 1
        installs = [i for i in commands if i.command.action in ("install", "swap")]
        enabled = [i for i in commands if i.command.action == "enable"]
        written = WrittenImage(
            name=self.path if last else f"{self.path}:{self.stages[number].name}",
            path=self.path,
            beneath=beneath,
            source=chain[0].base,
            source_line=chain[0].line,
            entries=tuple(self._entries(commands)),
            unread=tuple(dict.fromkeys((*unread, *_mixed_weak(installs)))),
            repositories=tuple((w.text, i.line) for i in installs for w in i.command.repositories),
            streams=tuple((w.text, i.line) for i in enabled for w in i.command.packages),
            onto=onto,
            documentation=any(i.command.documentation is not False for i in installs),
            # An upgrade beside an installed directory is of the stage's own system.
            upgraded=None if commands and commands[0].command.root else _upgraded(chain),
        )
        return ContainerImage(written, tuple(installs))

    def _entries(self, commands: list[Install]) -> list[Entry]:
        """Return the entries after the last command.

        What a command removes need not be installed by an earlier one; what a later one installs is
        there.
        """
        found: list[Entry] = []
        for one in commands:
            command = one.command
            gone = [word.text for word in command.removes]
            found = [e for e in found if not _is_removed(e, gone)]
            if command.action == "enable":
                continue
            again = {word.text for word in command.packages}
            found = [e for e in found if e.kind not in ("remove", "swap") or e.text not in again]
            for word in command.removes:
                kind: EntryKind = "swap" if command.action == "swap" else "remove"
                found.append(Entry(kind, word.text, self.line(word.line)))
            for word in command.packages:
                found.append(Entry("package", word.text, self.line(word.line)))
            for word in command.excludes:
                found.append(Entry("exclude", word.text, self.line(word.line)))
            if command.packages and is_weak(one):
                found.append(Entry("weak", "" if command.weak else "default", one.line))
        return found


def _upgraded(chain: list[BuildStage]) -> SpecLine | None:
    return next((stage.upgraded for stage in chain if stage.upgraded is not None), None)


def _is_removed(entry: Entry, gone: list[str]) -> bool:
    return entry.kind == "package" and any(fnmatchcase(entry.text, name) for name in gone)


def _is_into(install: Install, folder: str) -> bool:
    return bool(install.command.root) and _folder(install.command.root) == folder


def _folder(path: str) -> str:
    return path.rstrip("/").removesuffix("/.") or "/"


def _reference(base: str) -> str:
    """Return the reference of an image to build on; empty for an empty image."""
    return "" if base.lower() == SCRATCH else base


def _mixed_weak(installs: list[Install]) -> Iterator[Unread]:
    """Yield the first line that treats weak dependencies differently from the one before it."""
    for first, second in pairwise(installs):
        if is_weak(first) != is_weak(second):
            why = "one line of the image installs weak dependencies and another does not"
            yield Unread(second.line, why)
            return
