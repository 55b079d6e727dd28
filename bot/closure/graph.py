"""The graph of an image's packages: ways to one, what would leave with it, what takes it out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from itertools import islice
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from bot.model.closure import Closure, Edge
from bot.model.nevra import Nevra

# A package: its NEVRA in a closure, its place among the members of an image in history.
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
    """The packages that would leave with one, itself included, and their bytes."""

    packages: int
    installed_size: int


def holder(edge: _Edge) -> Any:
    """The package that states an edge's requirement: a supplement is stated by what it brings."""
    return edge.target if edge.kind == "supplements" else edge.source


def closure_graph(
    closure: Closure, edges: Iterable[Edge] | None = None
) -> PackageGraph[Nevra, Edge]:
    """The graph of a closure; with `edges`, of these of its edges alone."""
    return PackageGraph(sorted(closure.requested), closure.edges if edges is None else edges)


class PackageGraph(Generic[N, E]):
    """Packages and the edges between them; `roots` are those that are requested.

    `packages` are all of them, where some may have no edge.
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
        """The packages that satisfy this requirement of a package."""
        return tuple(x.target for x in self._from.get(source, ()) if x.capability == capability)

    # -- ways -----------------------------------------------------------------------------------

    def roots_of(self, target: N) -> tuple[N, ...]:
        """The requested packages that lead to a package; itself among them if it is requested."""
        distances = self._distances(target)
        return tuple(root for root in self.roots if root in distances)

    def chains(self, target: N) -> tuple[tuple[E, ...], ...]:
        """One shortest chain for each requested package that leads to `target`, in their order.

        Of equally short ones the first by package at each step, then by capability. A requested
        package needs no chain to itself.
        """
        distances = self._distances(target)
        return tuple(
            self._walk(root, target, distances)
            for root in self.roots
            if root in distances and root != target
        )

    def _distances(self, target: N) -> dict[N, int]:
        """How many edges each package that leads there is away."""
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
            left = distances[current] - 1
            nearer = (x for x in self._from[current] if distances.get(x.target) == left)
            chain.append(min(nearer, key=lambda x: (x.target, x.capability, x.kind)))
            current = chain[-1].target
        return tuple(chain)

    # -- what takes a package out -----------------------------------------------------------------

    def cut(self, target: N, roots: Iterable[N], limit: int) -> tuple[tuple[N, str], ...]:
        """The fewest requirements on every way from `roots` to `target`: holders and capabilities.

        Sorted. Empty if there is no way, if the target is a root, or if there are more than
        `limit`. Of several such sets the one closest to the target, which takes the least else
        away. A
        requirement that several packages satisfy counts as one (a vertex cut: Ford and Fulkerson,
        with unit capacities on requirements and none on packages).
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
        # A requirement is a pair of nodes, and what flows between them is 0 or 1.
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
        left = flow.leading_to(end)
        return tuple(
            sorted(stated for stated, (inside, outside) in requirements.items()
                   if outside in left and inside not in left)
        )  # fmt: skip

    # -- what leaves with a package ---------------------------------------------------------------

    def _dominators(self) -> tuple[list[N], dict[int, int]]:
        """The packages in the order of a walk's returning, and the number of each one's dominator.

        Of the graph below one root, whose number is the highest: it requires what is requested, and
        what nobody requires (Cooper, Harvey, Kennedy: A Simple, Fast Dominance Algorithm).
        """
        order = self._postorder(self.held)
        nodes: list[N] = list(order)
        count = len(nodes)
        sources = [[order[x.source] for x in self._to.get(node, ())] for node in nodes]
        # The numbers of the order stand for the packages; the root above all has the highest.
        above = {count: count}
        moved = True
        while moved:
            moved = False
            for number in range(count - 1, -1, -1):
                known = [n for n in sources[number] if n in above]
                known += [count] if nodes[number] in self.held else []
                best = known[0]
                for other in known[1:]:
                    best = _common(best, other, above)
                if above.get(number) != best:
                    above[number] = best
                    moved = True
        return nodes, above

    def leaving(self, sizes: Mapping[N, int]) -> dict[N, Leaving]:
        """The packages that would leave with each: all that are reached through it alone.

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
        """The nearest package without which each would leave; null where there is none."""
        order, above = self._dominators()
        numbers = range(len(order))
        return {order[n]: order[above[n]] if above[n] in numbers else None for n in numbers}

    def reached(self, roots: Iterable[N]) -> frozenset[N]:
        """The packages that some lead to by requirements, themselves included."""
        return frozenset(self._postorder(roots))

    @cached_property
    def held(self) -> frozenset[N]:
        """The requested packages, and those that nothing requested leads to."""
        packages = set(self._packages).union(self.roots, self._from, self._to)
        roots = packages.difference(self._to).union(self.roots)
        # What lies in a ring that no root reaches hangs on the root as well.
        return frozenset(roots.union(packages.difference(self._postorder(roots))))

    def _postorder(self, roots: Iterable[N]) -> dict[N, int]:
        """Numbers of the packages in order of a walk's returning from them."""
        order: dict[N, int] = {}
        seen: set[N] = set()
        for root in sorted(roots):
            if root in seen:
                continue
            seen.add(root)
            path: list[tuple[N, Iterator[E]]] = [(root, iter(self._from.get(root, ())))]
            while path:
                node, edges = path[-1]
                edge = next((x for x in edges if x.target not in seen), None)
                if edge is None:
                    path.pop()
                    order[node] = len(order)
                else:
                    seen.add(edge.target)
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
    """A residual graph; every connection has its opposite with what flows through it."""

    def __init__(self) -> None:
        self._residual: list[dict[int, int]] = []

    def node(self) -> int:
        """A new node, without connections."""
        self._residual.append({})
        return len(self._residual) - 1

    def connect(self, source: int, target: int, capacity: int) -> None:
        """Let `capacity` flow from `source` to `target`."""
        self._residual[source][target] = max(self._residual[source].get(target, 0), capacity)
        self._residual[target].setdefault(source, 0)

    def augmented(self, start: int, end: int) -> Iterator[None]:
        """Send one more unit by a shortest way each time, until there is none."""
        while (before := self._reached(start, end)) is not None:
            node = end
            while node != start:
                self._residual[before[node]][node] -= 1
                self._residual[node][before[node]] += 1
                node = before[node]
            yield

    def _reached(self, start: int, end: int) -> dict[int, int] | None:
        """The node before each one on the shortest ways from `start`; null if `end` is cut off."""
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
        """The nodes from which more could still flow to `end`."""
        into: list[list[int]] = [[] for _ in self._residual]
        for source, targets in enumerate(self._residual):
            for target, capacity in targets.items():
                if capacity > 0:
                    into[target].append(source)
        found = {end}
        todo = [end]
        while todo:
            for source in into[todo.pop()]:
                if source not in found:
                    found.add(source)
                    todo.append(source)
        return found
