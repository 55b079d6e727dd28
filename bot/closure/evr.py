"""Comparison of versions by libsolv, so that the order is always the solver's."""

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
    """Return a pool with two solvables: the bindings compare only solvables' versions."""
    pool = solv.Pool()
    pool.setdisttype(solv.Pool.DISTTYPE_RPM)
    repo = pool.add_repo("scales")
    return pool, repo.add_solvable(), repo.add_solvable()


def compare_evr(first: str, second: str) -> int:
    """Return -1, 0 or 1 if `first` is older than, the same as or newer than `second`.

    Both are `[epoch:]version[-release]`.
    """
    with _LOCK:
        _, left, right = _scales()
        left.evr, right.evr = first, second
        order = int(left.evrcmp(right))
    return (order > 0) - (order < 0)


def newest(packages: Iterable[Package], arch: str | None = None) -> tuple[Package, ...]:
    """Return the newest package of each name, sorted by NEVRA.

    With `arch`, only packages of it, of the architectures that it can use instead, and noarch
    count. Of packages with the same version the better architecture is taken (`arch` first, noarch
    last), then the earlier one.
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
