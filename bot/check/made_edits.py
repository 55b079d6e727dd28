"""Edits of package dependencies and image requests that a change makes.

The bot recognises by them that a change makes the edit of an opportunity, whoever wrote it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from bot.advice.edits import edited_name
from bot.check.evidence import Sides
from bot.check.requested import Requests
from bot.check.target import Target
from bot.model.opportunity import MadeEdit
from bot.model.package import DependencyKind, Overlay


def made_edits(targets: Iterable[Target], requests: Requests) -> tuple[MadeEdit, ...]:
    """The edits of a change, sorted: for each repository document and package at most one of its
    dependencies and one of the requests for it."""
    edits = [
        edit for target in targets for edit in edits_of_sides(target.document.id, target.sides)
    ]
    return tuple(sorted((*edits, *_edits_of_requests(requests))))


def edits_of_sides(repository: str, sides: Mapping[str, Sides]) -> Iterator[MadeEdit]:
    """The edits of packages that both sides have."""
    required = _by_package(sides.values(), "requires")
    suggested = _by_package(sides.values(), "suggests")
    for package, pairs in required.items():
        after = frozenset().union(*(head for _, head in pairs))
        unrequired = frozenset().union(*(base for base, _ in pairs)) - after
        gained = [head - base for base, head in suggested[package]]
        added = gained[0].intersection(*gained[1:])
        if unrequired or added:
            yield MadeEdit(repository, package, tuple(sorted(unrequired)), tuple(sorted(added)))


Names = frozenset[str]


def _by_package(
    sides: Iterable[Sides], kind: DependencyKind
) -> Mapping[str, Sequence[tuple[Names, Names]]]:
    """The capability names at base and head of each package; one pair for each architecture."""
    pairs: dict[str, list[tuple[Names, Names]]] = {}
    for side in sides:
        base, head = _names(side.base, kind), _names(side.head, kind)
        for package in base.keys() & head.keys():
            pairs.setdefault(package, []).append((base[package], head[package]))
    return dict(sorted(pairs.items()))


def _names(overlay: Overlay, kind: DependencyKind) -> Mapping[str, Names]:
    return {
        package.nevra.name: frozenset(
            edited_name(dependency.capability) for dependency in package.of_kind(kind)
        )
        for package in overlay.packages
    }


def _edits_of_requests(requests: Requests) -> Iterator[MadeEdit]:
    """The requests that replace a package in images on both sides."""
    replacements: dict[tuple[str, str], dict[str, None]] = {}
    for image in requests.images:
        if image.base is None or image.head is None:
            continue
        before, after = frozenset(image.base.requests), frozenset(image.head.requests)
        for name in before - after:
            instead = dict.fromkeys(sorted(after - before))
            replacements.setdefault((image.key.repository, name), {}).update(instead)
    for (repository, name), others in replacements.items():
        if others:
            yield MadeEdit(repository, name, replaced_by=tuple(sorted(others)))
