"""The optimisation over the candidates of an image on one or several architectures.

A line of a spec file or of a document holds on all architectures: edits are shared, and the sum of
all architectures is minimised. The cost of a package is one number: tier first, then bytes, then
one for the package itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from bot.advice.candidates import Candidate, Candidates
from bot.advice.edits import Edit
from bot.advice.formula import Formula
from bot.advice.maxsat import Optimum
from bot.advice.optimum import Problem
from bot.model.advice import Figures, Metric


def size_of(candidate: Candidate, metric: Metric) -> int | None:
    """Return a package's size in bytes by a metric; None where it is not known."""
    if metric == "download":
        return candidate.download_size
    return candidate.nodocs_size if metric == "nodocs" else candidate.installed_size


def figures(candidates: Candidates, numbers: Iterable[int], metric: Metric) -> Figures:
    """Return the number of packages and the sum of their sizes, None where one is not known."""
    members = [candidates.packages[n] for n in numbers]
    sizes = [size_of(candidate, metric) for candidate in members]
    known = [size for size in sizes if size is not None]
    return Figures(len(members), sum(known) if len(known) == len(sizes) else None)


class Scale:
    """Costs of packages as whole numbers in which each criterion outweighs all that follow it.

    The criteria are: tier, bytes, number of packages, and then others (severities of edits), whose
    sum is at most `least`. A package of unknown size costs no bytes, so that a bound stays a bound.
    The units are powers of two and the same for most images, so that a part which two images share
    costs the same in both.
    """

    def __init__(self, packages: Sequence[tuple[Candidate, int | None]], least: int = 0) -> None:
        self.package = _unit(least, 10)
        self.byte = self.package * _unit(len(packages), 12)
        self.tier = self.byte * _unit(sum(size or 0 for _, size in packages), 40)
        self.costs = tuple(
            candidate.second_tier * self.tier + (size or 0) * self.byte + self.package
            for candidate, size in packages
        )

    def bytes_of(self, optimum: Optimum) -> int:
        """Return the lower bound in bytes that follows from an optimum's bound.

        It is 0 where the bound allows for fewer packages of the second tier than were found.
        """
        sure = optimum.bound // self.tier >= optimum.cost // self.tier
        return optimum.bound % self.tier // self.byte if sure else 0


def _unit(most: int, least_bits: int) -> int:
    """Return a power of two above `most`, at least 2 to the power of `least_bits`."""
    return 1 << max(most.bit_length(), least_bits)


Sets = tuple[frozenset[int], ...]
"""The packages of an image, for each of its architectures."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The smallest packages of an image on each architecture, and the edits that they need.

    `size` is the sum of all architectures in bytes by the model's metric; no answer is below
    `bound`.
    """

    packages: Sets
    edits: tuple[Edit, ...]
    size: int
    bound: int

    @property
    def proved(self) -> bool:
        return self.size <= self.bound


class Model:
    """Boolean variables for packages and edits, and the clauses between them.

    `edits` are the changes that may be made; `kept` are, for each architecture, clauses that must
    hold whatever is edited (the programs that the image is for). An unknown size counts as 0.
    """

    def __init__(
        self,
        images: Sequence[Candidates],
        metric: Metric = "installed",
        edits: Sequence[Edit] = (),
        kept: Sequence[Formula] = (),
    ) -> None:
        self._images = images
        self.metric = metric
        self._packages = [
            (place, number) for place, image in enumerate(images) for number in image.packages
        ]
        self._variables = {key: n for n, key in enumerate(self._packages, 1)}
        self._edits = {edit: n for n, edit in enumerate(edits, len(self._packages) + 1)}
        splits = [(e, place) for e in edits for place, size in enumerate(e.moved) if size]
        first = len(self._packages) + len(self._edits) + 1
        self._unmoved = {key: n for n, key in enumerate(splits, first)}
        self._clauses: dict[tuple[int, ...], None] = {}
        for place, image in enumerate(images):
            self._state(place, image)
            self._add(place, kept[place] if place < len(kept) else ())
        self._ranks = self._all_ranks()
        self._problem = Problem(self._clauses, self._all_costs(), self._ranks)

    def smallest(
        self,
        *,
        seconds: float,
        edits: int = 0,
        known: Sets,
        known_edits: Collection[Edit] = (),
        without: Iterable[tuple[int, int]] = (),
        refused: Iterable[Sets] = (),
        only: Edit | None = None,
    ) -> Answer | None:
        """Return the smallest answer with at most `edits` edits; None where there is none.

        `known` and `known_edits` are an answer to begin with. `without` are packages, by
        architecture and number, that must be absent; `refused` are answers that must not be
        returned. With `only`, no other edit is made.
        """
        more: list[tuple[int, ...]] = [
            (-self._variables[k],) for k in without if k in self._variables
        ]
        more += [tuple(-v for v in self._true(sets)) for sets in refused]
        if only is not None or not edits:
            more += [(-v,) for edit, v in self._edits.items() if edit != only]
        start = {*self._true(known), *(self._edits[e] for e in known_edits)}
        start |= {
            variable
            for (edit, place), variable in self._unmoved.items()
            if edit not in known_edits and self._installed(edit, place) & known[place]
        }
        optimum = self._problem.minimise(
            seconds=seconds,
            known=start,
            choices=list(self._edits.values()) if edits else (),
            most=edits,
            more=more,
        )
        return self._answer(optimum) if optimum is not None else None

    def size(self, place: int, numbers: Iterable[int]) -> int:
        """Return the bytes of packages on one architecture by the metric, unknown sizes as 0."""
        packages = self._images[place].packages
        return sum(size_of(packages[n], self.metric) or 0 for n in numbers)

    def moved(self, place: int, numbers: Collection[int], edits: Iterable[Edit]) -> int:
        """Return the bytes that splits move out of packages on one architecture."""
        return sum(
            edit.moved[place]
            for edit in edits
            if (edit, place) in self._unmoved and self._installed(edit, place) & set(numbers)
        )

    def _installed(self, edit: Edit, place: int) -> frozenset[int]:
        """Return the packages of today's image that an edit changes."""
        image = self._images[place]
        return frozenset(n for n in image.named.get(edit.package, ()) if n in image.now)

    # -- clauses --------------------------------------------------------------------------------

    def _state(self, place: int, image: Candidates) -> None:
        for job in image.jobs:
            self._add(place, job, self._replacing(image, job))
        for edit, variable in self._edits.items():
            if edit.replaces is not None:
                others = [n for name in edit.replacements for n in image.named.get(name, ())]
                if any(image.packages[n].nevra.name == edit.replaces for n in image.now):
                    self._add(place, [frozenset(others)], implied_by=(variable,))
        for (edit, of), variable in self._unmoved.items():
            for number in self._installed(edit, place) if of == place else ():
                # A package's files are installed with it, unless they were moved.
                own = self._variables[place, number]
                self._add(place, [()], (variable, self._edits[edit]), implied_by=(own,))
        by_need: dict[tuple[str, str], int] = {
            (edit.package, capability): variable
            for edit, variable in self._edits.items()
            for capability in edit.capabilities
        }
        for need in image.needs:
            own = self._variables[place, need.package]
            edit_of = by_need.get((image.packages[need.package].nevra.name, need.capability))
            self._add(place, need.formula, (edit_of,) if edit_of else (), implied_by=(own,))
        self._add(place, image.exclusions)

    def _replacing(self, image: Candidates, job: Formula) -> tuple[int, ...]:
        names = {image.packages[n].nevra.name for clause in job for n in clause if n > 0}
        return tuple(v for e, v in self._edits.items() if e.replaces in names)

    def _add(
        self,
        place: int,
        formula: Iterable[Iterable[int]],
        unless: Iterable[int] = (),
        implied_by: Iterable[int] = (),
    ) -> None:
        more = [*unless, *(-v for v in implied_by)]
        for clause in formula:
            literals = {self._literal(place, literal) for literal in clause}
            if 0 not in literals:
                self._clauses[tuple(sorted({*literals, *more}))] = None

    def _literal(self, place: int, literal: int) -> int:
        """Return the variable of a literal; 0 for the absence of a package without one."""
        variable = self._variables.get((place, abs(literal)), 0)
        return variable if literal > 0 else -variable

    # -- costs ----------------------------------------------------------------------------------

    def _all_costs(self) -> dict[int, int]:
        """Return the cost of each variable: tier, bytes, packages, severity in one number."""
        candidates = [self._images[place].packages[n] for place, n in self._packages]
        sized = [(c, size_of(c, self.metric)) for c in candidates]
        self._scale = Scale(sized, sum(edit.severity for edit in self._edits))
        costs = {
            self._variables[key]: cost
            for key, cost in zip(self._packages, self._scale.costs, strict=True)
        }
        costs.update({variable: edit.severity for edit, variable in self._edits.items()})
        for (edit, place), variable in self._unmoved.items():
            costs[variable] = edit.moved[place] * self._scale.byte
            for number in self._installed(edit, place):
                costs[self._variables[place, number]] -= costs[variable]
        return costs

    def _all_ranks(self) -> dict[int, int]:
        ordered = sorted(
            self._packages, key=lambda key: (self._images[key[0]].packages[key[1]].nevra, key[0])
        )
        ranks = {self._variables[key]: rank for rank, key in enumerate(ordered)}
        edits = sorted(self._edits, key=lambda e: (e.severity, e.package, e.capability))
        ranks.update({self._edits[e]: len(ranks) + place for place, e in enumerate(edits)})
        return ranks

    def _true(self, sets: Sets) -> list[int]:
        return [self._variables[place, n] for place, numbers in enumerate(sets) for n in numbers]

    def _answer(self, optimum: Optimum) -> Answer:
        chosen: list[set[int]] = [set() for _ in self._images]
        for variable in optimum.true:
            if variable <= len(self._packages):
                place, number = self._packages[variable - 1]
                chosen[place].add(number)
        sets = tuple(map(frozenset, chosen))
        edits = tuple(e for e, v in self._edits.items() if v in optimum.true)
        size = sum(
            self.size(place, numbers) - self.moved(place, numbers, edits)
            for place, numbers in enumerate(sets)
        )
        edits = tuple(sorted(edits, key=lambda e: self._ranks[self._edits[e]]))
        if optimum.proved:
            return Answer(sets, edits, size, size)
        return Answer(sets, edits, size, min(self._scale.bytes_of(optimum), size))
