"""Order of versions: libsolv's own comparison, so that it is always the solver's."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from threading import Lock
from typing import Any

import solv

from bot.model.architecture import native_arches
from bot.model.nevra import Nevra
from bot.model.package import Package

_LOCK = Lock()


@cache
def _scales() -> tuple[Any, Any, Any]:
    """A pool with two solvables that carry the versions to compare (the bindings offer no more)."""
    pool = solv.Pool()
    pool.setdisttype(solv.Pool.DISTTYPE_RPM)
    repo = pool.add_repo("scales")
    return pool, repo.add_solvable(), repo.add_solvable()


def compare_evr(first: str, second: str) -> int:
    """-1, 0 or 1 as the `[epoch:]version[-release]` `first` is older, the same or newer."""
    with _LOCK:
        _, left, right = _scales()
        left.evr, right.evr = first, second
        order = int(left.evrcmp(right))
    return (order > 0) - (order < 0)


def newest(packages: Iterable[Package], arch: str | None = None) -> tuple[Package, ...]:
    """The newest package of each name, sorted by NEVRA; with `arch`, among its own and noarch only.

    Of packages with the same version the better architecture goes first (`arch` before those it can
    take instead, noarch last), then the earlier.
    """
    native = None if arch is None else native_arches(arch)
    best: dict[str, Package] = {}
    for package in packages:
        nevra = package.nevra
        if native is not None and nevra.arch not in native:
            continue
        current = best.get(nevra.name)
        if current is None or _beats(nevra, current.nevra, native):
            best[nevra.name] = package
    return tuple(sorted(best.values(), key=lambda p: p.nevra))


def _beats(candidate: Nevra, current: Nevra, native: tuple[str, ...] | None) -> bool:
    order = compare_evr(candidate.evr, current.evr)
    if order != 0:
        return order > 0
    if native is not None:
        return native.index(candidate.arch) < native.index(current.arch)
    return candidate.arch != "noarch" and current.arch == "noarch"
