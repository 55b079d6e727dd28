"""The cheapest assignment that makes clauses true, by RC2 of python-sat.

RC2 is a MaxSAT solver in whole numbers, so that its answer is exact to the byte. It works from
below: the cost of its cores so far is a lower bound whenever it is stopped.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pysat.examples.rc2 import RC2Stratified
from pysat.formula import WCNF

MOST_TIES = 32
# Of the SAT solver between two looks at the clock: some hundredths of a second.
_PROPAGATIONS = 100_000


@dataclass(frozen=True, slots=True)
class Optimum:
    """The variables with a cost that are true in the cheapest answer found, and the cost.

    No answer costs less than `bound`; `proved` is true where the answer costs no more.
    """

    true: frozenset[int]
    cost: int
    bound: int

    @property
    def proved(self) -> bool:
        return self.cost <= self.bound


class UnfinishedError(Exception):
    """The time ran out before an answer was found; no answer costs less than `bound`."""

    def __init__(self, bound: int) -> None:
        super().__init__(bound)
        self.bound = bound


def cheapest(
    clauses: Sequence[Sequence[int]],
    costs: Mapping[int, int],
    *,
    end: float,
    known: Collection[int],
    ranks: Mapping[int, int],
) -> Optimum | None:
    """Return the cheapest answer, of equal ones the first by the sorted `ranks` of its variables.

    `end` is a time of this thread's processor clock, in seconds. If it comes before the answer is
    proved, the cheapest seen so far is returned, `known` included if that is an answer. None if
    there is no answer; raises UnfinishedError where none was found in time.
    """
    with _solver(clauses, costs, end) as solver:
        first = _next(solver, costs)
        if first is None and not solver.stopped:
            return None
        if first is None:
            seen = [*solver.seen(costs), *_start(clauses, costs, known)]
            best: Optimum | None = min(seen, key=lambda o: o.cost, default=None)
            if best is None:
                raise UnfinishedError(solver.cost)
            return replace(best, bound=min(solver.cost, best.cost))
        tied = first
        for _ in range(MOST_TIES):
            solver.add_clause([-v for v in sorted(tied.true)])
            other = _next(solver, costs)
            if other is None or other.cost > first.cost:
                break
            tied = other
            first = min(first, other, key=lambda o: sorted(ranks.get(v, v) for v in o.true))
    return replace(first, bound=first.cost)


def cost_of(true: Iterable[int], costs: Mapping[int, int]) -> int:
    """The sum of the costs of variables."""
    return sum(costs.get(variable, 0) for variable in true)


def _start(
    clauses: Iterable[Sequence[int]], costs: Mapping[int, int], known: Collection[int]
) -> Iterable[Optimum]:
    """Yield the known answer, if it makes the clauses true."""
    holds = all(
        any((literal in known) if literal > 0 else (-literal not in known) for literal in clause)
        for clause in clauses
    )
    if holds:
        true = frozenset(known).intersection(abs(literal) for c in clauses for literal in c)
        yield Optimum(true & costs.keys(), cost_of(true, costs), 0)


def _next(solver: _Stoppable, costs: Mapping[int, int]) -> Optimum | None:
    try:
        model = solver.compute()
    except _TimeIsOverError:
        solver.stopped = True
        return None
    if model is None:
        return None
    true = frozenset(v for v in model if v > 0 and v in costs)
    return Optimum(true, cost_of(true, costs), 0)


def _solver(clauses: Iterable[Sequence[int]], costs: Mapping[int, int], end: float) -> _Stoppable:
    formula = WCNF()
    own: dict[int, None] = {}
    for clause in clauses:
        formula.append(list(clause))
        own.update(dict.fromkeys(map(abs, clause)))
    for variable in sorted(own):
        if costs.get(variable):
            formula.append([-variable], weight=costs[variable])
    return _Stoppable(formula, end)


class _TimeIsOverError(Exception):
    """Ends a run of RC2 from within; its cost so far stays a bound."""


class _Stoppable(RC2Stratified):  # type: ignore[misc]  # python-sat has no types
    """RC2 with a time limit; the answers of its levels are stored, the cheapest or not."""

    def __init__(self, formula: WCNF, end: float) -> None:
        self.levl: Any = 0
        self.stopped = False
        self._end = end
        self._limited = False
        self._models: list[list[int]] = []
        super().__init__(formula, solver="g4", adapt=True, exhaust=True, minz=True)

    def _call_oracle(
        self,
        assumptions: Sequence[int] = (),
        expect_interrupt: bool = False,  # noqa: ARG002  # RC2's own signature
    ) -> bool | None:
        """Return the solver's answer; end the run where the time is over.

        RC2 would take a missing answer for a proof that there is none, so the run is ended by an
        exception.
        """
        oracle: Any = self.oracle
        satisfiable: bool | None = None
        while time.thread_time() < self._end:
            if not self._limited:
                oracle.prop_budget(_PROPAGATIONS)
            satisfiable = oracle.solve_limited(assumptions=list(assumptions))
            if satisfiable is not None or self._limited:
                return satisfiable
        raise _TimeIsOverError

    def minimize_core(self) -> None:
        self._limited = True  # RC2 sets its own limit here and handles a missing answer
        super().minimize_core()
        self._limited = False

    def next_level(self) -> None:
        """Choose the next level by the diversity of weights, as RC2 does, but in one pass.

        RC2's own method adds all smaller weights up again for each weight, which takes longer than
        solving.
        """
        level: int = self.levl
        if level >= len(self.blop):
            self.levl = None
            return
        sizes = [(weight, len(self.wstr[weight])) for weight in self.blop]
        smaller = sum(count for _, count in sizes[level + 1 :])
        total = sum(weight * count for weight, count in sizes[level + 1 :])
        while level < len(sizes) - 1:
            if sizes[level][0] > total != 0:
                break
            if smaller / (len(sizes) - level - 1) > self.sdiv:
                break
            level += 1
            weight, count = sizes[level]
            smaller -= count
            total -= weight * count
        self.levl = level

    def finish_level(self) -> None:
        model = self.oracle.get_model()
        if model is not None:
            known: Any = self.vmap.i2e
            self._models.append([known[v] for v in model if v > 0 and v in known])
        super().finish_level()

    def seen(self, costs: Mapping[int, int]) -> list[Optimum]:
        """Return the answers that were found on the way."""
        answers = (frozenset(v for v in m if v in costs) for m in self._models)
        return [Optimum(true, cost_of(true, costs), 0) for true in answers]
