"""The fewest bytes of distinct packages that serve all images together.

All images are one optimisation in which each package counts once, however many images have it. It
begins without the clauses that keep packages from being installed together, as these apply within
one image. What is left is small, and its cost is a lower bound for any choice. If every image can
be installed from its answer, that answer is optimal. The clauses of each image that cannot are
added whole, and the problem is solved again, for at most MOST_ROUNDS rounds.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bot.advice.candidates import Candidate, Candidates, candidates_of
from bot.advice.formula import Clause, Formula
from bot.advice.model import Model, Scale, size_of
from bot.advice.optimum import Problem
from bot.advice.requests import UNSWAPPED, Addition, Job, addition_for
from bot.model.advice import Figures, Fleet, FleetRequest, Metric
from bot.model.image import ImageKey
from bot.model.nevra import Nevra

MOST_ROUNDS = 20
Choice = frozenset[Nevra]


@dataclass(frozen=True, slots=True)
class _Image:
    """An image of the fleet: its packages today, and those of its own smallest form."""

    job: Job
    jobs: tuple[Formula, ...]
    now: Choice
    smallest: Choice


@dataclass(slots=True)
class _Merged:
    """The candidates and requirements of all images of one pool, by libsolv's numbers."""

    packages: dict[int, Candidate]
    needs: dict[tuple[int, str, int], Formula]


class FleetModel:
    """The images that were added, and their joint optimum."""

    def __init__(self, metric: Metric = "installed") -> None:
        self._metric = metric
        self._images: list[_Image] = []
        self._merged: dict[int, _Merged] = {}
        self._whole: dict[ImageKey, Candidates] = {}

    def add(self, job: Job, candidates: Candidates, smallest: Iterable[int]) -> None:
        """Add an image: its candidates, and the numbers of its own smallest form."""
        merged = self._merged.setdefault(id(job.pool), _Merged({}, {}))
        for number, candidate in candidates.packages.items():
            known = merged.packages.get(number)
            if known is None or (known.second_tier and not candidate.second_tier):
                merged.packages[number] = candidate
        seen: dict[tuple[int, str], int] = {}
        for need in candidates.needs:
            place = seen[need.package, need.capability] = (
                seen.get((need.package, need.capability), -1) + 1
            )
            key = (need.package, need.capability, place)
            known_formula = merged.needs.get(key)
            merged.needs[key] = (
                need.formula if known_formula is None else _weaker(known_formula, need.formula)
            )
        named = candidates.packages
        self._images.append(
            _Image(
                job,
                candidates.jobs,
                frozenset(named[n].nevra for n in candidates.now),
                frozenset(named[n].nevra for n in smallest),
            )
        )

    def fleet(self, seconds: float) -> Fleet:
        """Return the joint optimum, computed within `seconds`, and whether it is proved."""
        end = time.monotonic() + seconds
        bound = 0
        chosen: dict[ImageKey, Choice] = {}
        for _ in range(MOST_ROUNDS):
            optimum = self._optimum(end - time.monotonic())
            bound = max(bound, optimum.bound)
            chosen, failing = self._served(optimum.packages)
            if not failing:
                break
            for image in failing:
                chosen[image.job.request.key] = image.smallest
            if time.monotonic() > end or not self._add_whole(failing):
                break
        return self._answer(chosen, bound)

    # -- the optimisation -----------------------------------------------------------------------

    def _optimum(self, seconds: float) -> _Joint:
        variables = _Variables()
        for merged in self._merged.values():
            for candidate in merged.packages.values():
                variables.take(candidate)
        clauses = dict.fromkeys(self._shared_clauses(variables))
        clauses.update(dict.fromkeys(self._whole_clauses(variables)))
        scale = Scale([(c, size_of(c, self._metric)) for c in variables.candidates])
        costs = dict(enumerate(scale.costs, 1))
        start = {
            variables.of[nevra]
            for image in self._images
            for nevra in image.smallest
            if nevra in variables.of
        }
        ranked = enumerate(sorted((nevra, v) for nevra, v in variables.of.items()))
        ranks = {variable: rank for rank, (_, variable) in ranked}
        solved = Problem(clauses, costs, ranks).minimise(seconds=seconds, known=start)
        assert solved is not None  # the images' own smallest forms are an answer
        packages = frozenset(variables.candidates[v - 1].nevra for v in solved.true)
        return _Joint(packages, scale.bytes_of(solved))

    def _shared_clauses(self, variables: _Variables) -> Iterable[tuple[int, ...]]:
        """Yield the clauses that hold for the packages of all images together."""
        for image in self._images:
            packages = self._merged[id(image.job.pool)].packages
            for job in image.jobs:
                yield from variables.positive(job, packages)
        for merged in self._merged.values():
            for (number, _, _), formula in merged.needs.items():
                own = variables.of[merged.packages[number].nevra]
                for clause in variables.positive(formula, merged.packages):
                    if own not in clause:
                        yield (-own, *clause)

    def _whole_clauses(self, variables: _Variables) -> Iterable[tuple[int, ...]]:
        """Yield all clauses of the images that failed, in variables of their own."""
        for key in sorted(self._whole):
            image = self._whole[key]
            own = {number: variables.another() for number in image.packages}
            for number, variable in own.items():
                yield (-variable, variables.of[image.packages[number].nevra])
            stated: list[Clause] = [clause for job in image.jobs for clause in job]
            stated += [c | {-need.package} for need in image.needs for c in need.formula]
            stated += image.exclusions
            for clause in stated:
                if all(abs(n) in own for n in clause if n < 0):
                    yield tuple(
                        sorted(own[abs(n)] * (1 if n > 0 else -1) for n in clause if abs(n) in own)
                    )

    def _add_whole(self, images: Iterable[_Image]) -> bool:
        """Add all clauses of images; return False if all of them were added before."""
        new = [image for image in images if image.job.request.key not in self._whole]
        for image in new:
            self._whole[image.job.request.key] = _candidates(image.job)
        return bool(new)

    # -- the images -----------------------------------------------------------------------------

    def _served(self, packages: Choice) -> tuple[dict[ImageKey, Choice], list[_Image]]:
        """Return each image's packages if these packages suffice, and the other images."""
        chosen: dict[ImageKey, Choice] = {}
        failing = []
        for image in self._images:
            served = image.smallest if image.smallest <= packages else None
            if served is None:
                served = self._installed(image, packages) or self._modelled(image, packages)
            if served is None:
                failing.append(image)
            else:
                chosen[image.job.request.key] = served
        return chosen, failing

    def _installed(self, image: _Image, packages: Choice) -> Choice | None:
        """Return what the plain solver installs without all others; None where it fails."""
        names = {nevra.name for nevra in packages}
        merged = self._merged[id(image.job.pool)].packages.values()
        others = sorted({c.nevra.name for c in merged} - names)
        closure = image.job.closure(Addition(excludes=tuple(others)))
        installed = frozenset(package.nevra for package in closure.packages)
        return installed if closure.status == "ok" and installed <= packages else None

    def _modelled(self, image: _Image, packages: Choice) -> Choice | None:
        candidates = _candidates(image.job)
        without = [(0, n) for n, c in candidates.packages.items() if c.nevra not in packages]
        answer = Model([candidates], self._metric).smallest(
            seconds=10.0, known=(candidates.now,), without=without
        )
        if answer is None:
            return None
        modelled = frozenset(candidates.packages[n].nevra for n in answer.packages[0])
        return modelled if modelled <= packages else None

    def _answer(self, chosen: Mapping[ImageKey, Choice], bound: int) -> Fleet:
        requests: list[FleetRequest] = []
        images: list[Choice] = []
        for image in self._images:
            key = image.job.request.key
            target = chosen.get(key, image.smallest)
            addition = self._addition(image, target)
            if addition is None:
                target, addition = image.now, UNSWAPPED
            images.append(target)
            requests.append(FleetRequest(key, addition.requests, addition.excludes))
        together = self._figures(images)
        size = together.installed_size or 0
        by_workload: dict[str, tuple[str, ...]] = {}
        for one in requests:
            names = (*by_workload.get(one.key.workload, ()), *one.request)
            by_workload[one.key.workload] = tuple(dict.fromkeys(names))
        return Fleet(
            together.packages,
            together.installed_size,
            size <= bound,
            min(bound, size),
            by_workload,
            tuple(requests),
            self._figures([image.now for image in self._images]),
            self._figures([image.smallest for image in self._images]),
        )

    def _addition(self, image: _Image, target: Choice) -> Addition | None:
        if target == image.now:
            return UNSWAPPED
        return addition_for(image.job, target, sorted(target - image.now))

    def _figures(self, images: Sequence[Choice]) -> Figures:
        sizes: dict[Nevra, int | None] = {}
        for merged in self._merged.values():
            for candidate in merged.packages.values():
                sizes[candidate.nevra] = size_of(candidate, self._metric)
        distinct = frozenset().union(*images)
        known = [size for nevra in distinct if (size := sizes[nevra]) is not None]
        whole = len(known) == len(distinct)
        return Figures(len(distinct), sum(known) if whole else None)


@dataclass(frozen=True, slots=True)
class _Joint:
    packages: Choice
    bound: int


class _Variables:
    """The variables of packages, one for each NEVRA, and further ones after them."""

    def __init__(self) -> None:
        self.candidates: list[Candidate] = []
        self.of: dict[Nevra, int] = {}
        self._more = 0

    def take(self, candidate: Candidate) -> None:
        if candidate.nevra not in self.of:
            self.candidates.append(candidate)
            self.of[candidate.nevra] = len(self.candidates)

    def another(self) -> int:
        self._more += 1
        return len(self.candidates) + self._more

    def positive(
        self, formula: Formula, packages: Mapping[int, Candidate]
    ) -> Iterable[tuple[int, ...]]:
        """Yield the clauses without negations; those with one apply within one image."""
        for clause in formula:
            if all(n > 0 for n in clause):
                yield tuple(sorted({self.of[packages[n].nevra] for n in clause if n in packages}))


def _weaker(one: Formula, other: Formula) -> Formula:
    """Return a formula that either of two implies: images see different providers."""
    if one == other:
        return one
    if len(one) == len(other) == 1:
        ((first,), (second,)) = one, other
        return frozenset({first | second})
    return one & other


def _candidates(job: Job) -> Candidates:
    with job.pool.solved(job.request, job.overlay) as image:
        return candidates_of(image, job.request.key.arch, job.request.requests)
