"""The kinds of request files, and how each is recognised."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from bot.requests.blueprint import is_blueprint, may_be_blueprint, read_blueprint
from bot.requests.containerfile import is_containerfile, may_be_containerfile, read_containerfile
from bot.requests.documents import is_document
from bot.requests.kiwi import is_kiwi, may_be_kiwi, read_kiwi
from bot.requests.mkosi import is_mkosi, may_be_mkosi, read_mkosi, root_of
from bot.requests.rpms_in import is_rpms_in, is_rpms_lock, read_rpms_in, request_of
from bot.requests.treefile import is_treefile, may_be_treefile, read_treefile
from bot.requests.values import WrittenImage

RequestKind = Literal[
    "blueprint",
    "containerfile",
    "document",
    "kiwi",
    "mkosi",
    "rpms.in",
    "rpms.lock",
    "treefile",
]
Images = Callable[[str, Mapping[str, bytes]], tuple[WrittenImage, ...]]


@dataclass(frozen=True, slots=True)
class FileKind:
    """A kind of file: `may_be` judges a path alone, `matches` the file's bytes too.

    `companions` returns the paths in a tree that are read with a file of this kind, `images` its
    requests (None for documents and locks, which are no requests by themselves), `root` the path of
    the file whose images a file is part of.
    """

    name: RequestKind
    may_be: Callable[[str], bool]
    matches: Callable[[str, bytes], bool]
    companions: Callable[[str, Iterable[str]], Iterable[str]]
    images: Images | None = None
    root: Callable[[str], str] = lambda path: path


def _same_folder(path: str, paths: Iterable[str]) -> Iterable[str]:
    folder = path.rpartition("/")[0]
    return (p for p in paths if p.endswith(".yaml") and p.rpartition("/")[0] == folder)


def _alone(path: str, _paths: Iterable[str]) -> Iterable[str]:
    return (path,)


def _treefiles(path: str, paths: Iterable[str]) -> Iterable[str]:
    return (path, *(p for p in paths if may_be_treefile(p)))


def _with_containerfiles(path: str, paths: Iterable[str]) -> Iterable[str]:
    return (path, *(p for p in paths if "ontainerfile" in p or "ockerfile" in p))


def _with_request(path: str, paths: Iterable[str]) -> Iterable[str]:
    request = request_of(path)
    return (path, *(p for p in paths if p == request), *_with_containerfiles(path, paths))


def _kiwis(path: str, paths: Iterable[str]) -> Iterable[str]:
    return (path, *(p for p in paths if may_be_kiwi(p)))


def _mkosis(path: str, paths: Iterable[str]) -> Iterable[str]:
    return (root_of(path), *(p for p in paths if p.endswith(".conf")))


def _of_containerfile(path: str, files: Mapping[str, bytes]) -> tuple[WrittenImage, ...]:
    return tuple(image.request for image in read_containerfile(path, files[path]))


def _is_yaml(path: str) -> bool:
    return path.endswith((".yaml", ".yml"))


# A file's kind is the first that matches.
KINDS = (
    FileKind("document", lambda path: path.endswith(".yaml"), is_document, _same_folder),
    FileKind(
        "containerfile", may_be_containerfile, is_containerfile, _alone, _of_containerfile
    ),
    FileKind(
        "rpms.in", _is_yaml, is_rpms_in, _with_containerfiles, read_rpms_in,
    ),
    FileKind("rpms.lock", _is_yaml, is_rpms_lock, _with_request),
    FileKind("mkosi", may_be_mkosi, is_mkosi, _mkosis, read_mkosi, root_of),
    FileKind("kiwi", may_be_kiwi, is_kiwi, _kiwis, read_kiwi),
    FileKind("blueprint", may_be_blueprint, is_blueprint, _alone, read_blueprint),
    FileKind("treefile", may_be_treefile, is_treefile, _treefiles, read_treefile),
)  # fmt: skip


def may_ask(path: str) -> bool:
    """Return whether a file of this path may be a request file.

    Not if its name is no valid text: it would be in comments, pages and JSON.
    """
    is_text = not any("\ud800" <= c <= "\udfff" for c in path)
    return is_text and any(kind.may_be(path) for kind in KINDS)


def read_with(name: RequestKind, path: str, paths: Iterable[str]) -> Iterable[str]:
    """Return the paths in a tree that a changed file of a kind is read with, its own included."""
    return _kind(name).companions(path, paths)


def images_of(name: RequestKind, path: str, files: Mapping[str, bytes]) -> tuple[WrittenImage, ...]:
    """Return the images that a file of a kind is part of; none if the side lacks the file."""
    kind = _kind(name)
    root = kind.root(path)
    exists = root in files or path in files
    return kind.images(root, files) if kind.images is not None and exists else ()


def _kind(name: RequestKind) -> FileKind:
    return next(kind for kind in KINDS if kind.name == name)


def kind_of(path: str, sides: Iterable[Mapping[str, bytes]]) -> FileKind | None:
    """Return the kind of a file by its content on one of the sides; None for any other file."""
    for files in sides:
        content = files.get(path)
        for kind in KINDS if content is not None else ():
            assert content is not None
            if kind.may_be(path) and kind.matches(path, content):
                return kind
    return None
