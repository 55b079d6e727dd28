"""An image's key, and its request to the solver."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True, slots=True)
class ImageKey:
    """Environment + workload on one repository document and architecture."""

    workload: str
    environment: str
    repository: str
    arch: str


@dataclass(frozen=True, slots=True)
class PlaceholderPackage:
    """A package that does not exist yet (Content Resolver's `package_placeholders`)."""

    name: str
    source: str
    requires: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """One job for the solver: what environment and workload ask for together, on one architecture.

    `requests` are names, `name.arch`, name with version, capabilities or file paths, in the order
    of the documents without repeats; `groups` comps group ids. `weak` is true only if a document
    says `include-weak-deps`.
    """

    key: ImageKey
    requests: tuple[str, ...]
    groups: tuple[str, ...] = ()
    weak: bool = False
    placeholders: tuple[PlaceholderPackage, ...] = ()
