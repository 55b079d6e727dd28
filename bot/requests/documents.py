"""Content Resolver's documents in a repository: the images that a change to them changes.

A tree is complete by itself: its workloads go with its environments. Kinds of documents that it
lacks come from the configuration, and so do repositories, of which only the server's own count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from bot.distro.check import CheckedDocument, Finding, check_text
from bot.distro.documents import Configuration, EnvironmentDocument, WorkloadDocument
from bot.distro.images import WEAK, image_keys, image_request
from bot.distro.load import configuration_of
from bot.model.image import ImageKey, ImageRequest
from bot.model.spec import SpecLine
from bot.requests.values import Entry, RequestedImage, line_at, requested_image

_DOCUMENT = re.compile(
    rb"""^["']?document["']?[ \t]*:[ \t]*["']?(?:feedback-pipeline|content-resolver)-""", re.M
)
# The kinds that a tree takes from the configuration if it has none.
_SHARED = ("repositories", "environments", "workloads", "objectives")


def is_document(path: str, content: bytes) -> bool:
    """Return whether a file is one of Content Resolver's documents."""
    return path.endswith(".yaml") and _DOCUMENT.search(content) is not None


def is_repository(content: bytes) -> bool:
    """Return whether a document is a repository's, as far as its first line tells."""
    match = _DOCUMENT.search(content)
    return match is not None and content[match.end() :].startswith(b"repository")


@dataclass(frozen=True, slots=True)
class DocumentTree:
    """The documents of one directory of a repository, by their ids.

    `contents` has the bytes of each; `configuration` is made of the valid ones.
    """

    folder: str
    contents: Mapping[str, bytes]
    documents: Mapping[str, CheckedDocument]
    configuration: Configuration
    _entries: dict[str, tuple[Entry, ...]] = field(default_factory=dict, repr=False)

    def path(self, id_: str) -> str:
        """Return the path of a document in the repository."""
        return f"{self.folder}/{id_}.yaml" if self.folder else f"{id_}.yaml"

    def has(self, key: ImageKey) -> bool:
        """Return whether one of the image's documents is in the directory."""
        return not self.contents.keys().isdisjoint((key.workload, key.environment, key.repository))

    def line(self, id_: str, number: int) -> SpecLine:
        """Return a line of a document, by its number from 1."""
        return line_at(self.path(id_), self.contents[id_], number)

    def entries(self, id_: str) -> tuple[Entry, ...]:
        """Return the entries of an environment or workload document."""
        if id_ not in self._entries:
            self._entries[id_] = tuple(_entries(self, id_))
        return self._entries[id_]

    def refused(self) -> Iterator[tuple[str, Finding]]:
        """Yield the path of each invalid document, with its error."""
        for id_, document in self.documents.items():
            for finding in document.errors:
                yield self.path(id_), finding


def read_documents(
    folder: str,
    contents: Mapping[str, bytes],
    shared: Configuration,
    *,
    own_repositories: bool,
    previous: DocumentTree | None = None,
) -> DocumentTree:
    """Read the documents of a directory, `contents` by their ids.

    `shared` has the kinds that the directory lacks. A stranger's repository document could name any
    address or file of this machine: without `own_repositories` only those of `shared` count.
    Documents that are in `previous` with the same content are not checked again.
    """
    without = () if own_repositories else ("repository",)
    documents = {
        id_: previous.documents[id_]
        if previous is not None and previous.contents.get(id_) == content
        else check_text(content, id_, without=without)
        for id_, content in contents.items()
    }
    own = configuration_of(documents)
    kinds = {
        kind.name: getattr(shared, kind.name) or getattr(own, kind.name)
        if kind.name == "repositories" and not own_repositories
        else getattr(own, kind.name) or (getattr(shared, kind.name) if kind.name in _SHARED else {})
        for kind in fields(own)
    }
    return DocumentTree(folder, contents, documents, Configuration(**kinds))


@dataclass(frozen=True, slots=True)
class Choice:
    """The images that a check is about; empty fields do not restrict them."""

    workloads: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    arches: tuple[str, ...] = ()

    def has(self, key: ImageKey) -> bool:
        """Return whether an image is one of them."""
        return (
            (not self.workloads or key.workload in self.workloads)
            and (not self.repositories or key.repository in self.repositories)
            and (not self.arches or key.arch in self.arches)
        )


def changed_images(
    base: DocumentTree, head: DocumentTree, choice: Choice
) -> tuple[RequestedImage, ...]:
    """Return the images whose request differs between two trees of documents, sorted by key.

    An image that a tree has no document of is the bot's, and not that side's.
    """
    before, after = base.configuration, head.configuration
    keys = {
        side: frozenset(
            key for key in _keys(tree.configuration) if choice.has(key) and tree.has(key)
        )
        for side, tree in (("base", base), ("head", head))
    }
    images = []
    for key in sorted(keys["base"] | keys["head"]):
        requests: list[ImageRequest | None] = [
            image_request(configuration, key) if key in keys[side] else None
            for side, configuration in _sides(before, after)
        ]
        if requests[0] != requests[1] or _repository_changed(before, after, key):
            ids = [id_ for id_ in (key.environment, key.workload) if id_ in head.contents]
            entries = (
                entry
                for id_ in ids
                if base.contents.get(id_) != head.contents[id_]
                for entry in head.entries(id_)
            )
            images.append(requested_image(key, requests[0], requests[1], entries))
    return tuple(images)


def _sides(before: Configuration, after: Configuration) -> tuple[tuple[str, Configuration], ...]:
    return ("base", before), ("head", after)


def _keys(configuration: Configuration) -> tuple[ImageKey, ...]:
    if not configuration.workloads or not configuration.environments:
        return ()
    return image_keys(configuration)


def _repository_changed(before: Configuration, after: Configuration, key: ImageKey) -> bool:
    """Return whether both sides have the repository document, in different versions."""
    sides = [configuration.repositories.get(key.repository) for configuration in (before, after)]
    return None not in sides and sides[0] != sides[1]


def _entries(tree: DocumentTree, id_: str) -> Iterator[Entry]:
    checked_document = tree.documents[id_]
    document = checked_document.document
    if not isinstance(document, EnvironmentDocument | WorkloadDocument):
        return

    def line(*place: str) -> SpecLine:
        return tree.line(id_, _line_of(checked_document, *place))

    for text in document.packages:
        yield Entry("package", text, line("packages", text))
    for arch, names in document.arch_packages.items():
        for text in names:
            yield Entry("package", text, line("arch_packages", arch, text), (arch,))
    for text in document.groups:
        yield Entry("group", text, line("groups", text))
    if WEAK in document.options:
        yield Entry("weak", "", line("options", WEAK))


def _line_of(document: CheckedDocument, *place: str) -> int:
    """Return the line of a text in a list below `data`, from 1."""
    assert document.text is not None  # else it would be no document
    part: Any = document.text.data["data"]
    for step in place[:-1]:
        part = part[step]
    return document.line_of(("data", *place[:-1], part.index(place[-1])))


def with_documents(configuration: Configuration, trees: Iterable[DocumentTree]) -> Configuration:
    """Return a configuration with the documents of trees, which override its own."""
    for tree in trees:
        own = {
            kind.name: {
                **getattr(configuration, kind.name),
                **getattr(tree.configuration, kind.name),
            }
            for kind in fields(configuration)
        }
        configuration = replace(configuration, **own)
    return configuration
