"""The cheapest way of making clauses true, proved.

The optimiser is RC2 of python-sat: a MaxSAT solver in whole numbers, so that its answer is exact to
the byte. It works from below: what its cores cost together is a bound that holds whenever it is
stopped.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Event, Thread, get_ident
from typing import Any

from pysat.card import CardEnc, EncType
from pysat.examples.rc2 import RC2Stratified
from pysat.formula import WCNF

from bot.advice.propagation import remainder_of

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
    end = time.thread_time() + seconds
    rest = remainder_of(map(tuple, problem.clauses))
    if not rest.possible:
        return None
    settled = frozenset(v for v in rest.true if v in problem.costs)
    limit = problem.limit - len(rest.true & set(problem.limited))
    parts = rest.parts
    if problem.limited:
        # What is limited may be in several parts: they hang together.
        parts = (tuple(clause for part in parts for clause in part),) if parts else ()
    cost = _cost(problem, settled)
    whole = Optimum(settled, cost, cost)
    for part in parts:
        own = {abs(literal) for clause in part for literal in clause}
        costs = {v: c for v, c in problem.costs.items() if v in own}
        limited = [v for v in problem.limited if v in own]
        found = _minimised(Problem(part, costs, limited, limit), end, own & set(known), ranks)
        if found is None:
            return None
        whole = Optimum(whole.true | found.true, whole.cost + found.cost, whole.bound + found.bound)
    return whole


def _minimised(
    problem: Problem, end: float, start: Collection[int], ranks: Mapping[int, int]
) -> Optimum | None:
    """The cheapest answer of a problem of one part."""
    known = frozenset(v for v in start if v in problem.costs)
    found = Optimum(known, _cost(problem, known), 0)
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
            if time.thread_time() > end:
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
    over = Event()
    watch = Thread(target=_stop_at, args=(solver, end, thread_clock(), over), daemon=True)
    watch.start()
    try:
        model = solver.compute(expect_interrupt=True)
    finally:
        over.set()
        watch.join()
    if model is None:
        return None
    true = frozenset(v for v in model if v > 0 and v in problem.costs)
    return Optimum(true, _cost(problem, true), 0)


def thread_clock() -> int:
    """The clock of the processor time of this thread: what others do on the machine takes none."""
    return time.pthread_getcpuclockid(get_ident())


def _stop_at(solver: _Stoppable, end: float, clock: int, over: Event) -> None:
    """Stops a solver once the clock of its thread is at `end`."""
    while (left := end - time.clock_gettime(clock)) > 0:
        if over.wait(max(left, 0.001)):
            return
    if not over.is_set():
        solver.stop()


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
        self.levl: Any = 0
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

    def next_level(self) -> None:
        """The next level by the diversity of weights, as RC2 has it, but in one pass: its own way
        adds all smaller weights up anew for each, which takes longer than to solve."""
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

    def seen(self, problem: Problem) -> list[Optimum]:
        """The answers that were found on the way."""
        found = (frozenset(v for v in m if v in problem.costs) for m in self._models)
        return [Optimum(true, _cost(problem, true), 0) for true in found]
