"""Containerfiles and Dockerfiles: the images of their stages, by what package managers install."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise

from bot import limits
from bot.model.spec import SpecLine
from bot.requests.shell import Word
from bot.requests.stages import SCRATCH, BuildStage, Install, StageReader, chain_of, is_weak
from bot.requests.values import Entry, EntryKind, UnreadLine, WrittenImage, unread_image

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

    request: WrittenImage
    installs: tuple[Install, ...]


def read_containerfile(path: str, content: bytes) -> tuple[ContainerImage, ...]:
    """Return the images of a Containerfile: of its last stage, and of others with packages."""
    if len(content) > limits.REQUEST_FILE:
        why = f"the file is larger than {limits.REQUEST_FILE} bytes"
        return (ContainerImage(unread_image(path, SpecLine(path, 1, ""), why), ()),)
    reader = StageReader(path, content)
    stages = reader.stages()
    makers = _Images(path, stages, reader.line)
    images = tuple(filter(None, map(makers.of, range(len(stages)))))
    manager = _MANAGER.search(content.decode("utf-8", "replace"))
    if images or manager is None:
        return images
    line = reader.line(content.decode("utf-8", "replace").count("\n", 0, manager.end()) + 1)
    why = "no command of a package manager could be read"
    return (ContainerImage(unread_image(path, line, why), ()),)


def stage_base(content: bytes, stage: str = "", number: int = 0) -> str:
    """Return the image that a stage is built on; empty where it is not known.

    The stage is given by its name or its number from 1; empty is the last one.
    """
    stages = StageReader("", content).stages()
    index = len(stages) - 1 if not number else number - 1
    if stage:
        index = next((n for n, s in enumerate(stages) if s.name.lower() == stage.lower()), -1)
    return chain_of(stages, index)[0].base if 0 <= index < len(stages) else ""


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
        commands = [i for stage in chain for i in stage.installs]
        installs = [i for i in commands if not i.command.root]
        copied = self._directory_image(number, base)
        if not installs and copied is not None:
            return copied
        unread = [u for stage in chain for u in stage.unread]
        if copied is not None:
            why = "packages are copied from another stage, and more are installed beside them"
            unread.append(UnreadLine(self.stages[number].line, why))
        # Packages in a directory belong to the stage that copies it.
        if not installs and (not unread or commands):
            return None
        return self._image(number, base, chain, installs, unread)

    def _directory_image(self, number: int, base: str) -> ContainerImage | None:
        """Return the image of a directory into which another stage installed (`--installroot`)."""
        for from_, source, _ in self.stages[number].copies:
            index = self._stage(from_)
            chain = chain_of(self.stages, index) if index is not None else []
            folder = _folder(source)
            own = [i for stage in chain for i in stage.installs if _is_into(i, folder)]
            if not own:
                continue
            unread = [u for stage in chain for u in stage.unread]
            filling = self._directory_base(chain, folder, unread)
            onto = base if base != filling else ""
            return self._image(number, filling, chain, own, unread, onto)
        return None

    def _directory_base(
        self, chain: list[BuildStage], folder: str, unread: list[UnreadLine]
    ) -> str:
        """Return the image that a directory is filled with before an installation into it."""
        for stage in chain:
            for from_, source, target in stage.copies:
                if _folder(target) != folder or _folder(source) != "/":
                    continue
                index = self._stage(from_)
                filled = chain_of(self.stages, index) if index is not None else []
                if any(s.installs or s.unread for s in filled):
                    unread.append(UnreadLine(stage.line, "its folder is filled from another stage"))
                return _reference(filled[0].base) if filled else from_
        return ""

    def _stage(self, reference: str) -> int | None:
        """Return the number of the stage that a `--from` names; None if it names an image."""
        names = [stage.name.lower() for stage in self.stages]
        if reference.lower() in names:
            return names.index(reference.lower())
        return int(reference) if reference.isdecimal() and int(reference) < len(names) else None

    def _image(
        self,
        number: int,
        beneath: str,
        chain: list[BuildStage],
        commands: list[Install],
        unread: list[UnreadLine],
        onto: str = "",
    ) -> ContainerImage:
        last = number == len(self.stages) - 1
        installs = [i for i in commands if i.command.action in ("install", "swap")]
        enabled = [i for i in commands if i.command.action == "enable"]
        request = WrittenImage(
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
        return ContainerImage(request, tuple(installs))

    def _entries(self, commands: list[Install]) -> list[Entry]:
        """Return the entries after the last command.

        What a command removes need not be installed by an earlier one; what a later one installs is
        there.
        """
        entries: list[Entry] = []
        for install in commands:
            command = install.command
            removes = [word.text for word in command.removes]
            entries = [e for e in entries if not _is_removed(e, removes)]
            if command.action == "enable":
                continue
            packages = {word.text for word in command.packages}
            entries = [
                e for e in entries if e.kind not in ("remove", "swap") or e.text not in packages
            ]
            removal: EntryKind = "swap" if command.action == "swap" else "remove"
            added: tuple[tuple[EntryKind, tuple[Word, ...]], ...] = (
                (removal, command.removes),
                ("package", command.packages),
                ("exclude", command.excludes),
            )
            entries += [
                Entry(kind, word.text, self.line(word.line))
                for kind, words in added
                for word in words
            ]
            if command.packages and is_weak(install):
                entries.append(Entry("weak", "" if command.weak else "default", install.line))
        return entries


def _upgraded(chain: list[BuildStage]) -> SpecLine | None:
    return next((stage.upgraded for stage in chain if stage.upgraded is not None), None)


def _is_removed(entry: Entry, globs: list[str]) -> bool:
    return entry.kind == "package" and any(fnmatchcase(entry.text, name) for name in globs)


def _is_into(install: Install, folder: str) -> bool:
    return bool(install.command.root) and _folder(install.command.root) == folder


def _folder(path: str) -> str:
    return path.rstrip("/").removesuffix("/.") or "/"


def _reference(base: str) -> str:
    """Return the reference of an image to build on; empty for an empty image."""
    return "" if base.lower() == SCRATCH else base


def _mixed_weak(installs: list[Install]) -> Iterator[UnreadLine]:
    """Yield the first line that treats weak dependencies differently from the one before it."""
    for first, second in pairwise(installs):
        if is_weak(first) != is_weak(second):
            why = "one line of the image installs weak dependencies and another does not"
            yield UnreadLine(second.line, why)
            return
