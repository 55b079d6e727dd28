"""Bytes and blame: what each package of an image holds alone, and whose fault a package is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from bot.closure.graph import PackageGraph, holder
from bot.closure.pool import Pool
from bot.closure.why import difference, members
from bot.model.advice import Retained
from bot.model.capability import Node, is_rich, parse_rich
from bot.model.closure import Closure, Edge, Requirement, WhatIf
from bot.model.image import ImageRequest
from bot.model.nevra import Nevra

# Each solve names some requirers at least; a package that most of an image requires has few roots.
_MOST_ROUNDS = 100


def retained(closure: Closure) -> tuple[Retained, ...]:
    """The packages and bytes that would leave with each package: the dominator tree's sums.

    A requirement that two members meet dominates nothing: either may leave and the other meets it.
    Most bytes first, then by NEVRA; `installed_size` is null where one that leaves has none.
    """
    sizes = {package.nevra: package.installed_size for package in closure.packages}
    graph = PackageGraph(sorted(closure.requested), _alone(closure.edges), sizes)
    known = graph.leaving({nevra: size or 0 for nevra, size in sizes.items()})
    unknown = graph.leaving({nevra: int(size is None) for nevra, size in sizes.items()})
    found = [
        Retained(
            nevra,
            leaving.packages,
            None if unknown[nevra].installed_size else leaving.installed_size,
        )
        for nevra, leaving in known.items()
    ]
    return tuple(sorted(found, key=lambda one: (-known[one.nevra].installed_size, one.nevra)))


def _alone(edges: Iterable[Edge]) -> Iterator[Edge]:
    """The edges of requirements that one member meets, and of those that ask for several."""
    met: dict[tuple[Nevra, str], list[Edge]] = {}
    for edge in edges:
        met.setdefault((holder(edge), edge.capability), []).append(edge)
    for (_, capability), several in met.items():
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
    """The image without any package of a name: what would leave, and who stands in the way.

    Where it cannot be installed so, the solver's proof names requirements for what is forbidden;
    they are dropped, and it is tried again, until nothing stands in the way. `because` are those
    requirements; empty if the image does without the package as it is.
    """
    before = pool.solve(request, settled=lambda _: True)
    if before.status != "ok":
        return WhatIf(request.key, "unsolvable", problems=before.problems, causes=before.causes)
    found = members(before, package_name)
    if not found:
        sentence = f"{package_name} is not in this image"
        return WhatIf(request.key, "ok", saved=0, problems=(sentence,))
    names = {nevra.name for nevra in found}
    because: dict[Requirement, None] = {}
    for _ in range(_MOST_ROUNDS):
        after = pool.solve(request, drop=because, exclude=names, settled=lambda _: True)
        if after.status == "ok":
            return replace(difference(before, after), because=tuple(sorted(because)))
        more = [
            Requirement(cause.needed_by, cause.capability)
            for cause in after.causes
            if cause.kind == "missing" and cause.needed_by is not None
        ]
        if not set(more) - because.keys():
            break
        because.update(dict.fromkeys(more))
    return WhatIf(
        request.key, "unsolvable", problems=after.problems, causes=after.causes,
        because=tuple(sorted(because)),
    )  # fmt: skip
