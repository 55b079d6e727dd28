"""The advice for many images: computed in several processes, and cached.

The key of a cached answer has all that it depends on: the snapshots of the repositories, the
requests, the wish. An answer is not cached where a header could not be fetched, as a later try may
differ.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from bot.advice.advise import Wish, advise
from bot.advice.headers import HeaderFacts
from bot.advice.overall import overall
from bot.advice.requests import Job
from bot.distro.cache import Cache
from bot.model.advice import ImageAdvice, Overall

if TYPE_CHECKING:
    from pydantic import TypeAdapter

# For fewer images computing is as quick as reading the cache.
MANY = 16
_KIND = "advice"
# To be raised with every change that makes other answers for the same images.
_FORMAT = 5
Group = tuple[Job, ...]
T = TypeVar("T")
Answers = list[tuple[ImageAdvice, ...]]
InProcesses = Callable[[Callable[[range], Answers], Sequence[range]], Sequence[Answers]]


def advise_many(
    jobs: Sequence[Job], wish: Wish, cache: Cache, in_processes: InProcesses
) -> list[ImageAdvice]:
    """Return the advice for each image, in the order of `jobs`.

    The architectures of an image are adjacent in `jobs`. `in_processes` computes shares of many
    images in parallel.
    """
    groups = [tuple(own) for _, own in groupby(jobs, lambda job: job.image)]
    if len(groups) < MANY:
        headers = _headers(wish, cache)
        return [advice for group in groups for advice in advise(group, wish, headers)]
    # Each process reads the data of an image once.
    parts = len(os.sched_getaffinity(0))
    # Neighbours are alike, so each share gets images of all kinds.
    shares = [range(start, len(groups), parts) for start in range(parts)]

    def computed(share: range) -> Answers:
        headers = _headers(wish, cache)
        return [_kept(groups[number], wish, headers, cache) for number in share]

    advices: dict[int, tuple[ImageAdvice, ...]] = {}
    for share, answers in zip(shares, in_processes(computed, shares), strict=True):
        advices.update(zip(share, answers, strict=True))
    return [advice for number in range(len(groups)) for advice in advices[number]]


def overall_of(
    advices: Sequence[ImageAdvice], jobs: Sequence[Job], wish: Wish, cache: Cache
) -> Overall:
    """Return the edits over all images; the answer for many images is cached."""

    def computed() -> Overall:
        return overall(advices, jobs, wish.metric, max(wish.edits, 1))

    if len({job.image for job in jobs}) < MANY:
        return computed()
    # As JSON: a tenth of the time of Python's repr.
    stated = _adapter(list[ImageAdvice]).dump_json(list(advices), by_alias=True)
    described = [[_described(job) for job in jobs], hashlib.sha256(stated).hexdigest()]
    place = cache.addressed(_KIND, _digest([_FORMAT, asdict(wish), described]), "overall.json")
    known = _read(place, Overall)
    if known is None:
        known = computed()
        _write(cache, place, known, Overall)
    return known


def _headers(wish: Wish, cache: Cache) -> HeaderFacts | None:
    return HeaderFacts(cache) if wish.edits or wish.metric == "nodocs" else None


def _kept(
    group: Group, wish: Wish, headers: HeaderFacts | None, cache: Cache
) -> tuple[ImageAdvice, ...]:
    described = [_described(job) for job in group]
    place = cache.addressed(_KIND, _digest([_FORMAT, asdict(wish), described]), "image.json")
    known = _read(place, tuple[ImageAdvice, ...])
    if known is None:
        known = advise(group, wish, headers)
        if headers is None or not headers.lacking:
            _write(cache, place, known, tuple[ImageAdvice, ...])
    return known


def _described(job: Job) -> object:
    request = job.request
    return [
        job.pool.snapshot.id, asdict(request.key), request.requests, request.groups, request.weak,
        [asdict(placeholder) for placeholder in request.placeholders], job.needs, job.test,
    ]  # fmt: skip


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def _read(place: Path, kind: type[T]) -> T | None:
    from pydantic import ValidationError

    try:
        value: T = _adapter(kind).validate_json(place.read_bytes())
    except (OSError, ValidationError):
        return None  # not cached yet, or of another format
    return value


def _write(cache: Cache, place: Path, value: T, kind: type[T]) -> None:
    cache.write(place, _adapter(kind).dump_json(value, by_alias=True))


_ADAPTERS: dict[object, TypeAdapter[Any]] = {}


def _adapter(kind: type[T]) -> TypeAdapter[T]:
    """Return the schema of a type, made once: that takes longer than to read an image."""
    from pydantic import TypeAdapter

    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]
