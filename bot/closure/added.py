"""Why packages are in one closure of an image and not in another: requirements that are new."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from bot.closure.graph import closure_graph
from bot.closure.pool import Pool
from bot.model.capability import is_rich
from bot.model.closure import Closure, Edge
from bot.model.image import ImageRequest
from bot.model.nevra import Nevra
from bot.model.package import Overlay


def added_chains(
    pool: Pool,
    before: tuple[ImageRequest, Closure, Overlay | None],
    after: tuple[ImageRequest, Closure, Overlay | None],
) -> Mapping[Nevra, tuple[tuple[Edge, ...], ...]]:
    """The chains to each package that `after` has and `before` has not, by name and architecture.

    Each side is a request, its closure and the overlay that it was solved with. A chain goes from a
    requested package over packages that both sides have, by whatever requirement, and then over
    added ones, each reached by a *new* requirement. New is what the packages of `before` do not
    satisfy: not whatever else they require, and not what an added package requires that one of them
    provides all along (`rtld(GNU_HASH)` of glibc.x86_64 brings no glibc.i686). What the packages
    that both sides have satisfy on the side `after` is not new either.

    A requirement that other added packages satisfy too is passed over where a chain goes without:
    what meets it already needs no second one. A package to which no such chain leads has none: the
    solver chose it, be it in the place of one that left, or it is requested itself. A supplement is
    always new.
    """
    old = {(p.nevra.name, p.nevra.arch) for p in before[1].packages}
    kept = [p.nevra for p in after[1].packages if (p.nevra.name, p.nevra.arch) in old]
    added = {p.nevra for p in after[1].packages} - set(kept)
    entering = {e.capability for e in after[1].edges if e.target in added}
    if not added or not before[1].status == after[1].status == "ok":
        return {}
    met_by_kept = pool.met(after[0], after[2], kept, entering)
    unmet = entering - met_by_kept
    met_before = pool.met(before[0], before[2], [p.nevra for p in before[1].packages], unmet)
    new = unmet - met_before
    fresh = [
        edge
        for edge in after[1].edges
        if edge.target not in added or edge.kind == "supplements" or edge.capability in new
    ]
    spare = _spare(pool, after, added, fresh)
    alone = [e for e in fresh if (e.capability, e.target) not in spare]
    graphs = [closure_graph(after[1], edges) for edges in (alone, fresh)]
    return {
        nevra: next((found for graph in graphs if (found := graph.chains(nevra))), ())
        for nevra in added
    }


def _spare(
    pool: Pool,
    after: tuple[ImageRequest, Closure, Overlay | None],
    added: Collection[Nevra],
    edges: Iterable[Edge],
) -> set[tuple[str, Nevra]]:
    """The capabilities, each with an added package, that are satisfied without that package too."""
    targets: dict[str, set[Nevra]] = {}
    for edge in edges:
        if edge.target in added and edge.kind != "supplements":
            targets.setdefault(edge.capability, set()).add(edge.target)
    found: set[tuple[str, Nevra]] = set()
    for capability, several in targets.items():
        if len(several) > 1 and not is_rich(capability):
            found.update((capability, target) for target in several)
        # A rich one may need more than one of them: `(a and b)`.
        for target in several if len(several) > 1 and is_rich(capability) else ():
            others = [p.nevra for p in after[1].packages if p.nevra != target]
            if pool.met(after[0], after[2], others, [capability]):
                found.add((capability, target))
    return found
