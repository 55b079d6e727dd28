"""Why a package is in an image, and what would take it out."""

from __future__ import annotations

from collections.abc import Collection

from bot.closure.graph import PackageGraph, closure_graph
from bot.closure.pool import Pool
from bot.model.closure import Closure, Edge, Requirement, Why
from bot.model.image import ImageRequest
from bot.model.nevra import Nevra
from bot.model.package import Overlay

# Beyond this many requirements nobody takes a package out by hand.
MOST_REQUIREMENTS = 24
MOST_SOLVES = 40


def why(
    pool: Pool,
    request: ImageRequest,
    closure: Closure,
    package_name: str,
    overlay: Overlay | None = None,
) -> Why:
    """Why the package of a name (or `name.arch`, or a NEVRA) is in a closure of `request`.

    Of several with that name, the first by NEVRA. `leaves_with` is proved by solving without those
    requirements; empty if the package itself is asked for, or if nothing small was found.
    """
    found = members(closure, package_name)
    if not found:
        return Why(request.key, None)
    nevra = found[0]
    graph = closure_graph(closure)
    return Why(
        request.key,
        nevra,
        roots=graph.roots_of(nevra),
        chains=graph.chains(nevra),
        leaves_with=leaves_with(pool, request, closure, nevra, overlay),
    )


def members(closure: Closure, name: str) -> list[Nevra]:
    """The packages of a closure that a person calls `name`, sorted: name, `name.arch` or NEVRA."""
    found = []
    for package in closure.packages:
        n = package.nevra
        if name in (n.name, f"{n.name}.{n.arch}", str(n), n.nvra):
            found.append(n)
    return sorted(found)


def leaves_with(
    pool: Pool,
    request: ImageRequest,
    closure: Closure,
    nevra: Nevra,
    overlay: Overlay | None = None,
) -> tuple[Requirement, ...]:
    """The smallest set of requirements without which `nevra` is not in the closure, or nothing.

    The graph of the closure gives a candidate; solving without it proves it, or shows another way
    in, which is then cut too; at last what turns out not to be needed is given back.
    """
    if nevra in closure.requested:
        return ()
    edges: set[Edge] = set(closure.edges)
    roots = set(closure.requested)
    solves = 0

    def stays(drop: Collection[Requirement]) -> Closure | None:
        nonlocal solves
        solves += 1
        other = pool.solve(request, overlay, drop=drop)
        return other if other.status != "ok" or _holds(other, nevra) else None

    while solves < MOST_SOLVES:
        cut = PackageGraph(roots, edges).cut(nevra, roots, MOST_REQUIREMENTS)
        if not cut:
            return ()
        drops = [Requirement(*stated) for stated in cut]
        other = stays(drops)
        if other is None:
            break
        if other.status != "ok" or edges.issuperset(other.edges):
            return ()
        edges.update(other.edges)
        roots.update(other.requested)
    else:
        return ()
    needed = list(drops)
    for drop in drops if len(drops) > 1 else ():
        fewer = [d for d in needed if d != drop]
        if fewer and solves < MOST_SOLVES and stays(fewer) is None:
            needed = fewer
    return tuple(needed)


def _holds(closure: Closure, nevra: Nevra) -> bool:
    """Return whether a closure has the package, in whatever version."""
    return any((p.nevra.name, p.nevra.arch) == (nevra.name, nevra.arch) for p in closure.packages)
