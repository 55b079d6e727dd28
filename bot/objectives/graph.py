"""The graph of an image's packages: ways to a package, and what would leave with it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

from bot.closure.minimum_cut import minimum_cut
from bot.closure.pool import Drop
from bot.closure.why import MOST_REQUIREMENTS
from bot.model.closure import Edge, EdgeKind
from bot.store.history.values import Link, Member

Chain = tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Leaving:
    """The packages that would leave with one, itself included, as the image's own links have it."""

    packages: int
    installed_size: int


class Graph:
    """The links among an image's members; a member is its place in the sorted tuple."""

    def __init__(self, members: Sequence[Member], links: Sequence[Link]) -> None:
        self.members = members
        self.roots = [i for i, member in enumerate(members) if member.requested]
        self._from: list[list[Link]] = [[] for _ in members]
        self._to: list[list[Link]] = [[] for _ in members]
        for link in links:
            self._from[link.source].append(link)
            self._to[link.target].append(link)

    def met_by(self, source: int, capability: str) -> tuple[int, ...]:
        """The members that satisfy this requirement of a member."""
        return tuple(x.target for x in self._from[source] if x.capability == capability)

    def chains(self, target: int) -> tuple[Chain, ...]:
        """One shortest way from each requested package that leads to `target`, shortest first.

        Of equally short ones the first by NEVRA at each step. A requested package has no way to
        itself.
        """
        distances = {target: 0}
        todo = deque([target])
        while todo:
            current = todo.popleft()
            for link in self._to[current]:
                if link.source not in distances:
                    distances[link.source] = distances[current] + 1
                    todo.append(link.source)
        found = [
            self._walk(root, target, distances)
            for root in self.roots
            if root in distances and root != target
        ]
        return tuple(sorted(found, key=len))

    def _walk(self, root: int, target: int, distances: Mapping[int, int]) -> Chain:
        chain: list[Link] = []
        current = root
        while current != target:
            left = distances[current] - 1
            link = min(
                (x for x in self._from[current] if distances.get(x.target) == left),
                key=_by_target,
            )
            chain.append(link)
            current = link.target
        return tuple(chain)

    def edges(self, chain: Chain) -> tuple[Mapping[str, str], ...]:
        """A chain as CONTRACT writes it."""
        return tuple(
            {
                "from": str(self.members[link.source].nevra),
                "capability": link.capability,
                "to": str(self.members[link.target].nevra),
                "kind": link.kind,
            }
            for link in chain
        )

    def leaves_with(self, target: int) -> tuple[Drop, ...]:
        """The smallest set of requirements without which nothing here leads to `target`, sorted.

        By the image's own links: packages that a solver would add instead do not count.
        Empty if the package is there by itself, or if the set is beyond what people would take out.
        """
        near, todo = {target}, [target]
        while todo:
            for link in self._to[todo.pop()]:
                if link.source not in near:
                    near.add(link.source)
                    todo.append(link.source)
        roots = near & self._held
        if not roots:
            return ()
        nevras = [member.nevra for member in self.members]
        edges = [
            Edge(nevras[x.source], x.capability, nevras[x.target], cast(EdgeKind, x.kind))
            for place in sorted(near)
            for x in self._to[place]
        ]
        found = minimum_cut(
            edges, [nevras[root] for root in sorted(roots)], nevras[target], MOST_REQUIREMENTS
        )
        return found or ()

    def leaving(self) -> tuple[Leaving, ...]:
        """The packages that would leave with each member: all that are reached through it alone.

        These are the dominators of the graph below one root that requires what is requested, and
        what nobody requires (Cooper, Harvey, Kennedy: A Simple, Fast Dominance Algorithm).
        """
        count = len(self.members)
        roots = self._held
        order = self._postorder(roots)
        top = count
        order[top] = count
        above: dict[int, int] = {top: top}
        moved = True
        while moved:
            moved = False
            for node in sorted(range(count), key=lambda n: -order[n]):
                sources = [link.source for link in self._to[node] if link.source in above]
                sources += [top] if node in roots else []
                best = sources[0]
                for other in sources[1:]:
                    best = _common(best, other, above, order)
                if above.get(node) != best:
                    above[node] = best
                    moved = True
        packages, sizes = [1] * (count + 1), [m.installed_size or 0 for m in self.members] + [0]
        for node in sorted(range(count), key=order.__getitem__):
            packages[above[node]] += packages[node]
            sizes[above[node]] += sizes[node]
        return tuple(Leaving(packages[i], sizes[i]) for i in range(count))

    @cached_property
    def _held(self) -> set[int]:
        """The roots: requested packages, and those that nothing requested leads to."""
        count = len(self.members)
        roots = set(self.roots) | {i for i in range(count) if not self._to[i]}
        order = self._postorder(roots)
        # What lies in a ring that no root reaches hangs on the root as well.
        return roots | {i for i in range(count) if i not in order}

    def _postorder(self, roots: set[int]) -> dict[int, int]:
        """Numbers of the members in order of a walk's returning from them."""
        order: dict[int, int] = {}
        seen: set[int] = set()
        for root in sorted(roots):
            if root in seen:
                continue
            seen.add(root)
            path = [(root, iter(self._from[root]))]
            while path:
                node, links = path[-1]
                link = next((x for x in links if x.target not in seen), None)
                if link is None:
                    path.pop()
                    order[node] = len(order)
                else:
                    seen.add(link.target)
                    path.append((link.target, iter(self._from[link.target])))
        return order


def _by_target(link: Link) -> tuple[int, str, str]:
    return link.target, link.capability, link.kind


def _common(first: int, second: int, above: Mapping[int, int], order: Mapping[int, int]) -> int:
    while first != second:
        while order[first] < order[second]:
            first = above[first]
        while order[second] < order[first]:
            second = above[second]
    return first
