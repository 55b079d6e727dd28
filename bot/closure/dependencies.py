"""Dependencies that are changed in packages of a pool for one solve, and restored after it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import solv

from bot.model.closure import Requirement
from bot.model.nevra import Nevra

_STRONG_OR_WEAK = (solv.SOLVABLE_REQUIRES, solv.SOLVABLE_RECOMMENDS, solv.SOLVABLE_SUPPLEMENTS)
_WEAK = (solv.SOLVABLE_RECOMMENDS,)


class FormerDependencies(NamedTuple):
    """The dependencies of one kind of a package before the change."""

    solvable: Any
    key: int
    before: Sequence[int]


def take_requirements(
    pool: Any, drop: Iterable[Requirement], numbers: Callable[[Nevra], Iterable[int]]
) -> list[FormerDependencies]:
    """Take these requirements, recommendations and supplements from packages.

    `numbers` returns the packages of a NEVRA in the pool. Returns what to put back.
    """
    by_package: defaultdict[Nevra, set[str]] = defaultdict(set)
    for item in drop:
        by_package[item.nevra].add(item.capability)
    return [
        former
        for nevra, capabilities in by_package.items()
        for number in numbers(nevra)
        for former in _take(
            pool.id2solvable(number), _STRONG_OR_WEAK, partial(_is_other, pool, capabilities)
        )
    ]


def _is_other(pool: Any, capabilities: Collection[str], dependency: int) -> bool:
    return pool.dep2str(dependency) not in capabilities


def take_recommendations(solvables: Iterable[Any]) -> list[FormerDependencies]:
    """Take all recommendations: installed packages do not bring theirs in.

    Returns what to put back.
    """
    return [former for solvable in solvables for former in _take(solvable, _WEAK, lambda _: False)]


def take_all(solvables: Iterable[Any]) -> list[FormerDependencies]:
    """Take all requirements, recommendations and supplements. Returns what to put back."""
    keys = tuple(dict.fromkeys((*_STRONG_OR_WEAK, *_WEAK)))
    return [former for solvable in solvables for former in _take(solvable, keys, lambda _: False)]


def add_suggestions(
    pool: Any, suggests: Iterable[tuple[Nevra, str]], numbers: Callable[[Nevra], Iterable[int]]
) -> list[FormerDependencies]:
    """Make packages suggest others too, by name. Returns what to put back."""
    former = []
    for nevra, name in suggests:
        for number in numbers(nevra):
            solvable = pool.id2solvable(number)
            before = solvable.lookup_idarray(solv.SOLVABLE_SUGGESTS, 0)
            former.append(FormerDependencies(solvable, solv.SOLVABLE_SUGGESTS, before))
            _set_dependencies(solvable, solv.SOLVABLE_SUGGESTS, [*before, pool.str2id(name)])
    return former


def put_back(former: Iterable[FormerDependencies]) -> None:
    """Restore the dependencies of packages."""
    for solvable, key, before in former:
        _set_dependencies(solvable, key, before)


def _take(
    solvable: Any, keys: Sequence[int], stays: Callable[[int], bool]
) -> list[FormerDependencies]:
    former = []
    for key in keys:
        before = solvable.lookup_idarray(key, 0)
        after = [dependency for dependency in before if stays(dependency)]
        if after != before:
            former.append(FormerDependencies(solvable, key, before))
            _set_dependencies(solvable, key, after)
    return former


def _set_dependencies(solvable: Any, key: int, dependencies: Sequence[int]) -> None:
    """Set the dependencies of a solvable; those after the prereq marker stay after it."""
    solvable.unset(key)
    marker = -1
    for dependency in dependencies:
        if dependency == solv.SOLVABLE_PREREQMARKER:
            marker = 1
        else:
            solvable.add_deparray(key, dependency, marker)
