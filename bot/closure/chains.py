"""How a requested package leads to another: shortest chains of edges."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from bot.model.closure import Closure, Edge
from bot.model.nevra import Nevra

Chain = tuple[Edge, ...]


class ChainFinder:
    """Answers for one closure, whose edges are sorted once."""

    def __init__(self, closure: Closure, edges: Iterable[Edge] | None = None) -> None:
        """`edges` are those that chains may have; all of the closure by default."""
        self._requested = sorted(closure.requested)
        self._from: dict[Nevra, list[Edge]] = {}
        self._to: dict[Nevra, list[Edge]] = {}
        listed = closure.edges if edges is None else edges
        for edge in sorted(listed, key=lambda e: (e.target, e.capability, e.kind)):
            self._from.setdefault(edge.source, []).append(edge)
            self._to.setdefault(edge.target, []).append(edge)

    def roots(self, nevra: Nevra) -> tuple[Nevra, ...]:
        """The requested packages that lead to a package; itself among them if it is requested."""
        distances = self._distances(nevra)
        return tuple(root for root in self._requested if root in distances)

    def chains(self, nevra: Nevra) -> tuple[Chain, ...]:
        """One shortest chain for each requested package that leads to `nevra`, by that package.

        Of equally short ones the first by NEVRA at each step, then by capability. A requested
        package needs no chain to itself.
        """
        distances = self._distances(nevra)
        return tuple(
            self._walk(root, nevra, distances)
            for root in self._requested
            if root in distances and root != nevra
        )

    def _distances(self, nevra: Nevra) -> dict[Nevra, int]:
        """How many edges each package that leads there is away."""
        distances = {nevra: 0}
        todo = deque([nevra])
        while todo:
            current = todo.popleft()
            for edge in self._to.get(current, ()):
                if edge.source not in distances:
                    distances[edge.source] = distances[current] + 1
                    todo.append(edge.source)
        return distances

    def _walk(self, root: Nevra, nevra: Nevra, distances: dict[Nevra, int]) -> Chain:
        chain: list[Edge] = []
        current = root
        while current != nevra:
            left = distances[current] - 1
            edge = next(e for e in self._from[current] if distances.get(e.target) == left)
            chain.append(edge)
            current = edge.target
        return tuple(chain)


def shortest_chains(closure: Closure, nevra: Nevra) -> tuple[Chain, ...]:
    """One shortest chain from each requested package that leads to `nevra` (see ChainFinder)."""
    return ChainFinder(closure).chains(nevra)
