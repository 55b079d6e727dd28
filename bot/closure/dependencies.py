"""Dependencies that are taken from packages of a pool for one solve, and put back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import solv

_STRONG_OR_WEAK = (solv.SOLVABLE_REQUIRES, solv.SOLVABLE_RECOMMENDS, solv.SOLVABLE_SUPPLEMENTS)
_WEAK = (solv.SOLVABLE_RECOMMENDS,)


class Taken(NamedTuple):
    """Dependencies of one kind as a package had them before some were taken."""

    solvable: Any
    key: int
    before: Sequence[int]


def take_requirements(solvable: Any, stays: Callable[[int], bool]) -> list[Taken]:
    """Take those requirements, recommendations and supplements that do not stay."""
    return _take(solvable, _STRONG_OR_WEAK, stays)


def take_recommendations(solvables: Iterable[Any]) -> list[Taken]:
    """Take all recommendations: what is installed already brings none of them."""
    return [taken for each in solvables for taken in _take(each, _WEAK, lambda _: False)]


def put_back(taken: Iterable[Taken]) -> None:
    """Give the packages what was taken from them."""
    for solvable, key, before in taken:
        _set_dependencies(solvable, key, before)


def _take(solvable: Any, keys: Sequence[int], stays: Callable[[int], bool]) -> list[Taken]:
    taken = []
    for key in keys:
        before = solvable.lookup_idarray(key, 0)
        after = [dependency for dependency in before if stays(dependency)]
        if after != before:
            taken.append(Taken(solvable, key, before))
            _set_dependencies(solvable, key, after)
    return taken


def _set_dependencies(solvable: Any, key: int, dependencies: Sequence[int]) -> None:
    """Gives a solvable these dependencies; those after the marker stay after it."""
    solvable.unset(key)
    marker = -1
    for dependency in dependencies:
        if dependency == solv.SOLVABLE_PREREQMARKER:
            marker = 1
        else:
            solvable.add_deparray(key, dependency, marker)
