"""A test that rules out overlays which cannot matter to an image."""

from __future__ import annotations

from fnmatch import fnmatchcase

from bot.closure.pool import Pool
from bot.model.capability import names_in, split_capability
from bot.model.closure import Closure
from bot.model.image import ImageRequest
from bot.model.package import DependencyKind, Overlay, Package

_AFTER_A_NAME = "-.<=> "


def could_enter(
    pool: Pool, closure: Closure, overlay: Overlay, request: ImageRequest | None = None
) -> bool:
    """Return whether solving an image with the overlay could give something else than `closure`.

    `closure` is the image's without it. Cheap and careful: true whenever it cannot be ruled out, by
    names alone. Without `request`, weak dependencies are taken to be on.
    """
    if closure.status != "ok":
        return True
    if any(p.source in overlay.sources for p in closure.packages):
        return True
    weak = request is None or request.weak
    offered = {name for p in overlay.packages for name in _offered(p)}
    asked: tuple[DependencyKind, ...] = ("requires",)
    if weak:
        asked += ("recommends", "suggests")
    for package in closure.packages:
        if any(not offered.isdisjoint(_names(package, kind)) for kind in asked):
            return True
    if request is not None and any(_could_mean(r, offered) for r in request.requests):
        return True
    present = {name for p in closure.packages for name in _offered(p)}
    drawn: tuple[DependencyKind, ...] = ("obsoletes",)
    if weak:
        drawn += ("supplements", "enhances")
    if any(not present.isdisjoint(_names(p, kind)) for p in overlay.packages for kind in drawn):
        return True
    # Something that could not be installed before, for want of it, may now be chosen.
    return pool.would_meet(sorted(offered))


def could_concern(pool: Pool, request: ImageRequest, overlay: Overlay) -> bool:
    """Return whether an image that cannot be solved has to do with the overlay's sources.

    It has if its request, or what the request leads to by whichever provider, is of them or asks
    for what they have or had: published packages that the overlay replaces, older ones and those
    of other architectures, count as well.
    """
    packages = [p for source in sorted(overlay.sources) for p in pool.published(source)]
    offered = {name for p in (*packages, *overlay.packages) for name in _offered(p)}
    texts = {*offered, *(p.nevra.nvra for p in packages)}
    for wanted in request.requests:
        if any(c in wanted for c in "*?["):
            if any(fnmatchcase(text, wanted) for text in texts):
                return True
        elif not wanted.startswith("@") and _could_mean(wanted, offered):
            return True
    return pool.may_need(request, overlay, offered)


def _offered(package: Package) -> set[str]:
    """The names that a package has, provides and owns."""
    provided = (split_capability(d.capability).name for d in package.of_kind("provides"))
    return {package.nevra.name, *provided, *package.files}


def _names(package: Package, kind: DependencyKind) -> set[str]:
    return {name for d in package.of_kind(kind) for name in names_in(d.capability)}


def _could_mean(request: str, offered: set[str]) -> bool:
    if request in offered or any(c in request for c in "*?[@"):
        return True
    # `name-1.2`, `name.arch`, `name >= 1`, a rich dependency: any of the offered names within.
    starts = (request[:end] for end, after in enumerate(request) if after in _AFTER_A_NAME)
    return any(start in offered for start in starts) or not offered.isdisjoint(names_in(request))
