"""What an explained package's chain and lines say survives the counterfactual, by solving again."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.check.compare import Thresholds, compare
from bot.check.lines import Solving, explain
from bot.check.stated_lines import AddedDependency, overlay_with, overlay_without
from bot.closure.added import AddedChains
from bot.model.closure import ClosurePair
from bot.model.package import Dependency
from bot.model.spec import SpecLine
from tests.closure.conftest import overlay, package, random_pool, request

NAMES = ("a", "b", "c", "d", "e", "f")


@settings(max_examples=60)
@given(
    st.lists(st.lists(st.sampled_from(NAMES), max_size=2, unique=True), min_size=6, max_size=6),
    st.lists(st.lists(st.sampled_from("xy"), max_size=2, unique=True), min_size=6, max_size=6),
    st.lists(
        st.sampled_from((*NAMES, *"xyz", "(b if a)", "(c and d)", "(x or e)")),
        min_size=1,
        max_size=3,
        unique=True,
    ),
    st.sampled_from(NAMES),
)
# Two lines that each bring b; and one that another package's requirement takes up.
@example([["b"], [], [], [], [], []], [[]] * 6, ["a", "b"], "c")
@example([["b"], ["x"], [], [], [], []], [[], [], [], ["x"], [], []], ["a", "d"], "c")
def test_a_chains_new_requirement_brings_the_package_and_without_it_the_package_is_not_there(
    tmp_path_factory, needs, provides, new, requested
):
    """Or the result says that more is needed: other lines, alone or together, or another way."""
    pool = random_pool(tmp_path_factory.mktemp("lines"), needs, provides, requested)
    old = overlay(package("app-0:1-1.x86_64", "app", requires=[requested]))
    head = overlay(package("app-0:1-2.x86_64", "app", requires=[requested, *new]))
    own = head.packages[0].nevra
    lines = {c: SpecLine("app.spec", n, f"Requires: {c}") for n, c in enumerate(new)}
    changes = tuple(
        AddedDependency(own, Dependency("requires", c), line)
        for c, line in lines.items()
        if c != requested
    )
    wanted = request("app")
    before = wanted, pool.solve(wanted, old), old

    def without(lines):
        return pool.solve(wanted, overlay_without(head, changes, lines))

    def only(line):
        return pool.solve(wanted, overlay_with(old, changes, line))

    def ways(lines):
        chains = AddedChains(pool).find(
            before, (wanted, without(lines), overlay_without(head, changes, lines))
        )
        return {(n.name, n.arch): min(c, key=len) for n, c in chains.items() if c}

    pair = ClosurePair(before[1], pool.solve(wanted, head), "predicted")
    assert pair.base.status == pair.head.status == "ok"
    chains = AddedChains(pool).find(before, (wanted, pair.head, head))
    image = compare(pair, Thresholds(), chains)
    explained = explain(image, pair.head, changes, Solving(without, only, ways)).image

    def has(closure, added):
        return closure.status == "ok" and added.package.nevra in {p.nevra for p in closure.packages}

    had = {p.nevra for p in pair.base.packages}
    for added in explained.added:
        for chain in added.chains:
            entry = next(edge for edge in chain if edge.target not in had)
            line = lines[entry.capability]
            more = {*added.leaves_with, *added.alternatives, *added.together_with} - {line}
            assert has(only(line), added) or more or added.stays_by
            assert not has(without(frozenset([line])), added) or more or added.stays_by
        if added.spec is not None and not added.together_with:
            assert has(only(added.spec), added)
        if added.leaves_with:
            assert not has(without(frozenset(added.leaves_with)), added)
            for line in added.leaves_with if len(added.leaves_with) > 1 else ():
                assert has(without(frozenset(added.leaves_with) - {line}), added)
        for line in added.alternatives:
            assert has(only(line), added)
