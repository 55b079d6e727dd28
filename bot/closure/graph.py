"""The graph of an image's packages: paths to a package, what leaves with it, what takes it out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from itertools import islice
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from bot.model.closure import Closure, Edge
from bot.model.nevra import Nevra

# A package: its NEVRA in a closure, or its index among the members of an image in history.
N = TypeVar("N", Nevra, int)
_UNBOUNDED = 1 << 30


class _Edge(Protocol):
    """`source` requires `capability`, which `target` provides."""

    @property
    def source(self) -> Any: ...
    @property
    def capability(self) -> str: ...
    @property
    def target(self) -> Any: ...
    @property
    def kind(self) -> str: ...


E = TypeVar("E", bound=_Edge)


class Leaving(NamedTuple):
    """The number of packages that would leave with one, itself included, and their bytes."""

    packages: int
    installed_size: int


def holder(edge: _Edge) -> Any:
    """Return the package that states an edge's requirement: a supplement is its target's."""
    return edge.target if edge.kind == "supplements" else edge.source


def closure_graph(
    closure: Closure, edges: Iterable[Edge] | None = None
) -> PackageGraph[Nevra, Edge]:
    """Return the graph of a closure, or of `edges`, a subset of its edges."""
    return PackageGraph(sorted(closure.requested), closure.edges if edges is None else edges)


class PackageGraph(Generic[N, E]):
    """Packages and the edges between them; `roots` are the requested ones.

    `packages` are all of them, for those that have no edge.
    """

    def __init__(self, roots: Iterable[N], edges: Iterable[E], packages: Iterable[N] = ()) -> None:
        self.roots: tuple[N, ...] = tuple(roots)
        self._packages: tuple[N, ...] = tuple(packages)
        self._from: dict[N, list[E]] = {}
        self._to: dict[N, list[E]] = {}
        for edge in edges:
            self._from.setdefault(edge.source, []).append(edge)
            self._to.setdefault(edge.target, []).append(edge)

    def met_by(self, source: N, capability: str) -> tuple[N, ...]:
        """Return the packages that satisfy this requirement of a package."""
        return tuple(x.target for x in self._from.get(source, ()) if x.capability == capability)

    # -- ways -----------------------------------------------------------------------------------

    def roots_of(self, target: N) -> tuple[N, ...]:
        """Return the requested packages that lead to a package, which may be one itself."""
        distances = self._distances(target)
        return tuple(root for root in self.roots if root in distances)

    def chains(self, target: N) -> tuple[tuple[E, ...], ...]:
        """Return one shortest chain for each requested package that leads to `target`, in order.

        Of equally short chains the first by package at each step, then by capability, is taken. A
        requested package has no chain to itself.
        """
        distances = self._distances(target)
        return tuple(
            self._walk(root, target, distances)
            for root in self.roots
            if root in distances and root != target
        )

    def _distances(self, target: N) -> dict[N, int]:
        """Return for each package that leads to `target` the number of edges between them."""
        distances = {target: 0}
        todo = deque([target])
        while todo:
            current = todo.popleft()
            for edge in self._to.get(current, ()):
                if edge.source not in distances:
                    distances[edge.source] = distances[current] + 1
                    todo.append(edge.source)
        return distances

    def _walk(self, root: N, target: N, distances: Mapping[N, int]) -> tuple[E, ...]:
        chain: list[E] = []
        current = root
        while current != target:
            distance = distances[current] - 1
            nearer = (x for x in self._from[current] if distances.get(x.target) == distance)
            chain.append(min(nearer, key=lambda x: (x.target, x.capability, x.kind)))
            current = chain[-1].target
        return tuple(chain)

    # -- what takes a package out -----------------------------------------------------------------

    def cut(self, target: N, roots: Iterable[N], limit: int) -> tuple[tuple[N, str], ...]:
        """Return a minimum cut: the fewest requirements on all paths from `roots` to `target`.

        They are holders and capabilities, sorted. It is empty if there is no path, if the target is
        a root, or if there are more than `limit`. Of several minimum cuts it is the one closest to
        the target, which removes least else. A requirement that several packages satisfy counts as
        one (a vertex cut: Ford and Fulkerson, with unit capacities on requirements and none on
        packages).
        """
        near = self._distances(target)
        starts = [root for root in roots if root in near]
        if target in starts:
            return ()
        flow = _Flow()
        start, end = flow.node(), flow.node()
        nodes = {package: end if package == target else flow.node() for package in near}
        for root in starts:
            flow.connect(start, nodes[root], _UNBOUNDED)
        # A requirement is a pair of nodes with capacity 1 between them.
        requirements: dict[tuple[N, str], tuple[int, int]] = {}
        for edge in (edge for package in near for edge in self._to.get(package, ())):
            stated = holder(edge), edge.capability
            if stated not in requirements:
                requirements[stated] = flow.node(), flow.node()
                flow.connect(*requirements[stated], 1)
            inside, outside = requirements[stated]
            flow.connect(nodes[edge.source], inside, _UNBOUNDED)
            flow.connect(outside, nodes[edge.target], _UNBOUNDED)
        if sum(1 for _ in islice(flow.augmented(start, end), limit + 1)) > limit:
            return ()
        sink_side = flow.leading_to(end)
        return tuple(
            sorted(stated for stated, (inside, outside) in requirements.items()
                   if outside in sink_side and inside not in sink_side)
        )  # fmt: skip

    # -- what leaves with a package ---------------------------------------------------------------

    def _dominators(self) -> tuple[list[N], dict[int, int]]:
        """Return the packages in postorder, and the number of each one's immediate dominator.

        The graph has one root above all, with the highest number, that requires what is requested
        and what nothing requires (Cooper, Harvey, Kennedy: A Simple, Fast Dominance Algorithm).
        """
        order = self._postorder(self.all_roots)
        nodes: list[N] = list(order)
        count = len(nodes)
        sources = [[order[x.source] for x in self._to.get(node, ())] for node in nodes]
        # Packages are represented by their numbers in the order; the root above all has the
        # highest.
        above = {count: count}
        changed = True
        while changed:
            changed = False
            for number in range(count - 1, -1, -1):
                candidates = [n for n in sources[number] if n in above]
                candidates += [count] if nodes[number] in self.all_roots else []
                best = candidates[0]
                for candidate in candidates[1:]:
                    best = _common(best, candidate, above)
                if above.get(number) != best:
                    above[number] = best
                    changed = True
        return nodes, above

    def leaving(self, sizes: Mapping[N, int]) -> dict[N, Leaving]:
        """Return the packages that would leave with each: all that are reached only through it.

        `sizes` are bytes.
        """
        nodes: list[N]
        nodes, above = self._dominators()
        count = len(nodes)
        packages = [1] * (count + 1)
        bytes_ = [*map(sizes.__getitem__, nodes), 0]
        for number in range(count):
            packages[above[number]] += packages[number]
            bytes_[above[number]] += bytes_[number]
        return {node: Leaving(packages[n], bytes_[n]) for n, node in enumerate(nodes)}

    def holders(self) -> dict[N, N | None]:
        """Return the nearest package without which each would leave; None where there is none."""
        order, above = self._dominators()
        numbers = range(len(order))
        return {order[n]: order[above[n]] if above[n] in numbers else None for n in numbers}

    def reached(self, roots: Iterable[N]) -> frozenset[N]:
        """Return the packages that some packages require transitively, themselves included."""
        return frozenset(self._postorder(roots))

    @cached_property
    def all_roots(self) -> frozenset[N]:
        """The requested packages, those that nothing requires, and those of cycles that none of
        these reaches.
        """
        packages = set(self._packages).union(self.roots, self._from, self._to)
        roots = packages.difference(self._to).union(self.roots)
        # Packages in a cycle that no root reaches count as roots as well.
        return frozenset(roots.union(packages.difference(self._postorder(roots))))

    def _postorder(self, roots: Iterable[N]) -> dict[N, int]:
        """Return the postorder numbers of the packages that these roots reach."""
        order: dict[N, int] = {}
        visited: set[N] = set()
        for root in sorted(roots):
            if root in visited:
                continue
            visited.add(root)
            path: list[tuple[N, Iterator[E]]] = [(root, iter(self._from.get(root, ())))]
            while path:
                node, edges = path[-1]
                edge = next((x for x in edges if x.target not in visited), None)
                if edge is None:
                    path.pop()
                    order[node] = len(order)
                else:
                    visited.add(edge.target)
                    path.append((edge.target, iter(self._from.get(edge.target, ()))))
        return order


def _common(first: int, second: int, above: Mapping[int, int]) -> int:
    while first != second:
        while first < second:
            first = above[first]
        while second < first:
            second = above[second]
    return first


class _Flow:
    """A residual graph; every connection has an opposite one with the flow through it."""

    def __init__(self) -> None:
        self._residual: list[dict[int, int]] = []

    def node(self) -> int:
        """Add a node without connections."""
        self._residual.append({})
        return len(self._residual) - 1

    def connect(self, source: int, target: int, capacity: int) -> None:
        """Add a connection with this capacity."""
        self._residual[source][target] = max(self._residual[source].get(target, 0), capacity)
        self._residual[target].setdefault(source, 0)

    def augmented(self, start: int, end: int) -> Iterator[None]:
        """Send one more unit along a shortest path each time, until there is none."""
        while (before := self._reached(start, end)) is not None:
            node = end
            while node != start:
                self._residual[before[node]][node] -= 1
                self._residual[node][before[node]] += 1
                node = before[node]
            yield

    def _reached(self, start: int, end: int) -> dict[int, int] | None:
        """Return the node before each one on shortest paths; None if `end` is cut off."""
        before: dict[int, int] = {start: start}
        todo = deque([start])
        while todo and end not in before:
            current = todo.popleft()
            for following, capacity in self._residual[current].items():
                if capacity > 0 and following not in before:
                    before[following] = current
                    todo.append(following)
        return before if end in before else None

    def leading_to(self, end: int) -> set[int]:
        """Return the nodes from which more could still flow to `end`."""
        into: list[list[int]] = [[] for _ in self._residual]
        for source, targets in enumerate(self._residual):
            for target, capacity in targets.items():
                if capacity > 0:
                    into[target].append(source)
        nodes = {end}
        todo = [end]
        while todo:
            for source in into[todo.pop()]:
                if source not in nodes:
                    nodes.add(source)
                    todo.append(source)
        return nodes
