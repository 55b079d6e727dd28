"""Parts that were solved before: the same answer whatever the variables are called."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from bot.advice import solved_parts
from bot.advice.maxsat import cheapest
from bot.advice.solved_parts import Answered, Renamed, SolvedParts

LITERAL = st.integers(-6, 6).filter(bool)
CLAUSES = st.lists(st.lists(LITERAL, min_size=1, max_size=3).map(tuple), min_size=1, max_size=8)


@given(
    CLAUSES,
    st.lists(st.integers(1, 5), min_size=6, max_size=6),
    st.permutations(range(6)),
    st.lists(st.integers(1, 40), min_size=6, max_size=6, unique=True).map(sorted),
)
def test_a_part_has_the_answer_of_one_that_is_the_same_but_for_its_names(
    clauses, costs, ranks, others
):
    own = dict(enumerate(costs, 1))
    order = dict(enumerate(ranks, 1))
    renamed = [tuple(others[abs(v) - 1] * (1 if v > 0 else -1) for v in c) for c in clauses]
    known = {others[n - 1]: cost for n, cost in own.items()}
    places = {others[n - 1]: rank for n, rank in order.items()}
    one, other = Renamed(clauses, own, order), Renamed(renamed, known, places)
    assert one.part == other.part
    end = time.thread_time() + 60
    first = cheapest(clauses, own, end=end, known=(), ranks=order)
    again = cheapest(renamed, known, end=end, known=(), ranks=places)
    assert other.outward(one.inward(first)) == again


def test_another_cost_or_another_order_is_another_part():
    clauses = [(1, 2)]
    part = Renamed(clauses, {1: 3, 2: 3}, {1: 0, 2: 1}).part
    assert part != Renamed(clauses, {1: 3, 2: 4}, {1: 0, 2: 1}).part
    assert part != Renamed(clauses, {1: 3, 2: 3}, {1: 1, 2: 0}).part


def test_those_that_were_not_wanted_for_longest_are_dropped(monkeypatch):
    monkeypatch.setattr(solved_parts, "MOST_LITERALS", 4)
    known = SolvedParts()
    parts = [Renamed([(1, 2)], {1: cost, 2: 1}, {}).part for cost in range(1, 4)]
    known.put(parts[0], Answered(None))
    known.put(parts[1], Answered(None))
    known.get(parts[0])
    known.put(parts[2], Answered(None))
    assert [known.get(part) is not None for part in parts] == [True, False, True]
