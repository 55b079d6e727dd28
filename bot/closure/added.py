"""The chains to the packages that a change adds to an image."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise

from bot.closure.edges import Links, Stated
from bot.closure.pool import Pool
from bot.model.capability import is_rich
from bot.model.closure import Closure, Edge
from bot.model.image import ImageRequest
from bot.model.nevra import Nevra
from bot.model.package import Overlay

# A solved image: its request, the answer, and the overlay that it was solved with.
SolvedSide = tuple[ImageRequest, Closure, Overlay | None]
# A path from a requested package to another one: their indexes in the order of NEVRAs.
Way = tuple[int, ...]


class AddedChains:
    """Finds chains in `pool`; for base in `base_pool`, if base's repositories differ.

    Images share most of their chains: equal edges, and equal chains, are the same objects.
    """

    def __init__(self, pool: Pool, base_pool: Pool | None = None) -> None:
        self._pool = pool
        self._base_pool = base_pool or pool
        self._edges: dict[tuple[Nevra, Stated, Nevra], Edge] = {}
        self._chains: dict[tuple[int, ...], tuple[Edge, ...]] = {}

    def find(
        self, before: SolvedSide, after: SolvedSide
    ) -> Mapping[Nevra, tuple[tuple[Edge, ...], ...]]:
        """Return the chains to each package that only `after` has, by name and architecture.

        A chain goes from a requested package over packages that both sides have, by any
        requirement, and then over added ones, each reached by a *new* requirement. A requirement is
        new if the packages of `before` do not satisfy it, nor those that both sides have on the
        side `after`. So an added package's requirement that `before` already satisfied is not new
        (`rtld(GNU_HASH)` of glibc.x86_64 brings in no glibc.i686).

        Where there is another chain, a requirement that other added packages satisfy too is not
        used. A package without such a chain has none: the solver chose it, for instance in the
        place of one that left, or it is requested itself. A supplement is always new.
        """
        old = {p.nevra.name_arch for p in before[1].packages}
        packages = after[1].packages
        common = [p for p in packages if p.nevra.name_arch in old]
        if len(common) == len(packages) or not before[1].status == after[1].status == "ok":
            return {}
        nevras, links = self._pool.links(*after[::2], after[1])
        places = {nevra: place for place, nevra in enumerate(nevras)}
        added = set(range(len(nevras))).difference(places[p.nevra] for p in common)
        into = [(s, t, links[s][t]) for s in range(len(nevras)) for t in links[s].keys() & added]
        entering = {capability for _, _, stated in into for capability, _ in stated}
        unmet = entering - self._pool.met(*after[::2], common, entering)
        new = unmet - self._base_pool.met(*before[::2], before[1].packages, unmet)
        fresh = [
            (source, target, tuple(s for s in stated if s[1] == "supplements" or s[0] in new))
            for source, target, stated in into
        ]
        spare = self._spare(after, nevras, fresh)
        alone = [
            (source, target, tuple(s for s in stated if (s[0], target) not in spare))
            for source, target, stated in fresh
        ]
        roots = sorted(places[nevra] for nevra in after[1].requested)
        chains = self._between(nevras, _usable(links, added, alone), roots, added)
        unreached = {target for target in added if not chains[target]} if spare else set()
        if unreached:
            chains |= self._between(nevras, _usable(links, added, fresh), roots, unreached)
        return {nevras[target]: chains[target] for target in sorted(added)}

    def _between(
        self,
        nevras: Sequence[Nevra],
        links: Sequence[Links],
        roots: Sequence[int],
        targets: Collection[int],
    ) -> dict[int, tuple[tuple[Edge, ...], ...]]:
        edge_of: dict[tuple[int, int], Edge] = {}

        def chain(way: Way) -> tuple[Edge, ...]:
            steps = list(pairwise(way))
            for source, target in steps:
                if (source, target) not in edge_of:
                    edge = self._edge(nevras[source], links[source][target][0], nevras[target])
                    edge_of[source, target] = edge
            edges = tuple(edge_of[step] for step in steps)
            return self._chains.setdefault(tuple(map(id, edges)), edges)

        ways = ways_to(links, roots, targets)
        return {target: tuple(map(chain, ways[target])) for target in targets}

    def _edge(self, source: Nevra, stated: Stated, target: Nevra) -> Edge:
        key = source, stated, target
        edge = self._edges.get(key)
        if edge is None:
            capability, kind = stated
            edge = self._edges[key] = Edge(source, capability, target, kind)
        return edge

    def _spare(
        self,
        after: SolvedSide,
        nevras: Sequence[Nevra],
        into: Iterable[tuple[int, int, tuple[Stated, ...]]],
    ) -> set[tuple[str, int]]:
        """Return capabilities, each with an added package without which it is satisfied too."""
        targets: dict[str, set[int]] = {}
        for _, target, stated in into:
            for capability, kind in stated:
                if kind != "supplements":
                    targets.setdefault(capability, set()).add(target)
        spare: set[tuple[str, int]] = set()
        for capability, several in targets.items():
            if len(several) > 1 and not is_rich(capability):
                spare.update((capability, target) for target in several)
            # A rich dependency may need several of them: `(a and b)`.
            for target in several if len(several) > 1 and is_rich(capability) else ():
                others = [p for p in after[1].packages if p.nevra != nevras[target]]
                if self._pool.met(*after[::2], others, [capability]):
                    spare.add((capability, target))
        return spare


def _usable(
    links: Sequence[Links],
    added: Collection[int],
    into: Sequence[tuple[int, int, tuple[Stated, ...]]],
) -> list[Links]:
    """Return the requirements that a chain may follow from each package to another.

    These are any to a package that both sides have, and those of `into` to an added one.
    """
    usable = list(links)
    for source in {source for source, _, _ in into}:
        steps = links[source].items()
        usable[source] = {
            **{target: stated for target, stated in steps if target not in added},
            **{target: stated for start, target, stated in into if start == source and stated},
        }
    return usable


def ways_to(
    links: Sequence[Collection[int]], roots: Sequence[int], targets: Collection[int]
) -> dict[int, tuple[Way, ...]]:
    """Return the shortest path to each of `targets` from each root that leads there, in root order.

    `links` are, by index, the packages one step away. Of equally short paths the first by index at
    each step is taken. A root has no path to itself. The search starts from the roots or from the
    targets, whichever are fewer.
    """
    if len(roots) < len(targets):
        return _forward(links, roots, targets)
    back: list[list[int]] = [[] for _ in links]
    for source, steps in enumerate(links):
        for target in steps:
            back[target].append(source)
    return {target: _backward(links, back, roots, target) for target in targets}


def _forward(
    links: Sequence[Collection[int]], roots: Sequence[int], targets: Collection[int]
) -> dict[int, tuple[Way, ...]]:
    ordered: list[Sequence[int] | None] = [None] * len(links)
    paths: dict[int, list[Way]] = {target: [] for target in targets}
    for root in roots:
        # The search visits packages in the order of their paths: the first step to one is of the
        # first path.
        before = {root: root}
        remaining = set(targets) - before.keys()
        todo = deque([root])
        while todo and remaining:
            source = todo.popleft()
            steps = ordered[source]
            if steps is None:
                steps = ordered[source] = sorted(links[source])
            for target in steps:
                if target not in before:
                    before[target] = source
                    remaining.discard(target)
                    todo.append(target)
        for target in paths.keys() & before.keys() - {root}:
            way = [target]
            while way[-1] != root:
                way.append(before[way[-1]])
            paths[target].append(tuple(reversed(way)))
    return {target: tuple(ways) for target, ways in paths.items()}


def _backward(
    links: Sequence[Collection[int]], back: Sequence[Sequence[int]], roots: Sequence[int], end: int
) -> tuple[Way, ...]:
    distances = {end: 0}
    todo = deque([end])
    while todo:
        target = todo.popleft()
        for source in back[target]:
            if source not in distances:
                distances[source] = distances[target] + 1
                todo.append(source)
    ways: list[Way] = []
    for root in roots:
        if root not in distances or root == end:
            continue
        way = [root]
        while way[-1] != end:
            nearer = distances[way[-1]] - 1
            way.append(min(step for step in links[way[-1]] if distances.get(step) == nearer))
        ways.append(tuple(way))
    return tuple(ways)
