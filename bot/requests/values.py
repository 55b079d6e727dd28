"""The entries of a file that says what an image asks for, and both requests of such an image."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

from bot.model.image import ImageKey, ImageRequest
from bot.model.spec import SpecLine

EntryKind = Literal["package", "group", "exclude", "remove", "swap", "weak"]
# The fields of a request that have the texts of entries, by the kind.
_FIELDS: dict[EntryKind, str] = {
    "package": "requests",
    "group": "groups",
    "exclude": "excludes",
    "remove": "removes",
    "swap": "swaps",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that a line of a file asks for; without `arches` on every architecture.

    `package`: `text` is a package as dnf's `install` takes it; `group`: the id of a comps group;
    `exclude`: a glob of names that take no part; `remove`: one of names that go, with what
    requires them, `swap`: without; `weak`: weak dependencies come too, `default` where no word of
    the line says so.
    """

    kind: EntryKind
    text: str
    line: SpecLine
    arches: tuple[str, ...] = ()

    def counts_on(self, arch: str) -> bool:
        """Return whether it is asked for on an architecture."""
        return not self.arches or arch in self.arches

    @property
    def content(self) -> tuple[EntryKind, str]:
        """The entry without its place."""
        return self.kind, "" if self.kind == "weak" else self.text


@dataclass(frozen=True, slots=True)
class Unread:
    """A line that cannot be read for sure, and why: the beginning of a sentence."""

    line: SpecLine
    why: str


@dataclass(frozen=True, slots=True)
class WrittenImage:
    """An image as a file asks for it; with an `unread` line it is not known.

    `name` is its workload's: the path, and the stage where it is not the last. `beneath` is the
    reference of the image that it is built on, empty where it begins in an empty folder; `source`
    the one whose repositories its packages are of; `source_line` names it. `repositories` are ids
    that its lines enable beside, `streams` modules (`name:stream`). `onto` is the reference of an
    image that its folder is copied onto, `documentation` false where no line installs any.
    `upgraded` is a line that upgrades what is beneath.
    """

    name: str
    path: str
    beneath: str
    source: str
    source_line: SpecLine
    entries: tuple[Entry, ...]
    unread: tuple[Unread, ...] = ()
    repositories: tuple[tuple[str, SpecLine], ...] = ()
    streams: tuple[tuple[str, SpecLine], ...] = ()
    onto: str = ""
    documentation: bool = True
    upgraded: SpecLine | None = None


@dataclass(frozen=True, slots=True)
class RequestedImage:
    """An image whose request a change edits; a side that asks for no such image is null.

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
        """Head's request without these lines; what another line of the change adds too stays."""
        gone = [entry for entry in self.entries if entry.line in lines]
        staying = {entry.content for entry in self.entries if entry.line not in lines}
        return _without(_known(self.head), [e for e in gone if e.content not in staying])

    def only(self, line: SpecLine) -> ImageRequest:
        """Base's request with one line of the change more."""
        if self.base is None:
            return self.without(frozenset(self.lines) - {line})
        return with_entries(self.base, [entry for entry in self.entries if entry.line == line])


def requested_image(
    key: ImageKey, base: ImageRequest | None, head: ImageRequest | None, entries: Iterable[Entry]
) -> RequestedImage:
    """An image with those of head's `entries` that count on its architecture and are new.

    Of an image that base does not have no entry is: all of it is new.
    """
    if base is None or head is None:
        return RequestedImage(key, base, head)
    new = tuple(e for e in entries if e.counts_on(key.arch) and not _states(base, e))
    return RequestedImage(key, base, head, new)


def _known(request: ImageRequest | None) -> ImageRequest:
    assert request is not None  # a side that is not there has no lines
    return request


def _states(request: ImageRequest, entry: Entry) -> bool:
    return request.weak if entry.kind == "weak" else entry.text in _texts(request, entry.kind)


def _texts(request: ImageRequest, kind: EntryKind) -> tuple[str, ...]:
    found: tuple[str, ...] = getattr(request, _FIELDS[kind])
    return found


def _without(request: ImageRequest, entries: Iterable[Entry]) -> ImageRequest:
    gone = {entry.content for entry in entries}

    def left(kind: EntryKind) -> tuple[str, ...]:
        return tuple(text for text in _texts(request, kind) if (kind, text) not in gone)

    return _filled(request, left, weak=request.weak and ("weak", "") not in gone)


def with_entries(request: ImageRequest, entries: Iterable[Entry]) -> ImageRequest:
    """A request with entries behind what it has already."""
    own = tuple(entries)

    def joined(kind: EntryKind) -> tuple[str, ...]:
        more = (entry.text for entry in own if entry.kind == kind)
        return tuple(dict.fromkeys((*_texts(request, kind), *more)))

    weak = request.weak or any(entry.kind == "weak" for entry in own)
    return _filled(request, joined, weak=weak)


def _filled(
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
    """A path that a file in `folder` names, without `.` and `..`."""
    parts = folder.split("/") if folder and not path.startswith("/") else []
    for part in path.split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in ("", ".", ".."):
            parts.append(part)
    return "/".join(parts)
