"""Closures (the packages of an image and their requirements), and answers about them."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from operator import not_
from typing import Literal, NamedTuple

from bot.model.image import ImageKey, inline
from bot.model.nevra import JSON, Nevra
from bot.model.package import Evidence, Package
from bot.model.spec import SpecLine

EdgeKind = Literal["requires", "recommends", "supplements"]


@dataclass(frozen=True, order=True, slots=True)
class Edge:
    """A requirement of `source` for `capability`, which `target` provides (rich ones verbatim).

    `files` are the first paths of a built `source` for which rpm's generators made the requirement
    (a script's interpreter, a linked library); empty where none is known.
    """

    __pydantic_config__ = JSON
    source: Nevra = field(metadata={"alias": "from"})
    capability: str
    target: Nevra = field(metadata={"alias": "to"})
    kind: EdgeKind
    files: tuple[str, ...] = field(default=(), compare=False, metadata={"exclude_if": not_})


class Link(NamedTuple):
    """An edge between members of a closure, by their indexes among its sorted packages."""

    source: int
    capability: str
    target: int
    kind: str


@dataclass(frozen=True, order=True, slots=True)
class Requirement:
    """A requirement: the package that states it, and its capability verbatim."""

    nevra: Nevra
    capability: str


@dataclass(frozen=True, slots=True)
class GeneratedRequirement:
    """A requirement that no line states: rpm's generators found it in a built package.

    `package` is the name of the built package, `files` the first of its paths that need
    `capability` (a linked library, an interpreter), `build_requires` the added line of the spec
    that brought it into the build root, null if there is none.
    """

    package: str
    capability: str
    files: tuple[str, ...] = ()
    build_requires: SpecLine | None = None

    @property
    def group(self) -> tuple[str, SpecLine | None]:
        """The key of the requirements with one cause: a line, or a package's build."""
        line = self.build_requires
        return (self.package if line is None else ""), line


@dataclass(frozen=True, slots=True)
class RepositoryState:
    """One repository of a snapshot: its `revision`, and the newest timestamp in its repomd.xml,
    null if that has none.

    `stale` says since when (RFC 3339) and why an older state than today's is used, or is null.
    """

    id: str
    revision: str
    timestamp: str | None
    stale: str | None = None


@dataclass(frozen=True, slots=True)
class SnapshotState:
    """The identity of a snapshot: its id, and its repositories in the document's order."""

    id: str
    repositories: tuple[RepositoryState, ...]


@dataclass(frozen=True, slots=True)
class UnsolvableCause:
    """A reason why an image cannot be installed: the end of a chain of requirements.

    `missing`: no installable package provides `capability`, which `needed_by` requires, or which
    the image itself requests (`needed_by` is null then). `conflict`: `needed_by` cannot be
    installed beside `conflicts_with`, because it conflicts with `capability` or obsoletes it, or
    because both are versions of the package named `capability`. `chain` leads from a requested
    package to `needed_by`, `conflicts_with_chain` to `conflicts_with`; each is empty if that is
    requested itself.

    `spec` is the line of a change that states the requirement or one of the chain, null if there is
    none; `removed` is base's line that the change removes and that provided `capability`.
    `arch_only`: it concerns a package of a foreign architecture, which an image only takes if its
    own fails too. `incompatible`: the package named `capability` that the image requests, of an
    architecture that it cannot install; else null.
    """

    kind: Literal["missing", "conflict"]
    capability: str
    needed_by: Nevra | None
    chain: tuple[Edge, ...] = ()
    spec: SpecLine | None = None
    arch_only: bool = False
    conflicts_with: Nevra | None = None
    conflicts_with_chain: tuple[Edge, ...] = ()
    incompatible: Nevra | None = None
    removed: SpecLine | None = None


@dataclass(frozen=True, slots=True)
class Closure:
    """The answer of the solver for one image.

    `status` is `ok`; or `absent`: the base of an image that is new with a change, which was not
    solved; or `unsolvable`: then `problems` are libsolv's texts, `causes` the same as data, the
    root first, `missing` the requests that nothing provides, `involved` the packages in the causes,
    and `packages` and `edges` are empty. Packages are sorted by NEVRA, edges too; `requested` are
    those that a request of an environment or workload selected. `beneath` are those of the image
    that this one is built on: they are among the packages, but not in its own layer.
    """

    key: ImageKey
    snapshot: SnapshotState
    status: Literal["ok", "unsolvable", "absent"]
    packages: tuple[Package, ...] = ()
    requested: frozenset[Nevra] = frozenset()
    edges: tuple[Edge, ...] = ()
    problems: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    causes: tuple[UnsolvableCause, ...] = ()
    involved: tuple[Package, ...] = ()
    beneath: frozenset[Nevra] = frozenset()

    @property
    def own(self) -> tuple[Package, ...]:
        """The packages of the image's own layer."""
        if not self.beneath:
            return self.packages
        return tuple(p for p in self.packages if p.nevra not in self.beneath)


@dataclass(frozen=True, slots=True)
class ClosurePair:
    """The closures of both sides of one image, for a comparison.

    `reason` is a sentence where neither can be installed for a reason of its own, else empty.
    """

    base: Closure
    head: Closure
    evidence: Evidence
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over a closure in bytes, null where a part is unknown, except `known_size`."""

    packages: int
    installed_size: int | None
    known_size: int
    installed_size_nodocs: int | None
    download_size: int | None


@inline("key")
@dataclass(frozen=True, slots=True)
class Why:
    """The reason for a package in a closure; `nevra` is null and all else empty if it is not in it.

    `roots` are the requested packages that lead to it; `chains` one shortest for each root, from
    the root to the package; `leaves_with` the smallest set of requirements without which it would
    not be there, proved by solving again.
    """

    key: ImageKey
    nevra: Nevra | None
    roots: tuple[Nevra, ...] = ()
    chains: tuple[tuple[Edge, ...], ...] = ()
    leaves_with: tuple[Requirement, ...] = ()


@inline("key")
@dataclass(frozen=True, slots=True)
class WhatIf:
    """The packages that would leave and come without a requirement; `saved` are bytes or null.

    `causes` are the reasons, as data, for `unsolvable`; `problems` are the solver's texts, or a
    sentence why nothing leaves. `because` are the requirements that prevent doing without a
    package.
    """

    key: ImageKey
    status: Literal["ok", "unsolvable"]
    problems: tuple[str, ...] = ()
    causes: tuple[UnsolvableCause, ...] = ()
    _: KW_ONLY
    removed: tuple[Package, ...] = ()
    added: tuple[Package, ...] = ()
    saved: int | None = None
    because: tuple[Requirement, ...] = ()


@dataclass(frozen=True, order=True, slots=True)
class Broken:
    """A package that cannot be installed any more, and could before.

    `capability` is what it requires and nothing provides, or what it conflicts with. `repository`
    is the repository document, `arch` the architecture of the images, `origin` the rpm-md
    repository.
    """

    __pydantic_config__ = JSON
    repository: str
    arch: str
    nevra: Nevra
    capability: str
    origin: str = field(metadata={"alias": "from"})


@inline("key")
@dataclass(frozen=True, slots=True)
class ImageImpact:
    """An image that changes or breaks; `saved` are bytes of installed size, null if unknown."""

    key: ImageKey
    status: Literal["ok", "unsolvable"]
    causes: tuple[UnsolvableCause, ...] = ()
    added: tuple[Package, ...] = ()
    removed: tuple[Package, ...] = ()
    saved: int | None = None


@dataclass(frozen=True, slots=True)
class Impact:
    """The images and packages that are affected by what is dropped, sorted."""

    images: tuple[ImageImpact, ...]
    broken: tuple[Broken, ...]
