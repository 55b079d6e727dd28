"""The advice for one image on all its architectures."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bot.advice.candidates import Candidates, candidates_of
from bot.advice.model import Answer, Model
from bot.advice.requests import Addition, Job, addition_for
from bot.advice.swaps import Offer, offers, swaps_of
from bot.model.advice import Figures, ImageAdvice, Metric, Smallest, Swap
from bot.model.closure import Closure

UNSWAPPED = Addition()


@dataclass(frozen=True, slots=True)
class Wish:
    """The task: plans of up to `edits` edits, proved within `seconds` an image."""

    edits: int = 1
    seconds: float = 10.0
    metric: Metric = "installed"


@dataclass(frozen=True, slots=True)
class Opened:
    """One architecture of an image: its job, today's closure and the packages it could have."""

    job: Job
    closure: Closure
    candidates: Candidates


def advise(jobs: Iterable[Job], wish: Wish) -> tuple[ImageAdvice, ...]:
    """The advice for an image, one for each of its architectures, in the order of `jobs`."""
    clock = _Clock(wish.seconds)
    return tuple(_advice(job, wish, clock) for job in jobs)


class _Clock:
    """How much of an image's time is left: whole for the first optimum, then what remains."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        return max(self._end - time.monotonic(), 0.05)


def _advice(job: Job, wish: Wish, clock: _Clock) -> ImageAdvice:
    key = job.request.key
    with job.pool.solved(job.request, job.overlay) as image:
        closure = image.closure
        if closure.status != "ok":
            return ImageAdvice(key, "unsolvable", closure.problems)
        candidates = candidates_of(image, key.arch, job.request.requests)
        model = Model([candidates], wish.metric)
        answer = model.smallest(seconds=clock.left, known=(candidates.now,))
        assert answer is not None  # today's image is one
        moved = candidates.now ^ answer.packages[0]
        has = offers(image.overlays, moved) if moved else {}
    opened = Opened(job, closure, candidates)
    smallest = _smallest(opened, model, answer, has, clock)
    return ImageAdvice(key, "ok", (), figures(candidates, candidates.now, wish.metric), smallest)


def _smallest(
    opened: Opened, model: Model, answer: Answer, has: Mapping[int, Offer], clock: _Clock
) -> Smallest:
    """The optimum, if the plain solver can be made to install it; else today's image and the
    bound."""
    candidates, target = opened.candidates, answer.packages[0]
    swaps: tuple[Swap, ...] = ()
    addition = _addition(opened.job, candidates, target)
    if addition is None:
        target, addition = candidates.now, UNSWAPPED
    elif target != candidates.now:
        swaps = swaps_of(candidates, model, answer, has, seconds=clock.left)
    size = model.size(0, target)
    return Smallest(
        len(target),
        size,
        size <= answer.bound,
        answer.bound,
        addition.requests,
        addition.excludes,
        swaps,
    )


def _addition(job: Job, candidates: Candidates, target: frozenset[int]) -> Addition | None:
    """The addition that makes the plain solver install a target; none if none was found."""
    if target == candidates.now and not job.drop:
        return UNSWAPPED
    packages = candidates.packages
    entering = sorted(target - candidates.now, key=lambda n: packages[n].nevra)
    return addition_for(
        job,
        [packages[n].nevra for n in target],
        [packages[n].nevra for n in entering],
        [packages[n].nevra for n in target if packages[n].second_tier],
    )


def figures(candidates: Candidates, numbers: Iterable[int], metric: Metric) -> Figures:
    """How many packages, and their size: null where one is not known."""
    found = [candidates.packages[n] for n in numbers]
    sizes = [c.installed_size if metric == "installed" else c.download_size for c in found]
    known = [size for size in sizes if size is not None]
    return Figures(len(found), sum(known) if len(known) == len(sizes) else None)
