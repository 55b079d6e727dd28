"""Advice for one image on all its architectures."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import filterfalse

from bot.advice.candidates import Candidates, candidates_of
from bot.advice.edits import Edit, edits_of_requests, edits_of_requirements
from bot.advice.evidence import with_evidence, with_uses
from bot.advice.fleet import FleetModel
from bot.advice.headers import HeaderFacts
from bot.advice.model import Answer, Model, figures
from bot.advice.plans import Proposal, addition_to, plan_of, proposals
from bot.advice.prefer import preferred
from bot.advice.programs import Opened, packages_of, programs_of, purpose_of
from bot.advice.requests import UNSWAPPED, Addition, Job
from bot.advice.split_text import with_split_text
from bot.advice.splits import edits_of_files
from bot.advice.swaps import Offer, files_of, offers, swaps_of
from bot.advice.uses import uses_of
from bot.advice.written import Leaving, news_of
from bot.closure.why import retained
from bot.model.advice import (
    ImageAdvice,
    Metric,
    Plan,
    Smallest,
    Swap,
)

# Rounds of planning with tests of the composed images; after the last, failing plans are left out.
_MOST_TRIED = 4


@dataclass(frozen=True, slots=True)
class Wish:
    """A request for advice: plans of up to `edits` edits, within `seconds` for each image."""

    edits: int = 1
    seconds: float = 10.0
    metric: Metric = "installed"


def advise(
    jobs: Iterable[Job],
    wish: Wish,
    headers: HeaderFacts | None = None,
    fleet: FleetModel | None = None,
) -> tuple[ImageAdvice, ...]:
    """Return the advice for an image, one for each of its architectures, in the order of `jobs`.

    `headers` says which requirements were written by hand; without it, that is unknown for all of
    them. Each image that can be installed is added to `fleet`.
    """
    # Solutions are cached for this call, and layers get the pool's numbers.
    jobs = [replace(job, known={}) for job in jobs]
    with ExitStack() as stack:
        for job in jobs:
            stack.enter_context(job.pool.keeping_layers())
        return _advise(jobs, wish, headers, fleet)


def _advise(
    jobs: Sequence[Job], wish: Wish, headers: HeaderFacts | None, fleet: FleetModel | None
) -> tuple[ImageAdvice, ...]:
    clock = _Clock(wish.seconds)
    advices: list[ImageAdvice] = []
    opened: dict[int, Opened] = {}
    for place, job in enumerate(jobs):
        likely = [
            Addition(one.smallest.request, one.smallest.excludes) for one in advices if one.smallest
        ]
        advice, opened_one = _smallest_advice(job, wish, clock, headers, fleet, likely)
        advices.append(advice)
        if opened_one is not None:
            opened[place] = opened_one
    plans = _plans(list(opened.values()), wish, clock, headers)
    for place, own in zip(opened, plans, strict=True):
        advices[place] = replace(advices[place], plans=own)
    return tuple(advices)


def _plans(
    opened: Sequence[Opened], wish: Wish, clock: _Clock, headers: HeaderFacts | None
) -> Sequence[tuple[Plan, ...]]:
    """Return the plans for each of the architectures.

    The headers of the packages that a plan would edit are read, and the plans are made again
    without the edits that the headers refuse and without those with which the workload's test
    fails.
    """
    if not (wish.edits and opened):
        return [()] * len(opened)
    images = [one.candidates for one in opened]
    able = [one.purpose.able for one in opened]
    requests = edits_of_requests(images, able, opened[0].job.request.requests)
    # File sizes are known for this metric only.
    whole = headers is not None and wish.metric == "installed"
    splits = edits_of_files(opened, headers) if headers is not None and whole else ()
    refused: set[tuple[str, str]] = set()
    tried = 0
    while True:
        edits = [*requests, *edits_of_requirements(images, headers, refused), *splits]
        edits = [edit for edit in edits if edit.name not in refused]
        model = Model(images, wish.metric, edits, [one.purpose.formula for one in opened])
        plans = list(proposals(opened, model, wish.edits, lambda: clock.left))
        if headers is None:
            break
        if news_of(opened, _planned(opened, plans), headers, refused):
            continue
        plans = with_evidence(opened, plans, headers)
        broken = _breaking(plans)
        tried += 1
        if not broken or tried == _MOST_TRIED:
            break
        refused |= broken
    if headers is not None:
        plans = with_split_text(opened, list(filterfalse(_fails, plans)), headers)
    plans = with_uses(opened, plans)
    return [
        tuple(plan_of(opened, place, model, one) for one in plans) for place in range(len(opened))
    ]


def _fails(proposal: Proposal) -> bool:
    """Return whether the workload's test failed in the composed image."""
    return any(change.evidence.runs is False for change in proposal.changes)


def _breaking(plans: Sequence[Proposal]) -> set[tuple[str, str]]:
    """Return the names of edits that are only in proposals whose image fails the test."""
    failing = {edit.name for one in plans if _fails(one) for edit in one.answer.edits}
    return failing - {e.name for one in filterfalse(_fails, plans) for e in one.answer.edits}


def _planned(opened: Sequence[Opened], plans: Iterable[Proposal]) -> Mapping[Edit, Leaving]:
    """Return the orders and weakenings of proposals, each with what leaves by it alone."""
    leaving: dict[Edit, list[frozenset[int]]] = {}
    for one in plans:
        for edit, sets in zip(one.answer.edits, one.alone, strict=True):
            if edit.kind in ("order", "weaken"):
                leaving[edit] = [
                    o.candidates.now - sets[place] if sets is not None else frozenset()
                    for place, o in enumerate(opened)
                ]
    return leaving


class _Clock:
    """The processor time of this thread, in seconds, that is left for an image."""

    def __init__(self, seconds: float) -> None:
        self._end = time.thread_time() + seconds

    @property
    def left(self) -> float:
        return max(self._end - time.thread_time(), 0.05)


def _smallest_advice(
    job: Job,
    wish: Wish,
    clock: _Clock,
    headers: HeaderFacts | None,
    fleet: FleetModel | None,
    likely: Sequence[Addition],
) -> tuple[ImageAdvice, Opened | None]:
    """Return the advice without plans, and the opened image where plans are wanted."""
    key = job.request.key
    with job.pool.solved(job.request, job.overlay) as image:
        closure = image.closure
        if closure.status != "ok":
            advice = ImageAdvice(key, "unsolvable", closure.problems, causes=closure.causes)
            return advice, None
        candidates = candidates_of(image, key.arch, job.request.requests, siblings=bool(wish.edits))
        if wish.metric == "nodocs" and headers is not None:
            candidates = headers.sized(candidates, image.overlays)
        model = Model([candidates], wish.metric)
        answer = model.smallest(seconds=clock.left, known=(candidates.now,))
        assert answer is not None  # today's image is one
        moved = candidates.now ^ answer.packages[0]
        has = offers(image.overlays, files_of(image.overlays, moved)) if moved else {}
        opened = None
        if wish.edits:
            purpose = purpose_of(image.overlays, candidates, closure.requested, job.needs, headers)
            programs = programs_of(image.overlays, candidates.now)
            uses = uses_of(image.overlays, candidates, purpose.sources)
            today = packages_of(image, candidates)
            opened = Opened(job, candidates, purpose, programs, today, uses)
        held = retained(job.pool.with_edges(image, weak=job.request.weak))
    smallest, target = _smallest(job, candidates, model, answer, has, clock, likely)
    if fleet is not None:
        fleet.add(job, candidates, target)
    if wish.edits:
        swaps = preferred(job, candidates, answer.packages[0], smallest.instead)
        smallest = replace(smallest, instead=swaps)
    now = figures(candidates, candidates.now, wish.metric)
    known_by = opened.purpose.known_by if opened is not None else None
    advice = ImageAdvice(key, "ok", (), now, smallest, retained=held, programs_by=known_by)
    return advice, opened


def _smallest(
    job: Job,
    candidates: Candidates,
    model: Model,
    answer: Answer,
    has: Mapping[int, Offer],
    clock: _Clock,
    likely: Sequence[Addition],
) -> tuple[Smallest, frozenset[int]]:
    """Return the optimum with its packages if the plain solver can be made to install it, else
    today's image and the bound."""
    target = answer.packages[0]
    swaps: tuple[Swap, ...] = ()
    addition = _addition(job, candidates, target, likely)
    if addition is None:
        target, addition = candidates.now, UNSWAPPED
    elif target != candidates.now:
        swaps = swaps_of(candidates, model, answer, has, seconds=clock.left)
    sizes = figures(candidates, target, model.metric)
    smallest = Smallest(
        sizes.packages,
        sizes.installed_size,
        sizes.installed_size is not None and sizes.installed_size <= answer.bound,
        answer.bound,
        addition.requests,
        addition.excludes,
        swaps,
    )
    return smallest, target


def _addition(
    job: Job, candidates: Candidates, target: frozenset[int], likely: Sequence[Addition]
) -> Addition | None:
    """Return the addition that makes the plain solver install a target; None if none was found."""
    if target == candidates.now and not job.drop:
        return UNSWAPPED
    return addition_to(job, candidates, target, likely)
