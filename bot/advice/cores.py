"""Cores of a part: lower bounds of what it costs when some choices are taken back.

A core is a set of variables of which one must be true while none of the choices among its labels is
taken back. The costs of cores that share no cost add up.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from pysat.solvers import Solver

from bot.advice.propagation import Part

# The limit of one call of the solver: calls that reach it find no core.
_PROPAGATIONS = 100_000


def cores_of(part: Part, costs: Mapping[int, int], end: float) -> Mapping[int, int]:
    """Return the costs of disjoint cores by their labels, as many as are found until `end`.

    `end` is a time of this thread's processor clock, in seconds.
    """
    variables = sorted({abs(literal) for clause in part.clauses for literal in clause})
    # Each clause is extended by a guard variable that stands for the clause's labels: while the
    # guard is false, the clause must hold.
    guards: dict[int, int] = {}
    for mask in part.masks:
        if mask:
            guards.setdefault(mask, variables[-1] + 1 + len(guards))
    labels = {guard: mask for mask, guard in guards.items()}
    left = {v: costs[v] for v in variables if v in costs}
    found: dict[int, int] = {}
    with Solver("g4") as solver:
        for clause, mask in zip(part.clauses, part.masks, strict=True):
            solver.add_clause([*clause, guards[mask]] if mask else list(clause))
        while time.thread_time() < end:
            solver.prop_budget(_PROPAGATIONS)
            if solver.solve_limited([-v for v in (*labels, *left)]) is not False:
                break
            core = [-literal for literal in solver.get_core() or ()]
            priced = [variable for variable in core if variable in left]
            if not priced:
                break  # the part has no answer while these labels are not taken back
            mask, cost = 0, min(left[variable] for variable in priced)
            for variable in core:
                mask |= labels.get(variable, 0)
            found[mask] = found.get(mask, 0) + cost
            for variable in priced:
                left[variable] -= cost
                if not left[variable]:
                    del left[variable]
    return found
