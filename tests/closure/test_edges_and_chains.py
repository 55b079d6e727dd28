"""Edges, chains and sums of a closure."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.closure.added import ways_to
from bot.closure.graph import PackageGraph, closure_graph
from bot.closure.packages import totals
from bot.model.closure import Closure, Link
from bot.model.nevra import parse_nevra
from bot.model.package import Package


def edges(closure):
    return [(e.source.name, e.capability, e.target.name) for e in closure.edges]


def test_every_requirement_that_a_package_satisfies_is_an_edge(tiny, h):
    base = tiny.repository()
    base.package(
        "top-0:1-1.noarch",
        pre=["shell"],
        requires=["lib >= 1:1", "libx.so()(64bit)", "shell", "/usr/bin/sh", "top = 1"],
    )
    base.package("lib-1:2-1.noarch", provides=["libx.so()(64bit)"])
    base.package("bash-0:1-1.noarch", provides=["shell"], files=["/usr/bin/sh"])
    assert edges(tiny.pool(base).solve(h.request("top"))) == [
        ("top", "/usr/bin/sh", "bash"),
        ("top", "lib >= 1:1", "lib"),
        ("top", "libx.so()(64bit)", "lib"),
        ("top", "shell", "bash"),
    ]


RICH = {
    "(one or two)": ["one"],
    "(one and two)": ["one", "two"],
    "(one if two)": [],
    "(one if three else two)": ["one", "three"],
    "(one unless two)": ["one"],
    "(three unless one)": ["three"],
    "(any with one)": ["one"],
    "(any without one)": ["two"],
    "((one and three) or two)": None,
    "(nosuch or (two and three))": ["three", "two"],
    "(libx.so()(64bit) or one)": None,
}


@pytest.mark.parametrize(("capability", "targets"), RICH.items())
def test_a_rich_dependency_points_to_what_makes_it_true(tiny, h, capability, targets):
    base = tiny.repository().package("top-0:1-1.noarch", requires=[capability])
    base.package("one-0:1-1.noarch", provides=["any"]).package("two-0:1-1.noarch", provides=["any"])
    base.package("three-0:1-1.noarch", provides=["libx.so()(64bit)"])
    closure = tiny.pool(base).solve(h.request("top"))
    edges_ = edges(closure)
    assert {(source, text) for source, text, _ in edges_} <= {("top", capability)}
    names = sorted(p.nevra.name for p in closure.packages if p.nevra.name != "top")
    # Nothing is in this closure but for the rich dependency.
    assert [target for _, _, target in edges_] == names
    if targets is not None:
        assert names == targets


@pytest.fixture
def diamond(tiny, h):
    """a -> b -> d, a -> c -> d, z -> c; d and b require each other; a and z are asked for."""
    base = tiny.repository()
    base.package("a-0:1-1.noarch", requires=["b", "c"]).package("b-0:1-1.noarch", requires=["d"])
    base.package("c-0:1-1.noarch", requires=["d"]).package("d-0:1-1.noarch", requires=["b"])
    base.package("z-0:1-1.noarch", requires=["c"])
    return tiny.pool(base).solve(h.request("a", "z"))


def test_one_shortest_chain_from_each_requested_package_that_leads_there(diamond):
    paths = closure_graph(diamond).chains(parse_nevra("d-0:1-1.noarch"))
    assert [[(e.source.name, e.target.name) for e in chain] for chain in paths] == [
        [("a", "b"), ("b", "d")],
        [("z", "c"), ("c", "d")],
    ]


def test_no_chain_leads_to_what_is_requested_alone_or_not_there(diamond):
    assert closure_graph(diamond).chains(parse_nevra("z-0:1-1.noarch")) == ()
    assert closure_graph(diamond).chains(parse_nevra("q-0:1-1.noarch")) == ()


def test_a_sum_with_an_unknown_part_is_not_known(diamond):
    known = totals(diamond)
    assert (known.packages, known.installed_size, known.known_size) == (5, 5000, 5000)
    assert (known.download_size, known.installed_size_nodocs) == (2500, None)
    unknown = Package(parse_nevra("q-0:1-1.noarch"), "q", "overlay")
    closure = Closure(diamond.key, diamond.snapshot, "ok", (*diamond.packages, unknown))
    assert (totals(closure).installed_size, totals(closure).known_size) == (None, 5000)


_NODES = st.integers(0, 7)
_LINKS = st.lists(st.builds(Link, _NODES, st.just("x"), _NODES, st.just("requires")), max_size=30)


@given(_LINKS, st.sets(_NODES, max_size=8), st.sets(_NODES, min_size=1))
def test_the_ways_to_several_packages_are_the_chains_to_each(links, roots, targets):
    graph = PackageGraph(sorted(roots), links)
    chains = {target: graph.chains(target) for target in targets}
    ways = ways_to(
        [{x.target for x in links if x.source == n} for n in range(8)], sorted(roots), targets
    )
    assert {target: [list(pairwise(way)) for way in each] for target, each in ways.items()} == {
        target: [[(x.source, x.target) for x in chain] for chain in each]
        for target, each in chains.items()
    }
