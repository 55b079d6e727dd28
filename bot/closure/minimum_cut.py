"""The fewest requirements whose loss cuts every way from the requested packages to another."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable

from bot.closure.pool import Drop
from bot.model.closure import Edge
from bot.model.nevra import Nevra

_UNBOUNDED = 1 << 30


def requirement_of(edge: Edge) -> Drop:
    """The requirement that makes an edge: a supplement is stated by the package it brings."""
    holder = edge.target if edge.kind == "supplements" else edge.source
    return Drop(holder, edge.capability)


def minimum_cut(
    edges: Collection[Edge], roots: Iterable[Nevra], target: Nevra, limit: int
) -> tuple[Drop, ...] | None:
    """The smallest set of requirements on every way, sorted; null if it has more than `limit`.

    Of several, the one closest to the target, which takes the least else away. A requirement that
    several packages satisfy counts as one (a vertex cut: Ford and Fulkerson, with unit capacities
    on requirements and none on packages).
    """
    flow = _Flow()
    start, end = flow.node(), flow.node()
    packages = {target: end}
    for root in roots:
        if root == target:
            return None
        packages[root] = flow.node()
        flow.connect(start, packages[root], _UNBOUNDED)
    # A requirement is a pair of nodes, and what flows between them is 0 or 1.
    drops: dict[Drop, tuple[int, int]] = {}
    for edge in edges:
        drop = requirement_of(edge)
        if drop not in drops:
            drops[drop] = inside, outside = flow.node(), flow.node()
            flow.connect(inside, outside, 1)
        inside, outside = drops[drop]
        for package in (edge.source, edge.target):
            if package not in packages:
                packages[package] = flow.node()
        flow.connect(packages[edge.source], inside, _UNBOUNDED)
        flow.connect(outside, packages[edge.target], _UNBOUNDED)
    for _ in range(limit + 1):
        if not flow.augment(start, end):
            break
    else:
        return None
    near = flow.leading_to(end)
    return tuple(sorted(d for d, (inside, outside) in drops.items()
                        if outside in near and inside not in near))  # fmt: skip


class _Flow:
    """A residual graph; every connection has its opposite with what flows through it."""

    def __init__(self) -> None:
        self._residual: list[dict[int, int]] = []

    def node(self) -> int:
        """A new node, without connections."""
        self._residual.append({})
        return len(self._residual) - 1

    def connect(self, source: int, target: int, capacity: int) -> None:
        self._residual[source][target] = max(self._residual[source].get(target, 0), capacity)
        self._residual[target].setdefault(source, 0)

    def augment(self, start: int, end: int) -> bool:
        """Sends one more unit by a shortest way; false if there is none."""
        before: dict[int, int] = {start: start}
        todo = deque([start])
        while todo and end not in before:
            current = todo.popleft()
            for following, capacity in self._residual[current].items():
                if capacity > 0 and following not in before:
                    before[following] = current
                    todo.append(following)
        if end not in before:
            return False
        node = end
        while node != start:
            self._residual[before[node]][node] -= 1
            self._residual[node][before[node]] += 1
            node = before[node]
        return True

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
