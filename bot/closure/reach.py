"""Whether solving could meet a path that only filelists.xml can answer."""

from __future__ import annotations

from collections.abc import Iterable

import solv

from bot.closure.stage import Stage


def reaches(stage: Stage, start: Iterable[int]) -> bool:
    """Whether a package that depends on such a path can be reached through requirements.

    libsolv looks at no other packages: if none is reached, the answer is the same without
    filelists.xml.
    """
    seekers = frozenset(stage.index.seekers)
    if not seekers:
        return False
    seen: set[int] = set()
    followed: set[int] = set()
    todo = [number for number in start if stage.enabled(number)]
    while todo:
        number = todo.pop()
        if number in seen:
            continue
        seen.add(number)
        if number in seekers:
            return True
        solvable = stage.pool.id2solvable(number)
        for dependency in solvable.lookup_idarray(solv.SOLVABLE_REQUIRES, 0):
            if dependency not in followed and dependency != solv.SOLVABLE_PREREQMARKER:
                followed.add(dependency)
                todo += [n for n in stage.providers(dependency) if stage.enabled(n)]
    return False
