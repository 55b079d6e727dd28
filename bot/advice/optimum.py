"""The cheapest answer of a problem in which a few of some variables may be true, proved.

Once it is settled which of these choices are made, most of the rest follows, and what is left are
small parts that share nothing: each is solved once, by MaxSAT. The best single choice is found by
branch and bound, the most promising first. The bound: what a package or an open part costs stays
while it does not depend on the choice. Several choices are found by MaxSAT in one piece.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from bot.advice.maxsat import Optimum, UnfinishedError, cheapest, cost_of
from bot.advice.propagation import ClauseSet, Literals, Part
from bot.advice.solved_parts import SOLVED, Answered, Renamed


class Problem:
    """Clauses over the variables 1, 2, ... that must hold, and what each variable costs if true.

    Costs are above 0. Of equal answers it is the first by the sorted `ranks` of its true
    variables.
    """

    def __init__(
        self, clauses: Iterable[Literals], costs: Mapping[int, int], ranks: Mapping[int, int]
    ) -> None:
        self._clauses = ClauseSet(clauses)
        self._costs = costs
        self._ranks = ranks
        self._solved: dict[tuple[Literals, ...], Optimum | None] = {}

    def minimise(
        self,
        *,
        seconds: float,
        known: Collection[int],
        choices: Collection[int] = (),
        most: int = 0,
        more: Collection[Literals] = (),
    ) -> Optimum | None:
        """The cheapest answer with at most `most` of `choices`; `more` are further clauses.

        `known` are the variables with a cost that are true in an answer to begin with. It is what
        comes back where the time is over before another was found. None if no answer exists.
        """
        end = time.thread_time() + seconds
        facts = {clause[0] for clause in more if len(clause) == 1}
        clauses = self._clauses
        if most > 1 or len(facts) < len(more):
            clauses, facts = clauses.with_clauses(more), set()
        settled = facts | clauses.settled
        free = [v for v in choices if not {v, -v} & settled]
        left = most - len([v for v in choices if v in settled])
        if not clauses.possible or left < 0 or any(-fact in settled for fact in facts):
            return None
        if left < 2:
            return _Search(self, clauses, facts, free, known, end).best(single=left == 1)
        return self._several(clauses, free, left, known, end)

    def _several(
        self,
        clauses: ClauseSet,
        choices: Sequence[int],
        most: int,
        known: Collection[int],
        end: float,
    ) -> Optimum | None:
        settled = self.priced(clauses.settled)
        first = self.cost(settled)
        if not clauses.clauses:
            return Optimum(settled, first, first)
        try:
            found = cheapest(
                clauses.clauses, self._costs, end=end, known=known, ranks=self._ranks,
                choices=choices, most=most,
            )  # fmt: skip
        except UnfinishedError as unfinished:
            return self.known(known, first + unfinished.bound)
        if found is None:
            return None
        return Optimum(settled | found.true, first + found.cost, first + found.bound)

    def known(self, known: Iterable[int], bound: int) -> Optimum:
        """A known answer, where no other was found in time."""
        true = self.priced(known)
        cost = self.cost(true)
        return Optimum(true, cost, min(bound, cost))

    def order(self, found: Optimum) -> tuple[int, list[int]]:
        """The sort key of answers."""
        return found.cost, sorted(self._ranks.get(v, v) for v in found.true)

    def cost(self, true: Iterable[int]) -> int:
        """The cost of true variables."""
        return cost_of(true, self._costs)

    def priced(self, variables: Iterable[int]) -> frozenset[int]:
        """Those of some variables that cost something."""
        return frozenset(v for v in variables if v in self._costs)

    def solve(self, part: Part, known: Collection[int], end: float) -> Optimum | None:
        """The cheapest answer of a part; each is solved once. Raises UnfinishedError."""
        if part.clauses not in self._solved:
            named = Renamed(part.clauses, self._costs, self._ranks)
            found = SOLVED.get(named.part)
            if found is None:
                best = cheapest(part.clauses, self._costs, end=end, known=known, ranks=self._ranks)
                if best is not None and not best.proved:
                    return best
                SOLVED.put(named.part, Answered(named.inward(best)))
                self._solved[part.clauses] = best
            else:
                self._solved[part.clauses] = named.outward(found.optimum)
        return self._solved[part.clauses]

    def weights(self, masks: Mapping[int, int]) -> dict[int, int]:
        """The costs of true variables, by the labels that each depends on."""
        found: dict[int, int] = {}
        costs = self._costs
        for literal, mask in masks.items():
            if literal in costs:
                found[mask] = found.get(mask, 0) + costs[literal]
        return found


class _Search:
    """A search for the best one of some choices, until `end`."""

    def __init__(
        self,
        problem: Problem,
        clauses: ClauseSet,
        facts: Collection[int],
        choices: Sequence[int],
        known: Collection[int],
        end: float,
    ) -> None:
        self._problem = problem
        self._clauses = clauses
        self._facts = facts
        self._choices = choices
        self._known = known
        self._end = end
        self._settled = problem.priced(clauses.settled)
        self._best: Optimum | None = None
        # The bound of what was not finished.
        self._floor: int | None = None

    def best(self, *, single: bool) -> Optimum | None:
        """The best answer without a choice, or with a `single` one; the bound of all such."""
        bounds = self._look(None, gains=single)
        for choice in sorted(bounds, key=lambda one: (bounds[one], one)):
            if self._best is not None and bounds[choice] > self._best.cost:
                break
            if time.thread_time() > self._end:
                self._lower(bounds[choice])
                break
            self._look(choice, gains=False)
        if self._best is None:
            floor = self._floor
            return self._problem.known(self._known, floor) if floor is not None else None
        cost = self._best.cost
        return replace(
            self._best, bound=min(cost, self._floor if self._floor is not None else cost)
        )

    def _look(self, made: int | None, *, gains: bool) -> Mapping[int, int]:
        """Takes the cheapest answer with one choice, or none.

        With `gains`, a bound for each other choice that could save something.
        """
        problem = self._problem
        labels = self._choices if gains else ()
        masks_of = {choice: 1 << place for place, choice in enumerate(labels)}
        assumed = {-choice: masks_of.get(choice, 0) for choice in self._choices if choice != made}
        assumed.update(dict.fromkeys(self._facts, 0))
        if made is not None:
            assumed[made] = 0
        derived = self._clauses.derive(assumed)
        if derived.conflict is not None:
            return self._without(derived.conflict)
        masks = derived.necessary() if gains else derived.masks
        weights = problem.weights(masks)
        true = self._settled | problem.priced(masks)
        cost = bound = problem.cost(true)
        whole = True
        for part in derived.parts(masks):
            try:
                found = problem.solve(part, self._known, self._end)
            except UnfinishedError as unfinished:
                whole, found = False, Optimum(frozenset(), 0, unfinished.bound)
            if found is None:
                return self._without(part.mask)
            true, cost, bound = true | found.true, cost + found.cost, bound + found.bound
            weights[part.mask] = weights.get(part.mask, 0) + found.bound
        if bound < cost or not whole:
            self._lower(bound)
        if whole:
            self._take(Optimum(true, cost, bound))
        return {
            choice: bound - gain + problem.cost((choice,))
            for choice, gain in zip(labels, _by_label(weights, len(labels)), strict=True)
            if gain > problem.cost((choice,))
        }

    def _without(self, conflict: int) -> Mapping[int, int]:
        """No answer is there without one of these labels: nothing is known of what it costs."""
        return {c: 0 for place, c in enumerate(self._choices) if conflict >> place & 1}

    def _take(self, answer: Optimum) -> None:
        if self._best is None or self._problem.order(answer) < self._problem.order(self._best):
            self._best = answer

    def _lower(self, bound: int) -> None:
        self._floor = bound if self._floor is None else min(self._floor, bound)


def _by_label(weights: Mapping[int, int], labels: int) -> Sequence[int]:
    """The sum of the weights that depend on each label."""
    found = [0] * labels
    for mask, weight in weights.items():
        left = mask
        while left:
            low = left & -left
            found[low.bit_length() - 1] += weight
            left ^= low
    return found
