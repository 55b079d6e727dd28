"""The graph of an image in history, whose packages are places among its members."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from bot.closure.graph import Leaving, PackageGraph
from bot.closure.why import MOST_REQUIREMENTS
from bot.model.closure import Edge, EdgeKind, Requirement
from bot.store.history.values import Contents, Evaluated, Link, Member

Graph = PackageGraph[int, Link]


def graph_of(contents: Contents | Evaluated) -> Graph:
    """The links among an image's members."""
    requested = (i for i, member in enumerate(contents.members) if member.requested)
    return PackageGraph(requested, contents.links, range(len(contents.members)))


def shortest_chains(graph: Graph, place: int) -> tuple[tuple[Link, ...], ...]:
    """One shortest chain from each requested package that leads to a member, shortest first."""
    return tuple(sorted(graph.chains(place), key=len))


def edges_of(members: Sequence[Member], chain: Iterable[Link]) -> tuple[Edge, ...]:
    """A chain of links as edges."""
    return tuple(
        Edge(
            members[link.source].nevra,
            link.capability,
            members[link.target].nevra,
            cast(EdgeKind, link.kind),
        )
        for link in chain
    )


def leaves_with(graph: Graph, members: Sequence[Member], place: int) -> tuple[Requirement, ...]:
    """The smallest set of requirements without which nothing leads to a member, sorted.

    By the image's own links: packages that a solver would add instead do not count.
    Empty if the package is there by itself, or if the set is beyond what people would take out.
    """
    cut = graph.cut(place, graph.held, MOST_REQUIREMENTS)
    return tuple(Requirement(members[stated].nevra, capability) for stated, capability in cut)


def leaving(graph: Graph, members: Sequence[Member]) -> tuple[Leaving, ...]:
    """The packages that would leave with each member, by the image's own links."""
    found = graph.leaving({i: member.installed_size or 0 for i, member in enumerate(members)})
    return tuple(found[i] for i in range(len(members)))
