"""Graphs of images: what leaves with a package, and the ways to it, held against plain search."""

import itertools
from collections.abc import Iterable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bot.closure.graph import Leaving
from bot.model.closure import Link
from bot.model.nevra import Nevra
from bot.objectives.attribution import edges_of, graph_of, leaves_with, leaving, shortest_chains
from bot.store.history.values import Contents, Member

KINDS = ("requires", "recommends", "supplements")


def member(number: int, *, requested: bool = False, size: int | None = 1) -> Member:
    nevra = Nevra(f"p{number:02}", 0, "1", "1", "noarch")
    return Member(nevra, "s", "r", size, None, None, requested)


def link(source: int, target: int, capability: str = "c", kind: str = "requires") -> Link:
    return Link(source, capability, target, kind)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Member], list[Link]]:
    count = draw(st.integers(1, 9))
    places = st.integers(0, count - 1)
    members = [
        member(n, requested=draw(st.booleans()), size=draw(st.none() | st.integers(0, 100)))
        for n in range(count)
    ]
    some = st.builds(link, places, places, st.sampled_from("ab"), st.sampled_from(KINDS))
    return members, draw(st.lists(some, max_size=20))


def reached(roots: Iterable[Any], links: Iterable[Any], without: Any = None) -> set[Any]:
    """The ends of the links that lead on from `roots`, but for those over `without`."""
    found: set[Any] = set()
    todo = [root for root in roots if root != without]
    while todo:
        here = todo.pop()
        if here not in found:
            found.add(here)
            todo += [x.target for x in links if x.source == here and x.target != without]
    return found


def held(members: list[Member], links: list[Link]) -> set[int]:
    """What is there by itself: requested, required by nobody, or in a ring that nobody asks for."""
    everybody = range(len(members))
    roots = {n for n in everybody if members[n].requested}
    roots |= set(everybody) - {x.target for x in links}
    return roots | (set(everybody) - reached(roots, links))


@given(graphs())
def test_what_leaves_with_a_package_is_what_nothing_else_holds(made) -> None:
    members, links = made
    roots = held(members, links)
    for number, gone_with in enumerate(leaving(graph_of(Contents(members, links)), members)):
        gone = set(range(len(members))) - reached(roots, links, without=number)
        size = sum(members[n].installed_size or 0 for n in gone)
        assert gone_with == Leaving(len(gone), size)


@given(graphs())
def test_without_the_requirements_it_leaves_with_nothing_leads_to_a_package(made) -> None:
    members, links = made
    roots = held(members, links)
    graph = graph_of(Contents(members, links))
    for target in range(len(members)):
        drops = {(drop.nevra, drop.capability) for drop in leaves_with(graph, members, target)}
        assert bool(drops) == (target not in roots)

        def links_without(without: Iterable) -> list[Link]:
            return [x for x in links if of(x) not in without]

        def of(x: Link) -> tuple:
            return members[x.target if x.kind == "supplements" else x.source].nevra, x.capability

        if drops:
            assert target not in reached(roots, links_without(drops))
            assert all(target in reached(roots, links_without(drops - {drop})) for drop in drops)


@given(graphs())
def test_chains_are_the_shortest_way_from_each_requested_package(made) -> None:
    members, links = made
    graph = graph_of(Contents(members, links))
    for target in range(len(members)):
        chains = shortest_chains(graph, target)
        distances = {}
        for root in (n for n, m in enumerate(members) if m.requested and n != target):
            ring, steps = {root}, 0
            while target not in ring:
                wider = ring | {x.target for x in links if x.source in ring}
                if wider == ring:
                    break
                ring, steps = wider, steps + 1
            else:
                distances[root] = steps
        assert {chain[0].source: len(chain) for chain in chains} == distances
        assert [len(chain) for chain in chains] == sorted(distances.values())
        for chain in chains:
            assert chain[-1].target == target
            assert all(a.target == b.source for a, b in itertools.pairwise(chain))
            assert set(chain) <= set(links)
            assert [str(edge.source) for edge in edges_of(members, chain)] == [
                str(members[x.source].nevra) for x in chain
            ]


def test_of_equally_short_ways_the_first_by_name_is_named() -> None:
    members = [member(0, requested=True), member(1), member(2), member(3)]
    links = [link(0, 2), link(2, 3), link(0, 1, "z"), link(0, 1, "b"), link(1, 3)]
    ((first, second),) = graph_of(Contents(members, links)).chains(3)
    assert (first.target, first.capability, second.source) == (1, "b", 1)


def test_a_package_that_two_need_leaves_with_neither_but_with_whom_both_hang_on() -> None:
    #   0 -> 1 -> 3, 0 -> 2 -> 3 -> 4
    members = [member(n, requested=n == 0, size=10**n) for n in range(5)]
    links = [link(0, 1), link(0, 2), link(1, 3), link(2, 3), link(3, 4)]
    assert leaving(graph_of(Contents(members, links)), members) == (
        Leaving(5, 11111),
        Leaving(1, 10),
        Leaving(1, 100),
        Leaving(2, 11000),
        Leaving(1, 10000),
    )


def test_an_empty_image_has_no_graph() -> None:
    assert leaving(graph_of(Contents()), ()) == ()
