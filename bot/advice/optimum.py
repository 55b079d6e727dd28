"""The cheapest way of making clauses true, proved.

The optimiser is RC2 of python-sat: a MaxSAT solver in whole numbers, so that its answer is exact to
the byte. It works from below: what its cores cost together is a bound that holds whenever it is
stopped.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Timer
from typing import Any

from pysat.card import CardEnc, EncType
from pysat.examples.rc2 import RC2Stratified
from pysat.formula import WCNF

MOST_TIES = 32


@dataclass(frozen=True, slots=True)
class Problem:
    """Clauses over the variables 1, 2, ... that must hold, and what each variable costs if true.

    Of the variables `limited` at most `limit` may be true.
    """

    clauses: Sequence[Sequence[int]]
    costs: Mapping[int, int]
    limited: Sequence[int] = ()
    limit: int = 0


@dataclass(frozen=True, slots=True)
class Optimum:
    """The variables with a cost that are true in the cheapest answer found, and what they cost.

    No answer costs less than `bound`; `proved` is true where the answer costs no more.
    """

    true: frozenset[int]
    cost: int
    bound: int

    @property
    def proved(self) -> bool:
        return self.cost <= self.bound


def minimise(
    problem: Problem, *, seconds: float, known: Collection[int], ranks: Mapping[int, int]
) -> Optimum | None:
    """The cheapest answer, of equal ones the first by the sorted `ranks` of its true variables.

    `known` is an answer to begin with: the variables with a cost that are true in it. It is what
    comes back where the time is over before another was found. None if no answer exists.
    """
    end = time.monotonic() + seconds
    start = frozenset(known)
    found = Optimum(start, _cost(problem, start), 0)
    solver: _Stoppable
    with _solver(problem) as solver:
        first: Optimum | None = _next(solver, problem, end)
        if first is None:
            if not solver.stopped:
                return None
            best = min((found, *solver.seen(problem)), key=lambda o: o.cost)
            return replace(best, bound=min(solver.cost, best.cost))
        tied = first
        for _ in range(MOST_TIES):
            if time.monotonic() > end:
                break
            solver.add_clause([-v for v in sorted(tied.true)])
            other = _next(solver, problem, end)
            if other is None or other.cost > first.cost:
                break
            tied = other
            first = min(first, other, key=lambda o: sorted(ranks.get(v, v) for v in o.true))
    return replace(first, bound=first.cost)


def _cost(problem: Problem, true: Iterable[int]) -> int:
    return sum(problem.costs.get(v, 0) for v in true)


def _next(solver: _Stoppable, problem: Problem, end: float) -> Optimum | None:
    timer = Timer(max(end - time.monotonic(), 0.001), solver.stop)
    timer.daemon = True
    timer.start()
    try:
        model = solver.compute(expect_interrupt=True)
    finally:
        timer.cancel()
        timer.join()
    if model is None:
        return None
    true = frozenset(v for v in model if v > 0 and v in problem.costs)
    return Optimum(true, _cost(problem, true), 0)


def _solver(problem: Problem) -> _Stoppable:
    formula = WCNF()
    for clause in problem.clauses:
        formula.append(list(clause))
    if len(problem.limited) > problem.limit:
        top = max(formula.nv, *problem.costs, *problem.limited)
        encoded = CardEnc.atmost(
            lits=list(problem.limited),
            bound=problem.limit,
            top_id=top,
            encoding=EncType.seqcounter,
        )
        for clause in encoded.clauses:
            formula.append(clause)
    for variable, cost in problem.costs.items():
        if cost:
            formula.append([-variable], weight=cost)
    return _Stoppable(formula)


class _Stoppable(RC2Stratified):  # type: ignore[misc]  # python-sat has no types
    """RC2 that keeps the answers of its levels: each is one, if not the cheapest."""

    def __init__(self, formula: WCNF) -> None:
        self.stopped = False
        self._models: list[list[int]] = []
        super().__init__(formula, solver="g4", adapt=True, exhaust=True, minz=True)

    def stop(self) -> None:
        """Ends the run, from another thread."""
        self.stopped = True
        self.interrupt()

    def compute_(self) -> bool | None:
        # RC2 forgets an interruption that comes between two levels.
        return None if self.stopped else super().compute_()

    def finish_level(self) -> None:
        model = self.oracle.get_model()
        if model is not None:
            known: Any = self.vmap.i2e
            self._models.append([known[v] for v in model if v > 0 and v in known])
        super().finish_level()

    def seen(self, problem: Problem) -> list[Optimum]:
        """The answers that were found on the way."""
        found = (frozenset(v for v in m if v in problem.costs) for m in self._models)
        return [Optimum(true, _cost(problem, true), 0) for true in found]
