"""The cheapest answer with a few choices: equal to all answers tried one by one."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from bot.advice.optimum import Problem

PACKAGES, CHOICES = range(1, 7), (7, 8, 9)
VARIABLES = (*PACKAGES, *CHOICES)
literals = st.sampled_from([*PACKAGES, *(-v for v in VARIABLES), *CHOICES])
clauses = st.lists(st.frozensets(literals, min_size=1, max_size=4).map(tuple), max_size=14)
costs = st.fixed_dictionaries({v: st.integers(1, 5) for v in VARIABLES})


def holds(clause: tuple[int, ...], true: set[int]) -> bool:
    return any((literal in true) if literal > 0 else (-literal not in true) for literal in clause)


def tried(stated, priced, most: int) -> tuple[int, list[int]] | None:
    """The cost and the variables of the best of all answers."""
    found = []
    for values in product((False, True), repeat=len(VARIABLES)):
        true = {v for v, value in zip(VARIABLES, values, strict=True) if value}
        if len(true & set(CHOICES)) <= most and all(holds(clause, true) for clause in stated):
            found.append((sum(priced[v] for v in true), sorted(true)))
    return min(found, default=None)


@given(clauses, costs, st.integers(0, 3))
def test_the_optimum_is_the_best_of_all_answers(stated, priced, most):
    found = Problem(stated, priced, {}).minimise(seconds=60, known=(), choices=CHOICES, most=most)
    expected = tried(stated, priced, most)
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert found.proved
        assert (found.cost, sorted(found.true)) == expected


@given(clauses, costs, st.sets(st.sampled_from(PACKAGES), max_size=2))
def test_further_clauses_hold_for_one_question_alone(stated, priced, without):
    problem = Problem(stated, priced, {})
    more = [(-v,) for v in sorted(without)]
    for extra in (more, [], [*more, (1, -2, 8)]):
        found = problem.minimise(seconds=60, known=(), choices=CHOICES, most=1, more=extra)
        expected = tried([*stated, *extra], priced, 1)
        assert (found and (found.cost, sorted(found.true))) == expected
