"""Clauses without what is settled: what must be true, and the parts that share nothing."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Literals = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Remainder:
    """`true` are the variables that must be, `parts` clauses that share no variable.

    A part is left out where nothing of it needs to be true. `possible` is false where a clause
    contradicts what is settled.
    """

    true: frozenset[int]
    parts: tuple[tuple[Literals, ...], ...]
    possible: bool = True


def remainder_of(clauses: Iterable[Literals]) -> Remainder:
    """The clauses with every literal that alone makes one true taken as settled."""
    stated = [clause for clause in dict.fromkeys(clauses) if not _tautology(clause)]
    settled = _settled(stated)
    left: dict[Literals, None] = {}
    for clause in stated:
        if not any(literal in settled for literal in clause):
            left[tuple(literal for literal in clause if -literal not in settled)] = None
    if () in left or any(-literal in settled for literal in settled):
        return Remainder(frozenset(), (), possible=False)
    parts = [part for part in _parts(list(left)) if any(min(clause) > 0 for clause in part)]
    return Remainder(frozenset(literal for literal in settled if literal > 0), tuple(parts))


def _tautology(clause: Literals) -> bool:
    return any(-literal in clause for literal in clause)


def _settled(clauses: Sequence[Literals]) -> set[int]:
    """The literals that follow from clauses of one literal, again and again."""
    against: dict[int, list[int]] = defaultdict(list)
    open_literals = [len(clause) for clause in clauses]
    for number, clause in enumerate(clauses):
        for literal in clause:
            against[-literal].append(number)
    settled: set[int] = set()
    todo = deque(clause[0] for clause in clauses if len(clause) == 1)
    while todo:
        literal = todo.popleft()
        if literal in settled:
            continue
        settled.add(literal)
        for number in against[literal]:
            open_literals[number] -= 1
            if open_literals[number] == 1:
                todo += [n for n in clauses[number] if -n not in settled]
    return settled


def _parts(clauses: Sequence[Literals]) -> list[tuple[Literals, ...]]:
    """The clauses by the variables that hang together, in their order."""
    parent: dict[int, int] = {}

    def root(variable: int) -> int:
        parent.setdefault(variable, variable)
        while parent[variable] != variable:
            parent[variable] = parent[parent[variable]]
            variable = parent[variable]
        return variable

    for clause in clauses:
        first = root(abs(clause[0]))
        for literal in clause[1:]:
            parent[root(abs(literal))] = first
    found: dict[int, list[Literals]] = defaultdict(list)
    for clause in clauses:
        found[root(abs(clause[0]))].append(clause)
    return [tuple(part) for part in found.values()]
