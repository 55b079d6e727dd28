"""Reasons for a package in an image, what would take it out, and what each package alone holds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from bot.closure.graph import PackageGraph, closure_graph, holder
from bot.closure.pool import Pool
from bot.model.advice import Retained
from bot.model.capability import Node, is_rich, names_in, parse_rich
from bot.model.closure import Closure, Edge, Requirement, WhatIf, Why
from bot.model.image import ImageRequest
from bot.model.nevra import Nevra
from bot.model.package import Overlay, Package

# More requirements than this are not edited by hand.
MOST_REQUIREMENTS = 24
MOST_SOLVES = 40


def why(
    pool: Pool,
    request: ImageRequest,
    closure: Closure,
    package_name: str,
    overlay: Overlay | None = None,
) -> Why:
    """Return why a package is in the closure of `request`: by its name, `name.arch` or NEVRA.

    Of several with that name, the first by NEVRA is taken. `leaves_with` is proved by solving
    without those requirements; it is empty if the package itself is requested, or if no small set
    was found.
    """
    nevras = members(closure, package_name)
    if not nevras:
        return Why(request.key, None)
    nevra = nevras[0]
    graph = closure_graph(closure)
    return Why(
        request.key,
        nevra,
        roots=graph.roots_of(nevra),
        chains=graph.chains(nevra),
        leaves_with=leaves_with(pool, request, closure, nevra, overlay),
    )


def members(closure: Closure, name: str) -> list[Nevra]:
    """Return the packages of a closure with this name, `name.arch` or NEVRA, sorted."""
    nevras = []
    for package in closure.packages:
        n = package.nevra
        if name in (n.name, f"{n.name}.{n.arch}", str(n), n.nvra):
            nevras.append(n)
    return sorted(nevras)


def leaves_with(
    pool: Pool,
    request: ImageRequest,
    closure: Closure,
    nevra: Nevra,
    overlay: Overlay | None = None,
) -> tuple[Requirement, ...]:
    """Return the smallest set of requirements without which `nevra` is not in the closure, or none.

    The graph of the closure gives a candidate. Solving without it proves it, or shows another way
    to the package, which is then cut too. At the end requirements that prove unnecessary are
    removed from the set.
    """
    if nevra in closure.requested:
        return ()
    edges: set[Edge] = set(closure.edges)
    roots = set(closure.requested)
    solves = 0

    def stays(drop: Collection[Requirement]) -> Closure | None:
        nonlocal solves
        solves += 1
        solved = pool.solve(request, overlay, drop=drop)
        return solved if solved.status != "ok" or _holds(solved, nevra) else None

    while solves < MOST_SOLVES:
        cut = PackageGraph(roots, edges).cut(nevra, roots, MOST_REQUIREMENTS)
        if not cut:
            return ()
        drops = [Requirement(*stated) for stated in cut]
        solved = stays(drops)
        if solved is None:
            break
        if solved.status != "ok" or edges.issuperset(solved.edges):
            return ()
        edges.update(solved.edges)
        roots.update(solved.requested)
    else:
        return ()
    cut_set = list(drops)
    for drop in drops if len(drops) > 1 else ():
        fewer = [d for d in cut_set if d != drop]
        if fewer and solves < MOST_SOLVES and stays(fewer) is None:
            cut_set = fewer
    return tuple(cut_set)


def _holds(closure: Closure, nevra: Nevra) -> bool:
    """Return whether a closure has the package, in any version."""
    return any(p.nevra.name_arch == nevra.name_arch for p in closure.packages)


def what_if(
    pool: Pool,
    request: ImageRequest,
    capability: str,
    from_package: str | None = None,
    overlay: Overlay | None = None,
) -> WhatIf:
    """Solve the image again without the requirements that `capability` names.

    These are the requirements with exactly this text or with this name (`perl` also means `perl >=
    5`, and a rich dependency that names perl). If there is none and a package of the image has this
    name, they are all requirements that this package satisfies. With `from_package` (a name,
    `name.arch` or NEVRA) only those of that package count. `saved` is bytes of installed size.
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
    return difference(before, after)


def difference(before: Closure, after: Closure) -> WhatIf:
    """Return the packages that leave and come between two closures of an installable image."""
    old = {p.nevra: p for p in before.packages}
    new = {p.nevra: p for p in after.packages}
    removed = tuple(p for n, p in old.items() if n not in new)
    added = tuple(p for n, p in new.items() if n not in old)
    return WhatIf(before.key, "ok", removed=removed, added=added, saved=_saved(removed, added))


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


# Each solve finds at least one requirement more; a package that most of an image requires has few
# roots.
_MOST_ROUNDS = 100


def retained(closure: Closure) -> tuple[Retained, ...]:
    """Return the packages and bytes that would leave with each package, by the dominator tree.

    A requirement that two members meet dominates nothing: if one leaves, the other meets it. Sorted
    by bytes, largest first, then by NEVRA; `installed_size` is None where the size of a leaving
    package is unknown.
    """
    sizes = {package.nevra: package.installed_size for package in closure.packages}
    graph = PackageGraph(sorted(closure.requested), _alone(closure.edges), sizes)
    leaving_of = graph.leaving({nevra: size or 0 for nevra, size in sizes.items()})
    unknown = graph.leaving({nevra: int(size is None) for nevra, size in sizes.items()})
    rows = [
        Retained(
            nevra,
            leaving.packages,
            None if unknown[nevra].installed_size else leaving.installed_size,
        )
        for nevra, leaving in leaving_of.items()
    ]
    return tuple(sorted(rows, key=lambda row: (-leaving_of[row.nevra].installed_size, row.nevra)))


def _alone(edges: Iterable[Edge]) -> Iterator[Edge]:
    """Yield the edges of requirements that one member meets or that need several members."""
    edges_of: dict[tuple[Nevra, str], list[Edge]] = {}
    for edge in edges:
        edges_of.setdefault((holder(edge), edge.capability), []).append(edge)
    for (_, capability), several in edges_of.items():
        if len(several) == 1 or _asks_for_several(capability):
            yield from several


def _asks_for_several(capability: str) -> bool:
    tree = parse_rich(capability) if is_rich(capability) else None
    return tree is not None and _has_and(tree)


def _has_and(tree: Node) -> bool:
    return not isinstance(tree, str) and (
        tree.operator == "and" or _has_and(tree.left) or _has_and(tree.right)
    )


def forbid(pool: Pool, request: ImageRequest, package_name: str) -> WhatIf:
    """Return the image without any package of a name: what would leave, and what requires it.

    Where the image cannot be installed so, the requirements that the solver's proof names are
    dropped and it is solved again, until no such requirement is left. `because` are the dropped
    requirements; it is empty if the image does without the package as it is.
    """
    before = pool.solve(request, settled=lambda _: True)
    if before.status != "ok":
        return WhatIf(request.key, "unsolvable", problems=before.problems, causes=before.causes)
    nevras = members(before, package_name)
    if not nevras:
        sentence = f"{package_name} is not in this image"
        return WhatIf(request.key, "ok", saved=0, problems=(sentence,))
    names = {nevra.name for nevra in nevras}
    because: dict[Requirement, None] = {}
    for _ in range(_MOST_ROUNDS):
        after = pool.solve(request, drop=because, exclude=names, settled=lambda _: True)
        if after.status == "ok":
            return replace(difference(before, after), because=tuple(sorted(because)))
        requirements = [
            Requirement(cause.needed_by, cause.capability)
            for cause in after.causes
            if cause.kind == "missing" and cause.needed_by is not None
        ]
        if not set(requirements) - because.keys():
            break
        because.update(dict.fromkeys(requirements))
    return WhatIf(
        request.key, "unsolvable", problems=after.problems, causes=after.causes,
        because=tuple(sorted(because)),
    )  # fmt: skip
