"""The cheapest answer of a problem in which a few of some variables may be true, proved.

Once it is settled which of these choices are made, most of the rest follows, and what is left are
small parts that share nothing: each is solved once, by MaxSAT. The best choices are found by branch
and bound, one choice after another, the most promising first. The bound: what a package, or a core
of an open part, costs stays while none of the choices is made that it depends on.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush, nlargest

from bot.advice.cores import cores_of
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
        self._stated = tuple(clauses)
        self._clauses = ClauseSet(self._stated)
        self._costs = costs
        self._ranks = ranks
        self._solved: dict[tuple[Literals, ...], Optimum | None] = {}
        self._cores: dict[Part, Mapping[int, int]] = {}

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
        # What may be true besides could need what was left out: that is another problem.
        facts = {clause[0] for clause in more if len(clause) == 1 and clause[0] < 0}
        clauses = self._clauses
        if len(facts) < len(more):
            clauses, facts = ClauseSet((*self._stated, *more)), set()
        settled = facts | clauses.settled
        free = [v for v in choices if not {v, -v} & settled]
        left = most - len([v for v in choices if v in settled])
        if not clauses.possible or left < 0 or any(-fact in settled for fact in facts):
            return None
        return _Search(self, clauses, facts, free, known, end).best(left)

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

    def cores(self, part: Part, end: float) -> Mapping[int, int]:
        """The costs of a part's disjoint cores by their labels, found once."""
        if part not in self._cores:
            self._cores[part] = cores_of(part, self._costs, end)
        return self._cores[part]

    def weights(self, masks: Mapping[int, int]) -> dict[int, int]:
        """The costs of true variables, by the labels that each depends on."""
        found: dict[int, int] = {}
        costs = self._costs
        for literal, mask in masks.items():
            if literal in costs:
                found[mask] = found.get(mask, 0) + costs[literal]
        return found


@dataclass(frozen=True, slots=True, order=True)
class _Node:
    """The answers with some choices made and any of some others: none costs less than `bound`."""

    bound: int
    made: tuple[int, ...] = field(compare=False)
    free: tuple[int, ...] = field(compare=False)


class _Search:
    """A search for the best ones of some choices, until `end`."""

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
        self._labels = {choice: 1 << place for place, choice in enumerate(choices)}
        self._known = known
        self._end = end
        self._settled = problem.priced(clauses.settled)
        self._best: Optimum | None = None
        # The bound of what was not finished.
        self._floor: int | None = None

    def best(self, most: int) -> Optimum | None:
        """The best answer with at most `most` choices, and the bound of all such."""
        waiting: list[_Node] = []
        node = _Node(0, (), tuple(self._labels))
        while True:
            # Down to an answer first: what costs more than it is never looked at.
            further = sorted(self._look(node, most - len(node.made)))
            for other in further[1:]:
                heappush(waiting, other)
            if not further and not waiting:
                break
            node = further[0] if further else heappop(waiting)
            if self._best is not None and node.bound > self._best.cost:
                break
            if time.thread_time() > self._end:
                self._lower(min(one.bound for one in (node, *waiting[:1])))
                break
        if self._best is None:
            floor = self._floor
            return self._problem.known(self._known, floor) if floor is not None else None
        cost = self._best.cost
        return replace(
            self._best, bound=min(cost, self._floor if self._floor is not None else cost)
        )

    def _look(self, node: _Node, left: int) -> list[_Node]:
        """Takes the cheapest answer with the choices made, and no others.

        The nodes with one choice more that could be better; `left` are so many that may be made.
        """
        problem = self._problem
        unmade = self._labels.keys() - set(node.made)
        assumed = {-choice: 0 for choice in unmade}
        if left:
            assumed.update((-choice, self._labels[choice]) for choice in node.free)
        assumed.update(dict.fromkeys((*self._facts, *node.made), 0))
        derived = self._clauses.derive(assumed)
        masks = derived.necessary() if left == 1 else derived.masks
        conflict = derived.conflict
        # A choice that follows is none of an answer: it is in conflict with what is assumed.
        weights = problem.weights({v: mask for v, mask in masks.items() if v not in unmade})
        true = self._settled | (problem.priced(masks) - unmade)
        cost = bound = problem.cost(true)
        whole = True
        for part in derived.parts(masks):
            cores = problem.cores(part, self._end) if part.mask else {}
            sure = sum(cores.values())
            if conflict is None:
                try:
                    found = problem.solve(part, self._known, self._end)
                except UnfinishedError as unfinished:
                    whole, found = False, Optimum(frozenset(), 0, unfinished.bound)
                if found is None:
                    conflict = part.mask
                else:
                    true, cost = true | found.true, cost + found.cost
                    # What no core has may go with any choice that the part depends on.
                    more = max(found.bound - sure, 0)
                    weights[part.mask] = weights.get(part.mask, 0) + more
                    sure += more
            bound += sure
            for mask, weight in cores.items():
                weights[mask] = weights.get(mask, 0) + weight
        if conflict is None:
            if bound < cost or not whole:
                self._lower(bound)
            if whole:
                self._take(Optimum(true, cost, bound))
        return self._further(node, left, bound, weights, conflict) if left else []

    def _further(
        self,
        node: _Node,
        left: int,
        bound: int,
        weights: Mapping[int, int],
        conflict: int | None,
    ) -> list[_Node]:
        """The nodes with one choice more, each without those before it, so that none comes twice.

        `bound` is that of the answer without more choices, and `weights` what it may lose with
        them; one of the labels in `conflict` must be taken back for an answer to be.
        """
        gains = _by_label(weights, len(self._labels))
        saved = {
            choice: gains[self._labels[choice].bit_length() - 1] - self._problem.cost((choice,))
            for choice in node.free
        }
        if conflict is None:
            first = [choice for choice, saves in saved.items() if saves >= 0]
        else:
            first = [choice for choice in saved if self._labels[choice] & conflict]
        first.sort(key=lambda choice: -saved[choice])
        rest = [choice for choice in saved if choice not in first]
        found = []
        while first:
            choice = first.pop(0)
            beside = (*first, *rest)
            more = nlargest(left - 1, (saved[other] for other in beside if saved[other] > 0))
            least = max(node.bound, bound - saved[choice] - sum(more))
            if self._best is None or least <= self._best.cost:
                found.append(_Node(least, (*node.made, choice), beside))
        return found

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
