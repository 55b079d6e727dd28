"""Packages that solving could reach, and overlays that cannot matter to an image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import solv

from bot.closure.overlay_pool import OverlayPool
from bot.model.capability import names_in, split_capability
from bot.model.closure import Closure
from bot.model.image import ImageRequest
from bot.model.package import DependencyKind, Overlay, Package

if TYPE_CHECKING:
    from bot.closure.pool import Pool

_AFTER_A_NAME = "-.<=> "


def could_enter(
    pool: Pool, closure: Closure, overlay: Overlay, request: ImageRequest | None = None
) -> bool:
    """Return whether solving an image with the overlay could give another result than `closure`.

    `closure` is the image's without it. It is a quick test by names: True whenever a change cannot
    be ruled out. Without `request`, weak dependencies are taken to be on.
    """
    if closure.status != "ok":
        return True
    if any(p.source in overlay.sources for p in closure.packages):
        return True
    weak = request is None or request.weak
    offered = {name for p in overlay.packages for name in _offered(p)}
    needs: tuple[DependencyKind, ...] = ("requires",)
    if weak:
        needs += ("recommends", "suggests")
    for package in closure.packages:
        if any(not offered.isdisjoint(_names(package, kind)) for kind in needs):
            return True
    if request is not None and any(_could_mean(r, offered) for r in request.requests):
        return True
    present = {name for p in closure.packages for name in _offered(p)}
    acts: tuple[DependencyKind, ...] = ("obsoletes",)
    if weak:
        acts += ("supplements", "enhances")
    if any(not present.isdisjoint(_names(p, kind)) for p in overlay.packages for kind in acts):
        return True
    # A package that could not be installed before, for lack of it, may now be chosen.
    return pool.would_meet(sorted(offered))


def could_concern(pool: Pool, request: ImageRequest, overlay: Overlay) -> bool:
    """Return whether an unsolvable image depends on the overlay's sources.

    It does if its request, or what the request leads to by any provider, is of them or requires
    what they have or had: published packages that the overlay replaces, older ones and those of
    other architectures count as well.
    """
    packages = [p for source in sorted(overlay.sources) for p in pool.published(source)]
    offered = {name for p in (*packages, *overlay.packages) for name in _offered(p)}
    texts = {*offered, *(p.nevra.nvra for p in packages)}
    for request_text in request.requests:
        if any(c in request_text for c in "*?["):
            if any(fnmatchcase(text, request_text) for text in texts):
                return True
        elif not request_text.startswith("@") and _could_mean(request_text, offered):
            return True
    return pool.may_need(request, overlay, offered)


def _offered(package: Package) -> set[str]:
    """Return the names that a package has, provides and owns."""
    provided = (split_capability(d.capability).name for d in package.of_kind("provides"))
    return {package.nevra.name, *provided, *package.files}


def _names(package: Package, kind: DependencyKind) -> set[str]:
    return {name for d in package.of_kind(kind) for name in names_in(d.capability)}


def _could_mean(request: str, offered: set[str]) -> bool:
    if request in offered or any(c in request for c in "*?[@"):
        return True
    # `name-1.2`, `name.arch`, `name >= 1`, a rich dependency: any of the offered names in it.
    starts = (request[:end] for end, after in enumerate(request) if after in _AFTER_A_NAME)
    return any(start in offered for start in starts) or not offered.isdisjoint(names_in(request))


def is_unmet(overlays: OverlayPool, name: str) -> bool:
    """Return whether a package requires a name or path that no enabled package has."""
    if name.startswith("/"):
        return name in overlays.index.files and not any(
            map(overlays.enabled, overlays.index.files[name])
        )
    number = overlays.pool.str2id(name, False)
    if not number or any(map(overlays.enabled, overlays.providers(number))):
        return False
    return bool(overlays.pool.whatmatchesdep(solv.SOLVABLE_REQUIRES, number))


def reaches(overlays: OverlayPool, start: Iterable[int]) -> bool:
    """Return whether a package can be reached that depends on a path only in filelists.xml.

    libsolv looks at no other packages: if none is reached, the answer is the same without
    filelists.xml. Packages that an overlay hides count too, so that one walk serves all overlays.
    """
    if not overlays.seekers:
        return False
    visited: set[int] = set()
    todo = list(start)
    while todo:
        number = todo.pop()
        if number in visited or number in overlays.without_seekers or overlays.is_excluded(number):
            continue
        if number in overlays.seekers:
            return True
        visited.add(number)
        for dependency in overlays.pool.id2solvable(number).lookup_idarray(
            solv.SOLVABLE_REQUIRES, 0
        ):
            if dependency != solv.SOLVABLE_PREREQMARKER:
                todo += overlays.providers(dependency)
    overlays.without_seekers.update(visited)
    return False


def reaches_hidden(
    overlays: OverlayPool,
    start: Iterable[int],
    ids: frozenset[int],
    names: frozenset[str],
    *,
    weak: bool,
) -> bool:
    """Return whether a package of `ids`, or an unmet requirement of `names`, can be reached.

    Hidden packages count too. With `weak`, recommendations are followed like requirements.
    """

    def is_of(dependency: int) -> bool:
        providers = overlays.providers(dependency)
        if not ids.isdisjoint(providers):
            return True
        if any(map(overlays.enabled, providers)):
            return False
        return not names.isdisjoint(names_in(overlays.pool.dep2str(dependency)))

    return any(
        number in ids or any(map(is_of, dependencies))
        for number, dependencies in reached(overlays, start, weak=weak)
    )


def reached(
    overlays: OverlayPool, start: Iterable[int], *, weak: bool = False
) -> Iterator[tuple[int, list[int]]]:
    """Yield the enabled packages that can be reached from `start`, themselves included.

    Each comes with those of its dependencies that no package before it has.
    """
    keys = (solv.SOLVABLE_REQUIRES, *((solv.SOLVABLE_RECOMMENDS,) if weak else ()))
    visited: set[int] = set()
    followed: set[int] = {solv.SOLVABLE_PREREQMARKER}
    todo = [number for number in start if overlays.enabled(number)]
    while todo:
        number = todo.pop()
        if number in visited:
            continue
        visited.add(number)
        solvable = overlays.pool.id2solvable(number)
        dependencies = []
        for key in keys:
            for dependency in solvable.lookup_idarray(key, 0):
                if dependency not in followed:
                    followed.add(dependency)
                    dependencies.append(dependency)
        yield number, dependencies
        todo += [n for d in dependencies for n in overlays.providers(d) if overlays.enabled(n)]
