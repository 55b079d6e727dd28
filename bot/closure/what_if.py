"""The packages that would leave an image if a capability were no longer required."""

from __future__ import annotations

from collections.abc import Iterable

from bot.closure.graph import holder
from bot.closure.pool import Pool
from bot.closure.why import members
from bot.model.capability import names_in
from bot.model.closure import Closure, Requirement, WhatIf
from bot.model.image import ImageRequest
from bot.model.package import Overlay, Package


def what_if(
    pool: Pool,
    request: ImageRequest,
    capability: str,
    from_package: str | None = None,
    overlay: Overlay | None = None,
) -> WhatIf:
    """Solves the image again without the requirements that `capability` means.

    Those are: the requirements with exactly this text, or of this name (`perl` means `perl >= 5`
    too, and a rich dependency that speaks of perl); where there is none, and a package of the image
    has this name, all requirements that this package satisfies. With `from_package` (a name,
    `name.arch` or NEVRA) only those of that package. `saved` is bytes of installed size.
    """
    before = pool.solve(request, overlay)
    if before.status != "ok":
        return WhatIf(request.key, "unsolvable", problems=before.problems, causes=before.causes)
    drops = _meant(before, capability, from_package)
    if not drops:
        where = f"{from_package} of this image" if from_package else "this image"
        return WhatIf(
            request.key, "ok", saved=0, problems=(f"nothing in {where} requires {capability}",)
        )
    after = pool.solve(request, overlay, drop=drops)
    if after.status != "ok":
        return WhatIf(request.key, "unsolvable", problems=after.problems, causes=after.causes)
    old = {p.nevra: p for p in before.packages}
    new = {p.nevra: p for p in after.packages}
    removed = tuple(p for n, p in old.items() if n not in new)
    added = tuple(p for n, p in new.items() if n not in old)
    return WhatIf(request.key, "ok", removed=removed, added=added, saved=_saved(removed, added))


def _meant(closure: Closure, capability: str, from_package: str | None) -> frozenset[Requirement]:
    holders = None if from_package is None else set(members(closure, from_package))
    stated = frozenset(
        Requirement(package.nevra, dependency.capability)
        for package in closure.packages
        if holders is None or package.nevra in holders
        for kind in ("requires", "recommends", "supplements")
        for dependency in package.of_kind(kind)
        if dependency.capability == capability or capability in names_in(dependency.capability)
    )
    if stated:
        return stated
    targets = set(members(closure, capability))
    satisfied = (
        Requirement(holder(edge), edge.capability)
        for edge in closure.edges
        if edge.target in targets
    )
    return frozenset(drop for drop in satisfied if holders is None or drop.nevra in holders)


def _saved(removed: Iterable[Package], added: Iterable[Package]) -> int | None:
    saved = 0
    for sign, packages in ((1, removed), (-1, added)):
        for package in packages:
            if package.installed_size is None:
                return None
            saved += sign * package.installed_size
    return saved
