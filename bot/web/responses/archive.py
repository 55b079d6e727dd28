"""The response of a page, and the archive that pages read."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from aiohttp import web

from bot.errors import MinimizeError
from bot.model.image import ImageKey
from bot.objectives.attribution import graph_of, leaving
from bot.objectives.drift import speaks_of
from bot.objectives.status import ObjectiveStatus, Outlook, objective_statuses
from bot.store.history.fleet_queries import (
    GROWTH_DAYS,
    Contribution,
    Growth,
    Mover,
    Presence,
    Spread,
    Totals,
    Usage,
)
from bot.store.history.history import History
from bot.store.history.values import Evaluation, Heading, MergedChange, Run, Step
from bot.store.store import Store
from bot.web.addresses import missing
from bot.web.tables import Table

LOG = logging.getLogger(__name__)
_EVERY = 15.0  # seconds
_T = TypeVar("_T")
_CACHED_VALUES = 40
_ALL = 1_000_000
_AT_ONCE = 50  # images, each of which takes some milliseconds
# Points of a small curve: as many as 72 pixels can show.
CURVE_PARTS = 24
Bend = tuple[int, int]


@dataclass(frozen=True, slots=True)
class PageResponse:
    """The response of a page: its `data` for JSON and template, its tables, and `extra` values for
    the template."""

    template: str
    data: Any
    tables: Mapping[str, Table] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)


class Archive:
    """The store and its history; caches expensive values until the next run.

    `date` is as in `Parameters.date`: null is now.
    """

    def __init__(self, store: Store, history: History) -> None:
        self.store = store
        self.history = history
        self._lock = threading.Lock()
        self._state: Hashable = None
        self._known: OrderedDict[Hashable, Any] = OrderedDict()
        self._retained: Mapping[ImageKey, ImageRetained] = {}

    def run(self, date: str | None) -> Run | None:
        """The last run until `date`; null if there was none."""
        return self.history.run_at(date)

    def number(self, date: str | None) -> int | None:
        """The number of `run(date)`: null if it is the newest run, 0 if there was none."""
        if date is None:
            return None
        run = self.run(date)
        if run is None:
            return 0
        newest = self.history.runs(1)[0].id
        return None if run.id == newest else run.id

    def objective_statuses(self, date: str | None = None) -> tuple[ObjectiveStatus, ...]:
        """The status of every objective, the worst first."""
        number = self.number(date)
        then = self._run_time(date) if number is not None else None
        statuses = self.cached(
            ("objective_statuses", number), lambda: objective_statuses(self.history, then, number)
        )
        # A repository may have become private since this was cached.
        shown = {heading.id for heading in self.history.objective_headings(run=number)}
        return tuple(s for s in statuses if s.state.objective in shown)

    def objective_statuses_of(
        self,
        date: str | None,
        *,
        key: ImageKey | None = None,
        objective: str | None = None,
    ) -> tuple[ObjectiveStatus, ...]:
        """As `objective_statuses`, for one image or one objective, without computing the others."""
        number = self.number(date)
        if number is not None:
            then = self._run_time(date)
            return objective_statuses(self.history, then, number, key=key, objective=objective)
        return tuple(
            status
            for status in self.objective_statuses()
            if key in (None, status.state.key) and objective in (None, status.state.objective)
        )

    def _run_time(self, date: str | None) -> datetime | None:
        run = self.run(date)
        return datetime.fromisoformat(run.started) if run else None

    def spread(self, date: str | None = None) -> tuple[Spread, ...]:
        """Every package over all images, most versions first."""
        number = self.number(date)
        return self.cached(
            ("spread", number), lambda: self.history.spread(number, self._presence(number))
        )

    def totals(self, date: str | None = None) -> Totals:
        """The totals over all images."""
        number = self.number(date)
        return self.cached(
            ("totals", number), lambda: self.history.totals(number, self._presence(number))
        )

    def used_by_one(self, date: str | None = None) -> tuple[Usage, ...]:
        """The packages that only one image has."""
        number = self.number(date)
        return self.cached(
            ("used_by_one", number),
            lambda: self.history.only_one_needs(_ALL, number, self._presence(number)),
        )

    def _presence(self, number: int | None) -> Presence:
        return self.cached(("presence", number), lambda: self.history.presence(number))

    def growth(self, date: str | None = None) -> Mapping[ImageKey, Growth]:
        """The growth of each image that moved within a year."""
        until = self._until(date)
        return self.cached(("growth", until), lambda: self.history.growth(until))

    def contributions(self, window: str, date: str | None = None) -> tuple[Contribution, ...]:
        """The contributions of changes and packages to moves in a window before a date."""
        days, until = GROWTH_DAYS[window], self._until(date)
        return self.cached(
            ("contributions", window, until), lambda: self.history.contributions(days, until)
        )

    def movers(self, window: str, date: str | None = None) -> tuple[Mover, ...]:
        """The images that moved in a window before a date, the largest move first."""
        days = GROWTH_DAYS[window]
        until = self._until(date)
        return self.cached(
            ("movers", window, until), lambda: self.history.movers(days, until=until, limit=-1)
        )

    def largest_steps(
        self, keys: Iterable[ImageKey], window: str, date: str | None = None
    ) -> Mapping[ImageKey, Step]:
        """The largest step of each of some images in a window before a date."""
        images, days, until = tuple(keys), GROWTH_DAYS[window], self._until(date)
        if not images:
            return {}
        return self.cached(
            ("largest_steps", window, until, images),
            lambda: self.history.largest_steps(images, days, until),
        )

    def bends(self, window: str, date: str | None = None) -> Mapping[ImageKey, Sequence[Bend]]:
        """The moves of images in each of the `CURVE_PARTS` of a window before a date."""
        days, until = GROWTH_DAYS[window], self._until(date)
        return self.cached(
            ("bends", window, until), lambda: self.history.bends(days, until, parts=CURVE_PARTS)
        )

    def retained(self, *, at_once: bool = False) -> Mapping[str, Retained] | None:
        """The packages that would leave with each package in all images together, by name.

        Null while this is not computed for more images than a page can wait for, unless `at_once`.
        """
        evaluations = self.evaluations()
        if not at_once and len(evaluations) > _AT_ONCE and not self._has("retained"):
            return None

        def find() -> Mapping[str, Retained]:
            self._retained = retained_of_images(self.history, evaluations, self._retained)
            return retained_sums(self._retained.values())

        return self.cached("retained", find)

    def _until(self, date: str | None) -> str | None:
        """The date, or else the last run's start: then the shown values stay the same until the
        next run."""
        return run.started if date is None and (run := self.run(None)) else date

    def maintainers(self, date: str | None = None) -> Mapping[ImageKey, tuple[str, ...]]:
        """The maintainers of each image: its workload's, then those of its objectives."""
        number = self.number(date)
        headings = self.history.objective_headings(run=number)
        of_workload: dict[str, list[Heading]] = {}
        for heading in headings:
            of_workload.setdefault(heading.workload, []).append(heading)
        maintainers = {}
        for image in self.cached("images", self.history.images):
            of_image = [image.maintainer] if image.maintainer else []
            of_objectives = (
                heading.maintainer
                for heading in of_workload.get(image.key.workload, ())
                if heading.maintainer and speaks_of(heading, image.key)
            )
            maintainers[image.key] = tuple(dict.fromkeys([*of_image, *of_objectives]))
        return maintainers

    def worst_outlooks(self, date: str | None = None) -> Mapping[ImageKey, Outlook]:
        """The worst state of the objectives of each image that has any."""
        outlooks: dict[ImageKey, Outlook] = {}
        for status in self.objective_statuses(date):
            outlooks.setdefault(status.state.key, status.outlook)
        return outlooks

    def evaluations(self, date: str | None = None) -> Mapping[ImageKey, Evaluation]:
        """The last evaluation of every image that was described, by key."""
        number = self.number(date)
        return self.cached(
            ("evaluations", number),
            lambda: dict(sorted(self.history.latest_evaluations(number).items())),
        )

    def evaluation(self, key: ImageKey, date: str | None) -> Evaluation:
        """An image's evaluation at a time. Raises a 404 if there was none until then."""
        if self.history.image(key) is None:
            raise missing("No image of this address was ever evaluated. /images lists all.")
        evaluation = self.history.evaluation(key, date)
        if evaluation is None:
            raise missing(f"This image was not evaluated until {date}.")
        return evaluation

    def cached(self, name: Hashable, find: Callable[[], _T]) -> _T:
        """The value of `find`, computed once between two runs; the least recently used is
        dropped."""
        state = self._last_run()
        with self._lock:
            if state != self._state:
                self._state, self._known = state, OrderedDict()
            cached = self._known
            if name in cached:
                cached.move_to_end(name)
                cached_value: _T = cached[name]
                return cached_value
        value = find()
        with self._lock:
            cached[name] = value
            while len(cached) > _CACHED_VALUES:
                cached.popitem(last=False)
        return value

    def _has(self, name: Hashable) -> bool:
        """Return whether a value is cached since the last run."""
        state = self._last_run()
        with self._lock:
            return state == self._state and name in self._known

    def _last_run(self) -> Hashable:
        runs = self.history.runs(1)
        return (runs[0].id, runs[0].finished) if runs else None

    def changes(self, steps: Iterable[Step]) -> dict[int, MergedChange]:
        """The merged changes that steps are attributed to, by number."""
        numbers = {cause.merged_change for step in steps for cause in step.causes}
        changes = {n: self.history.merged_change(n) for n in numbers if n is not None}
        return {n: change for n, change in changes.items() if change is not None}

    def warm(self) -> None:
        """Compute the values that all pages need, unless they are cached."""
        if self.run(None) is None:
            return
        self.evaluations()
        self.objective_statuses()
        self.totals()
        self.growth()
        self.spread()
        self.used_by_one()
        for window in GROWTH_DAYS:
            self.movers(window)
            self.contributions(window)
            self.bends(window)
        self.retained(at_once=True)


def cache_warming(archive: Archive) -> Callable[[web.Application], AsyncIterator[None]]:
    """A cleanup context of an application that warms the cache within 15 seconds of a new run."""

    async def run(_application: web.Application) -> AsyncIterator[None]:
        over = asyncio.Event()
        task = asyncio.create_task(_warm_after_runs(archive, over))
        yield
        # The reading thread cannot be cancelled, and history is closed after this.
        over.set()
        await task

    return run


async def _warm_after_runs(archive: Archive, over: asyncio.Event) -> None:
    while not over.is_set():
        try:
            await asyncio.to_thread(archive.warm)
        except MinimizeError as error:
            LOG.warning("getting the pages ready: %s", error.what)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_EVERY):
                await over.wait()


@dataclass(frozen=True, slots=True)
class Retained:
    """The packages and bytes that would leave with a package, itself included, summed over a number
    of images, by the images' own links."""

    packages: int = 0
    installed_size: int = 0
    images: int = 0


@dataclass(frozen=True, slots=True)
class ImageRetained:
    """The packages and bytes that each package of an image retains, by name; `closure` is the
    number of the image's closure."""

    closure: int
    by_name: Mapping[str, tuple[int, int]]


def retained_of_images(
    history: History,
    evaluations: Mapping[ImageKey, Evaluation],
    earlier: Mapping[ImageKey, ImageRetained],
) -> dict[ImageKey, ImageRetained]:
    """The bytes that packages retain in each image, in its last solvable state.

    `known` ones of the same closure are reused. An image takes some milliseconds.
    """
    retained = {}
    for key, evaluation in evaluations.items():
        before = earlier.get(key)
        retained[key] = (
            before
            if before is not None and before.closure == evaluation.closure
            else ImageRetained(evaluation.closure, _retained(history, key))
        )
    return retained


def _retained(history: History, key: ImageKey) -> dict[str, tuple[int, int]]:
    contents = history.contents(key)
    retained: dict[str, tuple[int, int]] = {}
    for member, (packages, size) in zip(
        contents.members, leaving(graph_of(contents), contents.members), strict=True
    ):
        # An image may have both architectures of a name; a page shows them in one row each.
        before = retained.get(member.nevra.name, (0, 0))
        retained[member.nevra.name] = (before[0] + packages, before[1] + size)
    return retained


def retained_sums(images: Iterable[ImageRetained]) -> dict[str, Retained]:
    """The sums over images, by package name."""
    sums: dict[str, list[int]] = {}
    for image in images:
        for name, (packages, size) in image.by_name.items():
            sum_ = sums.setdefault(name, [0, 0, 0])
            sum_[0] += packages
            sum_[1] += size
            sum_[2] += 1
    return {name: Retained(*values) for name, values in sums.items()}
