"""The proved cheapest answer of a problem in which at most a few of some variables may be true.

Once it is settled which of these choices are made, most of the rest follows. What is left are small
parts that share no variable: each is solved once, by MaxSAT. The best choices are found by branch
and bound, one choice after another, the most promising first. The bound: the cost of a package, or
of a core of an open part, remains as long as none of the choices that it depends on is made.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush, nlargest

from pysat.solvers import Solver

from bot.advice.maxsat import Optimum, UnfinishedError, cheapest, cost_of
from bot.advice.propagation import ClauseSet, Literals, Part
from bot.advice.solved_parts import SOLVED, Answered, Renamed


class Problem:
    """Clauses over the variables 1, 2, ... that must hold, and the cost of each true variable.

    Costs are above 0. Of equal answers, the first by the sorted `ranks` of its true variables is
    taken.
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
        """Return the cheapest answer with at most `most` of `choices`; `more` are further clauses.

        `known` are the variables with a cost that are true in an answer to begin with. It is
        returned where the `seconds` of processor time are over before another was found. None if no
        answer exists.
        """
        end = time.thread_time() + seconds
        # Facts that make a variable true could require clauses that were left out: such a problem
        # is built anew.
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
        """Return the known answer, for a search that found no other in time."""
        true = self.priced(known)
        cost = self.cost(true)
        return Optimum(true, cost, min(bound, cost))

    def order(self, answer: Optimum) -> tuple[int, list[int]]:
        """Return the sort key of an answer."""
        return answer.cost, sorted(self._ranks.get(v, v) for v in answer.true)

    def cost(self, true: Iterable[int]) -> int:
        """Return the cost of true variables."""
        return cost_of(true, self._costs)

    def priced(self, variables: Iterable[int]) -> frozenset[int]:
        """Return those of some variables that have a cost."""
        return frozenset(v for v in variables if v in self._costs)

    def solve(self, part: Part, known: Collection[int], end: float) -> Optimum | None:
        """Return the cheapest answer of a part, solved once; UnfinishedError if out of time."""
        if part.clauses not in self._solved:
            named = Renamed(part.clauses, self._costs, self._ranks)
            answered = SOLVED.get(named.part)
            if answered is None:
                best = cheapest(part.clauses, self._costs, end=end, known=known, ranks=self._ranks)
                if best is not None and not best.proved:
                    return best
                SOLVED.put(named.part, Answered(named.inward(best)))
                self._solved[part.clauses] = best
            else:
                self._solved[part.clauses] = named.outward(answered.optimum)
        return self._solved[part.clauses]

    def cores(self, part: Part, end: float) -> Mapping[int, int]:
        """Return the costs of a part's disjoint cores by their labels, computed once."""
        if part not in self._cores:
            self._cores[part] = cores_of(part, self._costs, end)
        return self._cores[part]

    def weights(self, masks: Mapping[int, int]) -> dict[int, int]:
        """Return the costs of true variables, summed by the labels that they depend on."""
        weights: dict[int, int] = {}
        costs = self._costs
        for literal, mask in masks.items():
            if literal in costs:
                weights[mask] = weights.get(mask, 0) + costs[literal]
        return weights


@dataclass(frozen=True, slots=True, order=True)
class _Node:
    """The answers with the choices `made` and any of `free`; none costs less than `bound`."""

    bound: int
    made: tuple[int, ...] = field(compare=False)
    free: tuple[int, ...] = field(compare=False)


class _Search:
    """A search for the best combination of some choices, until `end`."""

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
        # The bound of the nodes that were not finished.
        self._floor: int | None = None

    def best(self, most: int) -> Optimum | None:
        """Return the best answer with at most `most` choices, and a bound for all such answers."""
        waiting: list[_Node] = []
        node = _Node(0, (), tuple(self._labels))
        while True:
            # Depth first: a found answer excludes all nodes that cost more.
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
        """Solve a node with its choices and no others, and return the nodes with one choice more.

        Nodes that cannot be better are left out. `left` is the number of choices that may still be
        made.
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
        # A choice that follows is not part of an answer: it contradicts the assumptions.
        weights = problem.weights({v: mask for v, mask in masks.items() if v not in unmade})
        true = self._settled | (problem.priced(masks) - unmade)
        cost = bound = problem.cost(true)
        whole = True
        for part in derived.parts(masks):
            cores = problem.cores(part, self._end) if part.mask else {}
            sure = sum(cores.values())
            if conflict is None:
                try:
                    solved = problem.solve(part, self._known, self._end)
                except UnfinishedError as unfinished:
                    whole, solved = False, Optimum(frozenset(), 0, unfinished.bound)
                if solved is None:
                    conflict = part.mask
                else:
                    true, cost = true | solved.true, cost + solved.cost
                    # The cost that is in no core may vanish with any choice that the part depends
                    # on.
                    more = max(solved.bound - sure, 0)
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
        """Return the nodes with one choice more, without duplicates.

        `bound` is that of the answer without more choices, and `weights` are the costs that it may
        lose with them. One of the labels in `conflict` must be taken back for an answer to exist.
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
        nodes = []
        while first:
            choice = first.pop(0)
            beside = (*first, *rest)
            more = nlargest(left - 1, (saved[other] for other in beside if saved[other] > 0))
            least = max(node.bound, bound - saved[choice] - sum(more))
            if self._best is None or least <= self._best.cost:
                nodes.append(_Node(least, (*node.made, choice), beside))
        return nodes

    def _take(self, answer: Optimum) -> None:
        if self._best is None or self._problem.order(answer) < self._problem.order(self._best):
            self._best = answer

    def _lower(self, bound: int) -> None:
        self._floor = bound if self._floor is None else min(self._floor, bound)


def _by_label(weights: Mapping[int, int], labels: int) -> Sequence[int]:
    """Return for each label the sum of the weights that depend on it."""
    sums = [0] * labels
    for mask, weight in weights.items():
        left = mask
        while left:
            low = left & -left
            sums[low.bit_length() - 1] += weight
            left ^= low
    return sums


# A core is a set of variables of which one must be true, while no choice is taken back that is
# among its labels. Where cores share no cost, what they cost adds up.
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
    cores: dict[int, int] = {}
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
            cores[mask] = cores.get(mask, 0) + cost
            for variable in priced:
                left[variable] -= cost
                if not left[variable]:
                    del left[variable]
    return cores
