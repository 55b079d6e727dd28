"""The kinds of files that say what an image asks for, and how each is recognised."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from bot.requests.documents import is_document

RequestKind = Literal["document"]


@dataclass(frozen=True, slots=True)
class FileKind:
    """A kind of file: `may_be` looks at a path alone, `is_one` at the file's bytes too.

    `beside` tells of the paths of a tree those that a file of this kind is read with.
    """

    name: RequestKind
    may_be: Callable[[str], bool]
    is_one: Callable[[str, bytes], bool]
    beside: Callable[[str, Iterable[str]], Iterable[str]]


def _same_folder(path: str, paths: Iterable[str]) -> Iterable[str]:
    folder = path.rpartition("/")[0]
    return (p for p in paths if p.endswith(".yaml") and p.rpartition("/")[0] == folder)


KINDS = (FileKind("document", lambda path: path.endswith(".yaml"), is_document, _same_folder),)


def may_ask(path: str) -> bool:
    """Return whether a file of this path may be one that says what an image asks for.

    One whose name is no text is none: it would stand in comments, pages and JSON.
    """
    is_text = not any("\ud800" <= c <= "\udfff" for c in path)
    return is_text and any(kind.may_be(path) for kind in KINDS)


def read_with(name: RequestKind, path: str, paths: Iterable[str]) -> Iterable[str]:
    """The paths among those of a tree that a changed file of a kind is read with, itself too."""
    (kind,) = (kind for kind in KINDS if kind.name == name)
    return kind.beside(path, paths)


def kind_of(path: str, sides: Iterable[Mapping[str, bytes]]) -> FileKind | None:
    """The kind of a file by what it is on one of the sides; null of any other file."""
    for files in sides:
        content = files.get(path)
        for kind in KINDS if content is not None else ():
            assert content is not None
            if kind.may_be(path) and kind.is_one(path, content):
                return kind
    return None
