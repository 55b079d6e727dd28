"""Packages that are removed from an image, and those that go with them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from bot.model.closure import Closure
from bot.model.nevra import Nevra


def without_packages(closure: Closure, removes: Sequence[str], swaps: Sequence[str]) -> Closure:
    """A closure without the packages that globs of names take away, and without edges.

    With those of `removes` go the packages of which a requirement is met by no other one, and so
    on, as dnf's `remove` does it; what it brings along without need stays. `closure` needs its
    edges for that.
    """
    if not (removes or swaps) or closure.status != "ok":
        return closure
    names = {package.nevra for package in closure.packages}
    gone = {nevra for nevra in names if _is_like(nevra, removes)}
    needs = _needs(closure)
    while more := {n for n in names - gone for met in needs[n].values() if met <= gone}:
        gone |= more
    gone |= {nevra for nevra in names if _is_like(nevra, swaps)}
    left = tuple(package for package in closure.packages if package.nevra not in gone)
    return replace(
        closure, packages=left, requested=closure.requested - gone, edges=(), beneath=frozenset()
    )


def _is_like(nevra: Nevra, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(nevra.name, glob) for glob in globs)


def _needs(closure: Closure) -> Mapping[Nevra, Mapping[str, set[Nevra]]]:
    """The packages that meet each requirement of each package."""
    found: defaultdict[Nevra, defaultdict[str, set[Nevra]]] = defaultdict(lambda: defaultdict(set))
    for edge in closure.edges:
        if edge.kind == "requires":
            found[edge.source][edge.capability].add(edge.target)
    return found
