"""The fewest requirements whose loss cuts every way from the requested packages to another."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Hashable, Iterable

from bot.closure.pool import Drop
from bot.model.closure import Edge
from bot.model.nevra import Nevra

_UNBOUNDED = 1 << 30
_START = ("start",)


def requirement_of(edge: Edge) -> Drop:
    """The requirement that makes an edge: a supplement is stated by the package it brings."""
    holder = edge.target if edge.kind == "supplements" else edge.source
    return Drop(holder, edge.capability)


def smallest_cut(
    edges: Collection[Edge], roots: Iterable[Nevra], target: Nevra, limit: int
) -> tuple[Drop, ...] | None:
    """The smallest set of requirements on every way, sorted; null if it has more than `limit`.

    Of several, the one closest to the target, which takes the least else away. A requirement that
    several packages satisfy counts as one (a vertex cut: Ford and Fulkerson, with unit capacities
    on requirements and none on packages).
    """
    flow = _Flow()
    for root in roots:
        if root == target:
            return None
        flow.connect(_START, root, _UNBOUNDED)
    for edge in edges:
        drop = requirement_of(edge)
        flow.connect(edge.source, ("in", drop), _UNBOUNDED)
        flow.connect(("in", drop), ("out", drop), 1)
        flow.connect(("out", drop), edge.target, _UNBOUNDED)
    for _ in range(limit + 1):
        if not flow.augment(_START, target):
            break
    else:
        return None
    near = flow.leading_to(target)
    drops = {requirement_of(edge) for edge in edges}
    return tuple(sorted(d for d in drops if ("out", d) in near and ("in", d) not in near))


class _Flow:
    """A residual graph; every connection has its opposite with what flows through it."""

    def __init__(self) -> None:
        self._residual: dict[Hashable, dict[Hashable, int]] = {}

    def connect(self, source: Hashable, target: Hashable, capacity: int) -> None:
        self._residual.setdefault(source, {}).setdefault(target, 0)
        self._residual[source][target] = max(self._residual[source][target], capacity)
        self._residual.setdefault(target, {}).setdefault(source, 0)

    def augment(self, start: Hashable, end: Hashable) -> bool:
        """Sends one more unit by a shortest way; false if there is none."""
        before: dict[Hashable, Hashable] = {start: start}
        todo = deque([start])
        while todo and end not in before:
            current = todo.popleft()
            for following, capacity in self._residual.get(current, {}).items():
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

    def leading_to(self, end: Hashable) -> set[Hashable]:
        """The nodes from which more could still flow to `end`."""
        into: dict[Hashable, list[Hashable]] = {}
        for source, targets in self._residual.items():
            for target, capacity in targets.items():
                if capacity > 0:
                    into.setdefault(target, []).append(source)
        found = {end}
        todo = [end]
        while todo:
            for source in into.get(todo.pop(), ()):
                if source not in found:
                    found.add(source)
                    todo.append(source)
        return found
