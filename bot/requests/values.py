"""The entries of a request file, and both requests of such an image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

from bot import limits
from bot.model.image import ImageKey, ImageRequest
from bot.model.spec import SpecLine
from bot.yamltext import YamlError, YamlText, parse_yaml

EntryKind = Literal["package", "group", "exclude", "remove", "swap", "weak"]
# The fields of a request with the texts of entries, by the kind.
_FIELDS: dict[EntryKind, str] = {
    "package": "requests",
    "group": "groups",
    "exclude": "excludes",
    "remove": "removes",
    "swap": "swaps",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One request of a line of a file; without `arches` it is for every architecture.

    `package`: `text` is a package as dnf's `install` takes it; `group`: the id of a comps group;
    `exclude`: a glob of names that are not installed; `remove`: one of names that are removed with
    what requires them, `swap`: without; `weak`: weak dependencies are installed too, `default` if
    the line does not say so.
    """

    kind: EntryKind
    text: str
    line: SpecLine
    arches: tuple[str, ...] = ()

    def counts_on(self, arch: str) -> bool:
        """Return whether it is requested on an architecture."""
        return not self.arches or arch in self.arches

    @property
    def content(self) -> tuple[EntryKind, str]:
        """The entry without its place."""
        return self.kind, "" if self.kind == "weak" else self.text


@dataclass(frozen=True, slots=True)
class UnreadLine:
    """A line that cannot be read with certainty, and why: the beginning of a sentence."""

    line: SpecLine
    why: str


@dataclass(frozen=True, slots=True)
class WrittenImage:
    """An image as a file requests it; with an `unread` line it is not known.

    `name` is its workload's: the path, and the stage if it is not the last. `beneath` is the
    reference of its base image, empty if there is none; `source` is that of the image with the
    repositories of its packages; `source_line` names it. `repositories` are ids that its lines
    enable too, `streams` modules (`name:stream`). `onto` is the reference of the image onto which
    its directory is copied, `documentation` is false if no line installs any. `upgraded` is a line
    that upgrades the base image.
    """

    name: str
    path: str
    beneath: str
    source: str
    source_line: SpecLine
    entries: tuple[Entry, ...]
    unread: tuple[UnreadLine, ...] = ()
    repositories: tuple[tuple[str, SpecLine], ...] = ()
    streams: tuple[tuple[str, SpecLine], ...] = ()
    onto: str = ""
    documentation: bool = True
    upgraded: SpecLine | None = None


@lru_cache(maxsize=4)
def _lines(content: bytes) -> list[str]:
    return content.decode("utf-8", "replace").split("\n")


def line_at(path: str, content: bytes, number: int) -> SpecLine:
    """Return a line of a file by its number from 1; without text where the file has no such."""
    lines = _lines(content)
    return SpecLine(path, number, lines[number - 1].strip() if 0 < number <= len(lines) else "")


def unread_image(path: str, line: SpecLine, why: str) -> WrittenImage:
    """Return the image of a file that cannot be read at all, for the reason at a line."""
    return WrittenImage(path, path, "", "", line, (), (UnreadLine(line, why),))


@dataclass(frozen=True, slots=True)
class YamlFile:
    """A request file in YAML that `parsed` could parse."""

    path: str
    content: bytes
    text: YamlText

    @property
    def data(self) -> Mapping[str, Any]:
        """The values of the file."""
        data: Mapping[str, Any] = self.text.data
        return data

    def line(self, number: int) -> SpecLine:
        """Return a line, by its number from 1."""
        return line_at(self.path, self.content, number)

    def at(self, *place: str | int) -> SpecLine:
        """Return the line of a place."""
        return self.line(self.text.line_of(place))


def parsed(path: str, content: bytes) -> YamlText | UnreadLine:
    """Return the text of a file in YAML; the line at fault if it is none, or no mapping."""
    try:
        text = parse_yaml(content, most=limits.REQUEST_FILE)
    except YamlError as error:
        return UnreadLine(line_at(path, content, error.line), f"it is not YAML: {error}")
    if not isinstance(text.data, dict):
        return UnreadLine(line_at(path, content, 1), "it is not a mapping")
    return text


@dataclass(frozen=True, slots=True)
class RequestedImage:
    """An image whose request a change edits; a side without such an image is None.

    `entries` are those of head's file that base's request does not have.
    """

    key: ImageKey
    base: ImageRequest | None
    head: ImageRequest | None
    entries: tuple[Entry, ...] = ()

    @property
    def lines(self) -> tuple[SpecLine, ...]:
        """The lines of head's file that add something."""
        return tuple(sorted({entry.line for entry in self.entries}))

    def without(self, lines: frozenset[SpecLine]) -> ImageRequest:
        """Return head's request without these lines, except what other lines also add."""
        dropped = [entry for entry in self.entries if entry.line in lines]
        staying = {entry.content for entry in self.entries if entry.line not in lines}
        return _without(_present(self.head), [e for e in dropped if e.content not in staying])

    def only(self, line: SpecLine) -> ImageRequest:
        """Return base's request with one line of the change added."""
        if self.base is None:
            return self.without(frozenset(self.lines) - {line})
        return with_entries(self.base, [entry for entry in self.entries if entry.line == line])


def requested_image(
    key: ImageKey, base: ImageRequest | None, head: ImageRequest | None, entries: Iterable[Entry]
) -> RequestedImage:
    """Return an image with head's new `entries` for its architecture.

    An image that base does not have has none: all of it is new.
    """
    if base is None or head is None:
        return RequestedImage(key, base, head)
    new = tuple(e for e in entries if e.counts_on(key.arch) and not _states(base, e))
    return RequestedImage(key, base, head, new)


def _present(request: ImageRequest | None) -> ImageRequest:
    assert request is not None  # a missing side has no lines
    return request


def _states(request: ImageRequest, entry: Entry) -> bool:
    return request.weak if entry.kind == "weak" else entry.text in _texts(request, entry.kind)


def _texts(request: ImageRequest, kind: EntryKind) -> tuple[str, ...]:
    texts: tuple[str, ...] = getattr(request, _FIELDS[kind])
    return texts


def _without(request: ImageRequest, entries: Iterable[Entry]) -> ImageRequest:
    gone = {entry.content for entry in entries}

    def remaining(kind: EntryKind) -> tuple[str, ...]:
        return tuple(text for text in _texts(request, kind) if (kind, text) not in gone)

    return _with_texts(request, remaining, weak=request.weak and ("weak", "") not in gone)


def with_entries(request: ImageRequest, entries: Iterable[Entry]) -> ImageRequest:
    """Return a request with entries added after its own."""
    own = tuple(entries)

    def union(kind: EntryKind) -> tuple[str, ...]:
        texts = (entry.text for entry in own if entry.kind == kind)
        return tuple(dict.fromkeys((*_texts(request, kind), *texts)))

    weak = request.weak or any(entry.kind == "weak" for entry in own)
    return _with_texts(request, union, weak=weak)


def _with_texts(
    request: ImageRequest, texts: Callable[[EntryKind], tuple[str, ...]], *, weak: bool
) -> ImageRequest:
    return replace(
        request,
        requests=texts("package"),
        groups=texts("group"),
        weak=weak,
        excludes=texts("exclude"),
        removes=texts("remove"),
        swaps=texts("swap"),
    )


def joined_path(folder: str, path: str) -> str:
    """Return a path that a file in `folder` names, without `.` and `..`."""
    parts = folder.split("/") if folder and not path.startswith("/") else []
    for part in path.split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in ("", ".", ".."):
            parts.append(part)
    return "/".join(parts)
