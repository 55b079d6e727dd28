"""Unit propagation: the literals that clauses make true, the reasons, and the clauses left open.

A label is one of the choices that could be taken back, as a bit. A literal's mask has the labels of
one derivation of it: while none of them is taken back, the literal stays true.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from heapq import heappop, heappush
from operator import or_

Literals = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """Clauses that share no variable with those of other parts.

    Each clause has a mask: the labels of the literals that it lost. It holds while none of them is
    taken back.
    """

    clauses: tuple[Literals, ...]
    masks: tuple[int, ...]

    @property
    def mask(self) -> int:
        """The labels of all clauses."""
        return reduce(or_, self.masks, 0)


class ClauseSet:
    """Clauses simplified by the literals that they force.

    `settled` are the literals that must be true, `possible` is false where they contradict each
    other, and `clauses` are the others, simplified.
    """

    def __init__(self, clauses: Iterable[Literals]) -> None:
        self.clauses: list[Literals] = [c for c in dict.fromkeys(clauses) if not _tautology(c)]
        self._against = _against(self.clauses)
        derived = self.derive({})
        self.settled = frozenset(derived.masks)
        self.possible = derived.conflict is None and () not in self.clauses
        self.clauses = derived.rest()
        self._against = _against(self.clauses)

    def derive(self, assumed: Mapping[int, int]) -> Derivation:
        """Return the literals that follow from assumed ones, each with its mask."""
        clauses, against = self.clauses, self._against
        lengths = list(map(len, clauses))
        masks: dict[int, int] = {}
        reasons: dict[int, list[int]] = {}
        conflict: int | None = None
        # Derivations with few labels come first: fewer labels give better bounds.
        todo = [(mask.bit_count(), literal, mask) for literal, mask in assumed.items()]
        todo += [(0, clause[0], 0) for clause in clauses if len(clause) == 1]
        todo.sort()
        while todo:
            _, literal, mask = heappop(todo)
            if literal in masks:
                continue
            masks[literal] = mask
            if -literal in masks:
                conflict = _fewer(conflict, mask | masks[-literal])
            for number in against.get(literal, ()):
                lengths[number] -= 1
                if lengths[number] == 1:
                    left, mask = _last(clauses[number], masks)
                    reasons.setdefault(left, []).append(number)
                    if left not in masks:
                        heappush(todo, (mask.bit_count(), left, mask))
        return Derivation(self, assumed, masks, reasons, conflict)

    def consumers(self, literal: int) -> Sequence[int]:
        """Return the indexes of the clauses that have the negation of a literal."""
        return self._against.get(literal, ())


class Derivation:
    """The literals that follow from assumptions, each with the labels of one derivation.

    `conflict` has the labels of a contradiction; None where there is none.
    """

    def __init__(
        self,
        clause_set: ClauseSet,
        assumed: Collection[int],
        masks: Mapping[int, int],
        reasons: Mapping[int, Sequence[int]],
        conflict: int | None,
    ) -> None:
        self._set = clause_set
        self._assumed = assumed
        self._reasons = reasons
        self.masks = masks
        self.conflict = conflict

    def necessary(self) -> Mapping[int, int]:
        """Return for each literal the labels that all its derivations depend on."""
        clauses = self._set.clauses
        masks = dict(self.masks)
        derives = {number: literal for literal, own in self._reasons.items() for number in own}
        todo = deque(
            literal
            for literal, own in self._reasons.items()
            if masks[literal] and len(own) + (literal in self._assumed) > 1
        )
        waiting = set(todo)
        while todo:
            literal = todo.popleft()
            waiting.discard(literal)
            mask = masks[literal]
            for number in self._reasons[literal]:
                own = 0
                for other in clauses[number]:
                    if other != literal:
                        own |= masks[-other]
                mask &= own
            if mask != masks[literal]:
                masks[literal] = mask
                for number in self._set.consumers(literal):
                    target = derives.get(number)
                    if target is not None and target not in waiting and masks[target]:
                        waiting.add(target)
                        todo.append(target)
        return masks

    def rest(self) -> list[Literals]:
        """Return the clauses that are not true yet and that are needed, without false literals."""
        return [clause for clause, _ in _needed(self._open(self.masks))]

    def parts(self, masks: Mapping[int, int]) -> list[Part]:
        """Return the same clauses, grouped into parts that share no variable."""
        return _parts(_needed(self._open(masks)))

    def _open(self, masks: Mapping[int, int]) -> list[tuple[Literals, int]]:
        true = masks.keys()
        still_open: dict[Literals, int] = {}
        for clause in self._set.clauses:
            if true.isdisjoint(clause):
                left: list[int] = []
                mask = 0
                for literal in clause:
                    if -literal in true:
                        mask |= masks[-literal]
                    else:
                        left.append(literal)
                rest = tuple(left)
                if rest not in still_open or mask.bit_count() < still_open[rest].bit_count():
                    still_open[rest] = mask
        return list(still_open.items())


def _tautology(clause: Literals) -> bool:
    return len(clause) > 1 and any(-literal in clause for literal in clause)


def _against(clauses: Iterable[Literals]) -> Mapping[int, Sequence[int]]:
    """Return the indexes of clauses by the negations of their literals."""
    places: dict[int, list[int]] = defaultdict(list)
    for number, clause in enumerate(clauses):
        for literal in clause:
            places[-literal].append(number)
    return places


def _fewer(one: int | None, other: int) -> int:
    return other if one is None or other.bit_count() < one.bit_count() else one


def _last(clause: Literals, masks: Mapping[int, int]) -> tuple[int, int]:
    """Return the literal of a clause that is not false, and the labels of the others."""
    left = mask = 0
    for literal in clause:
        if -literal in masks:
            mask |= masks[-literal]
        else:
            left = literal
    return left, mask


def _needed(clauses: Sequence[tuple[Literals, int]]) -> list[tuple[Literals, int]]:
    """Return the clauses that can be violated by a cheapest answer.

    These are the clauses whose negated variables could all be true. A variable could be true where
    a needed clause has it; every other one is false in the cheapest answer, which makes clauses
    with its negation true.
    """
    waiting: dict[int, list[int]] = defaultdict(list)
    lacking: list[int] = []
    todo: list[int] = []
    for number, (clause, _) in enumerate(clauses):
        negated = [-literal for literal in clause if literal < 0]
        lacking.append(len(negated))
        for variable in negated:
            waiting[variable].append(number)
        if not negated:
            todo.append(number)
    seen: set[int] = set()
    needed: list[int] = []
    while todo:
        number = todo.pop()
        needed.append(number)
        for literal in clauses[number][0]:
            if literal > 0 and literal not in seen:
                seen.add(literal)
                for other in waiting.get(literal, ()):
                    lacking[other] -= 1
                    if not lacking[other]:
                        todo.append(other)
    return [clauses[number] for number in sorted(needed)]


def _parts(clauses: Iterable[tuple[Literals, int]]) -> list[Part]:
    """Return the clauses grouped into parts that share no variable, in their order."""
    parent: dict[int, int] = {}

    def root(variable: int) -> int:
        above = parent.setdefault(variable, variable)
        while parent[above] != above:
            parent[above] = above = parent[parent[above]]
        parent[variable] = above
        return above

    stated = list(clauses)
    for clause, _ in stated:
        first = root(abs(clause[0]))
        for literal in clause[1:]:
            parent[root(abs(literal))] = first
    by_root: dict[int, list[tuple[Literals, int]]] = defaultdict(list)
    for clause, mask in stated:
        by_root[root(abs(clause[0]))].append((clause, mask))
    return [Part(*zip(*part, strict=True)) for part in by_root.values()]
