"""Treefiles of rpm-ostree and bootc: the packages of an image, with the files that they include."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.model.spec import SpecLine
from bot.requests.values import (
    Entry,
    UnreadLine,
    WrittenImage,
    YamlFile,
    joined_path,
    line_at,
    parsed,
)

# Fields of which every treefile has one, unless it is a mere list.
_OWN = {
    "ref", "repos", "lockfile-repos", "conditional-include", "exclude-packages", "recommends",
    "documentation", "repo-packages", "remove-from-packages", "automatic-version-prefix",
    "postprocess", "tmp-is-dir", "units", "bootc", "ostree-layers", "default-target",
}  # fmt: skip
_MOST_INCLUDED = 200
_ARCH = "packages-"


def may_be_treefile(path: str) -> bool:
    """Return whether a path may be that of a treefile."""
    return path.endswith((".yaml", ".yml"))


def is_treefile(path: str, content: bytes) -> bool:
    """Return whether a file is a treefile."""
    if not may_be_treefile(path) or b"packages" not in content:
        return False
    names = {line.partition(b":")[0].decode(errors="replace") for line in content.split(b"\n")}
    return bool(names & _OWN) and bool(
        names & {"exclude-packages", "repo-packages"}
        or any(name.startswith("packages") for name in names)
    )


@dataclass(slots=True)
class _Tree:
    """The entries of a treefile and of those that it includes; `read` are their paths."""

    files: Mapping[str, bytes]
    entries: list[Entry] = field(default_factory=list)
    unread: list[UnreadLine] = field(default_factory=list)
    weak: tuple[bool, SpecLine] | None = None
    read: set[str] = field(default_factory=set)


def read_treefile(path: str, files: Mapping[str, bytes]) -> tuple[WrittenImage, ...]:
    """Return the image of a treefile; `files` has the bytes of it and of its includes."""
    tree = _Tree(files)
    _read(tree, path)
    first_line = line_at(path, files[path], 1)
    weak, line = tree.weak or (True, first_line)
    if weak:
        tree.entries.append(Entry("weak", "", line))
    unread = tuple(dict.fromkeys(tree.unread))
    return (WrittenImage(path, path, "", "", first_line, tuple(tree.entries), unread),)


def _read(tree: _Tree, path: str) -> None:
    if path in tree.read:
        return
    tree.read.add(path)
    text = parsed(path, tree.files[path])
    if isinstance(text, UnreadLine):
        tree.unread.append(text)
        return
    reader = _File(path, tree.files[path], text)
    # A file's own values override those that it includes.
    if "recommends" in text.data and tree.weak is None:
        weak = str(text.data["recommends"]).lower() != "false"
        tree.weak = weak, reader.at("recommends")
    tree.entries += reader.entries()
    tree.unread += reader.unread()
    for included, origin in reader.includes():
        if included in tree.files and len(tree.read) < _MOST_INCLUDED:
            _read(tree, included)
        elif included not in tree.read:
            tree.unread.append(UnreadLine(origin, f"it includes `{included}`, which is not there"))


class _File(YamlFile):
    __slots__ = ()

    def entries(self) -> Iterator[Entry]:
        """Yield the packages, also those of single architectures, and the excluded ones."""
        for key, value in self.data.items():
            name = str(key)
            arches = (name.removeprefix(_ARCH),) if name.startswith(_ARCH) else ()
            if name == "packages" or arches:
                for number, text in enumerate(_texts(value)):
                    for package in _split(text):
                        yield Entry("package", package, self.at(name, number), arches)
            elif name == "exclude-packages":
                for number, text in enumerate(_texts(value)):
                    yield Entry("exclude", text, self.at(name, number))
        for number, own in enumerate(_maps(self.data.get("repo-packages"))):
            for text in _texts(own.get("packages")):
                for package in _split(text):
                    yield Entry("package", package, self.at("repo-packages", number))

    def unread(self) -> Iterator[UnreadLine]:
        """Yield the lines that select packages and cannot be read with certainty."""
        for entry in self.entries():
            if "${" in entry.text:
                yield UnreadLine(entry.line, f"`{entry.text}` has a variable")
        if "conditional-include" in self.data:
            origin = self.at("conditional-include")
            yield UnreadLine(origin, "which files are included depends on a condition")
        for name in ("modules", "extensions"):
            if self.data.get(name):
                yield UnreadLine(self.at(name), f"`{name}` is not evaluated")
        for key, value in self.data.items():
            selects_packages = str(key).startswith("packages")
            if selects_packages and value is not None and not isinstance(value, list):
                yield UnreadLine(self.at(str(key)), f"`{key}` is not a list")

    def includes(self) -> Iterator[tuple[str, SpecLine]]:
        """Yield the paths that it includes, with the line of each."""
        include = self.data.get("include")
        places = [include] if isinstance(include, str) else _texts(include)
        folder = self.path.rpartition("/")[0]
        for number, text in enumerate(places):
            place = ("include",) if isinstance(include, str) else ("include", number)
            yield joined_path(folder, text), self.at(*place)


def _split(text: str) -> list[str]:
    """Return an entry's packages: it is split at white space unless it is quoted."""
    try:
        return shlex.split(text)
    except ValueError:
        return [text]


def _texts(value: object) -> list[str]:
    return [str(item) for item in value if item is not None] if isinstance(value, list) else []


def _maps(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
