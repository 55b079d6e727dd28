"""Packages that solving could meet: those that requirements lead to, by whichever provider."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import solv

from bot.closure.overlay_pool import OverlayPool
from bot.model.capability import names_in


def reaches(stage: OverlayPool, start: Iterable[int]) -> bool:
    """Return whether a package can be reached that depends on a path which only filelists.xml can
    answer.

    libsolv looks at no other packages: if none is reached, the answer is the same without
    filelists.xml.
    """
    seekers = frozenset(stage.index.seekers)
    return bool(seekers) and any(number in seekers for number, _ in reached(stage, start))


def reaches_hidden(
    stage: OverlayPool,
    start: Iterable[int],
    ids: frozenset[int],
    names: frozenset[str],
    *,
    weak: bool,
) -> bool:
    """Return whether a package of `ids` can be reached, hidden ones too, or a need for one of
    `names`
    that nobody meets. With `weak`, recommendations are followed like requirements.
    """

    def is_of(dependency: int) -> bool:
        providers = stage.providers(dependency)
        if not ids.isdisjoint(providers):
            return True
        if any(map(stage.enabled, providers)):
            return False
        return not names.isdisjoint(names_in(stage.pool.dep2str(dependency)))

    return any(
        number in ids or any(map(is_of, dependencies))
        for number, dependencies in reached(stage, start, weak=weak)
    )


def reached(
    stage: OverlayPool, start: Iterable[int], *, weak: bool = False
) -> Iterator[tuple[int, list[int]]]:
    """The packages that take part and can be reached from `start` (those too), each with those of
    its dependencies that no package before it has."""
    keys = (solv.SOLVABLE_REQUIRES, *((solv.SOLVABLE_RECOMMENDS,) if weak else ()))
    seen: set[int] = set()
    followed: set[int] = {solv.SOLVABLE_PREREQMARKER}
    todo = [number for number in start if stage.enabled(number)]
    while todo:
        number = todo.pop()
        if number in seen:
            continue
        seen.add(number)
        solvable = stage.pool.id2solvable(number)
        dependencies = []
        for key in keys:
            for dependency in solvable.lookup_idarray(key, 0):
                if dependency not in followed:
                    followed.add(dependency)
                    dependencies.append(dependency)
        yield number, dependencies
        todo += [n for d in dependencies for n in stage.providers(d) if stage.enabled(n)]
