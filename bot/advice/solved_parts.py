"""Solved parts of problems, cached in this process by their shape, not by their variables' numbers.

Images of one environment have most of their packages in common, so the same parts come again, with
other numbers for their variables.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from bot.advice.maxsat import Optimum
from bot.advice.propagation import Literals

MOST_PARTS = 20_000
MOST_LITERALS = 4_000_000


class CanonicalPart(NamedTuple):
    """A part over the variables 1, 2, ...: its clauses, their costs, their order by rank."""

    clauses: tuple[Literals, ...]
    costs: tuple[int, ...]
    ranked: tuple[int, ...]

    @property
    def literals(self) -> int:
        """The number of literals, by which the cache measures its size."""
        return sum(map(len, self.clauses))


class Renamed:
    """A part with its variables renumbered 1, 2, ... in their order."""

    def __init__(
        self, clauses: Sequence[Literals], costs: Mapping[int, int], ranks: Mapping[int, int]
    ) -> None:
        self._variables = sorted({abs(literal) for clause in clauses for literal in clause})
        self._places = {variable: n for n, variable in enumerate(self._variables, 1)}
        places = self._places
        self.part = CanonicalPart(
            tuple(tuple(places[v] if v > 0 else -places[-v] for v in clause) for clause in clauses),
            tuple(costs.get(variable, 0) for variable in self._variables),
            tuple(places[v] for v in sorted(self._variables, key=lambda v: ranks.get(v, v))),
        )

    def inward(self, optimum: Optimum | None) -> Optimum | None:
        """Return an answer with the part's own numbers as one with the canonical numbers."""
        if optimum is None:
            return None
        return replace(optimum, true=frozenset(self._places[v] for v in optimum.true))

    def outward(self, optimum: Optimum | None) -> Optimum | None:
        """Return an answer with the canonical numbers as one with the part's own numbers."""
        if optimum is None:
            return None
        return replace(optimum, true=frozenset(self._variables[n - 1] for n in optimum.true))


@dataclass(frozen=True, slots=True)
class Answered:
    """The proved answer of a part; `optimum` is None where the part has no answer."""

    optimum: Optimum | None


class SolvedParts:
    """A cache of the answers of parts; the least recently used are dropped."""

    def __init__(self) -> None:
        self._known: OrderedDict[CanonicalPart, Answered] = OrderedDict()
        self._literals = 0

    def get(self, part: CanonicalPart) -> Answered | None:
        """Return the answer of a part; None where it is not cached."""
        if part in self._known:
            self._known.move_to_end(part)
        return self._known.get(part)

    def put(self, part: CanonicalPart, answer: Answered) -> None:
        """Cache the answer of a part that is not cached yet."""
        self._known[part] = answer
        self._literals += part.literals
        while len(self._known) > MOST_PARTS or self._literals > MOST_LITERALS:
            oldest, _ = self._known.popitem(last=False)
            self._literals -= oldest.literals


SOLVED = SolvedParts()
