"""Queries over all images: moves, steps, packages and their versions, and shared bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.model.image import ImageKey, inline
from bot.store.history.image_queries import ImageQueries, last_evaluation, steps_sql
from bot.store.history.rows import (
    KEY,
    NEVRA,
    described,
    held_at,
    holding,
    key_of,
    key_values,
    moment,
)
from bot.store.history.values import CauseKind, Step
from bot.store.records import Row
from bot.store.store import now, utc_text


@dataclass(frozen=True, slots=True)
class Mover:
    """The move of an image in a window: `known_delta` bytes, in `steps` steps."""

    key: ImageKey
    known_delta: int
    packages_delta: int
    steps: int
    last_run: int


@inline("key")
@dataclass(frozen=True, slots=True)
class Usage:
    """A package in an image. `since` is when this version was first there."""

    key: ImageKey
    nevra: str
    source: str
    installed_size: int | None
    requested: bool
    since: str


@dataclass(frozen=True, slots=True)
class Spread:
    """A package name over all images.

    `versions` counts distinct epoch:version-release, `images` the images with any of them; `size`
    is the bytes of the largest version, `total` the bytes in all images together, and `shared`
    those beyond one copy for each version and architecture: what sharing layers could save.
    """

    name: str
    source: str
    versions: int
    images: int
    size: int | None
    total: int
    shared: int


@dataclass(frozen=True, slots=True)
class Totals:
    """All images together: `total` bytes, and `distinct` bytes with each version of a package
    counted once."""

    images: int
    unsolvable: int
    packages: int
    versions: int
    total: int
    distinct: int


@dataclass(frozen=True, slots=True)
class Growth:
    """Bytes that an image gained in the last week, month (31 days), quarter (92) and year (366)."""

    week: int = 0
    month: int = 0
    quarter: int = 0
    year: int = 0


@dataclass(frozen=True, slots=True)
class Contribution:
    """The bytes by which a merged change, or a package without one, moved all images together."""

    kind: CauseKind
    merged_change: int | None
    package: str | None
    known_delta: int
    images: int


GROWTH_DAYS = {"week": 7, "month": 31, "quarter": 92, "year": 366}
Presence = tuple[tuple[int, int], ...]


_PRESENT = (
    "with present as materialized (select value ->> 0 as package, value ->> 1 as images"
    " from json_each(?))"
)
_USAGE = (
    f"{KEY}, {NEVRA.format('packages')} as nevra, packages.source, packages.installed_size,"
    " image_packages.requested, runs.started as since"
)


class FleetQueries(ImageQueries):
    """Queries over all images that some document describes.

    `run` numbers the run whose state is queried; null is the present. Queries with the same
    `presence` do not compute it again.
    """

    def movers(
        self, days: int = 7, *, until: str | None = None, limit: int = 20
    ) -> tuple[Mover, ...]:
        """The images that moved most in the `days` before a time, the largest move first."""
        end = moment(until) if until else now()
        rows = self.rows(
            f"select {KEY}, sum(steps.known_delta) as known_delta,"
            " sum(coalesce(steps.packages_delta, 0)) as packages_delta, count(*) as steps,"
            " max(steps.run) as last_run from runs"
            " cross join steps on steps.run = runs.id"
            " join images on images.id = steps.image and images.gone_run is null"
            " where runs.started > ? and runs.started <= ? group by steps.image"
            " order by abs(sum(steps.known_delta)) desc, images.workload, images.environment,"
            " images.repository, images.arch limit ?",
            [_before(end, days), end, limit],
        )
        return tuple(
            Mover(key_of(r), r["known_delta"], r["packages_delta"], r["steps"], r["last_run"])
            for r in rows
        )

    def growth(self, until: str | None = None) -> dict[ImageKey, Growth]:
        """The growth of every image that moved in the year before a time."""
        end = moment(until) if until else now()
        sums = ", ".join(
            f"sum(case when runs.started > ? then steps.known_delta else 0 end) as {name}"
            for name in GROWTH_DAYS
        )
        starts = [_before(end, days) for days in GROWTH_DAYS.values()]
        rows = self.rows(
            f"select {KEY}, {sums} from runs cross join steps on steps.run = runs.id"
            " join images on images.id = steps.image and images.gone_run is null"
            " where runs.started > ? and runs.started <= ? group by steps.image",
            [*starts, min(starts), end],
        )
        return {key_of(row): Growth(**{n: row[n] for n in GROWTH_DAYS}) for row in rows}

    def largest_steps(
        self, keys: Iterable[ImageKey], days: int, until: str | None = None
    ) -> dict[ImageKey, Step]:
        """The largest step of each of some images in the days before a time, with its causes."""
        end = moment(until) if until else now()
        wanted = json.dumps([key_values(key) for key in keys])
        rows = self.rows(
            f"{steps_sql()} where (steps.image, steps.run) in (select image, run from"
            " (select steps.image, steps.run, max(abs(steps.known_delta)) from images"
            " cross join steps on steps.image = images.id join runs on runs.id = steps.run"
            f" where ({KEY}) in (select value ->> 0, value ->> 1, value ->> 2,"
            " value ->> 3 from json_each(?))"
            " and runs.started > ? and runs.started <= ? group by steps.image))",
            [wanted, _before(end, days), end],
        )
        return {step.key: step for step in self.steps_of(rows)}

    def contributions(self, days: int, until: str | None = None) -> tuple[Contribution, ...]:
        """The moves of images in the days before a time, by cause, the largest first: each merged
        change, and each package without one."""
        end = moment(until) if until else now()
        rows = self.rows(
            "select causes.kind, causes.merged_change, case when causes.merged_change is null"
            " then causes.package end as package, sum(causes.known_delta) as known_delta,"
            " count(distinct causes.image) as images from runs"
            " cross join steps on steps.run = runs.id"
            " cross join causes on causes.image = steps.image and causes.run = steps.run"
            " join images on images.id = steps.image and images.gone_run is null"
            " where runs.started > ? and runs.started <= ? group by 1, 2, 3"
            " having sum(causes.known_delta) <> 0"
            " order by abs(sum(causes.known_delta)) desc, 3, 2",
            [_before(end, days), end],
        )
        return tuple(Contribution(**row) for row in rows)

    def bends(
        self, days: int, until: str | None = None, *, parts: int
    ) -> dict[ImageKey, list[tuple[int, int]]]:
        """The moves of images in the days before a time, oldest first, as pairs: the number (from
        0) of one of `parts` equal parts of that time, and its bytes if not 0. Images that no
        document describes any more are among them."""
        end = moment(until) if until else now()
        start = _before(end, days)
        sums = self.tuples(
            "select steps.image, min(cast((julianday(runs.started) - julianday(?)) * ? / ? as int),"
            " ?) as part, sum(steps.known_delta) from runs"
            " cross join steps on steps.run = runs.id"
            " where runs.started > ? and runs.started <= ? group by 1, 2 order by 1, 2",
            [start, parts, days, parts - 1, start, end],
        )
        keys = {row["id"]: key_of(row) for row in self.rows(f"select id, {KEY} from images")}
        bends: dict[ImageKey, list[tuple[int, int]]] = {}
        for image, part, delta in sums:
            if delta:
                bends.setdefault(keys[image], []).append((part, delta))
        return bends

    def holders(self, source: str, run: int | None = None) -> frozenset[ImageKey]:
        """The images that have a package of a source package."""
        rows = self.rows(
            f"select distinct {KEY} from packages"
            " cross join image_packages on image_packages.package = packages.id"
            " join images on images.id = image_packages.image"
            f" where packages.source = ? and {held_at(run)} and {described(run)}",
            [source],
        )
        return frozenset(map(key_of, rows))

    def steps_of_run(self, run: int) -> tuple[Step, ...]:
        """All steps of one run with their causes, by image."""
        rows = self.rows(f"{steps_sql()} where steps.run = ?", [run])
        return tuple(sorted(self.steps_of(rows), key=lambda step: step.key))

    def first_reported_run(self, run: int) -> int:
        """The first run whose moves a run reports: itself, or the first of the interrupted runs
        right before it, which reported nothing."""
        rows = self.rows(
            "select min(id) as id from runs where id > coalesce("
            "(select max(id) from runs where id < ? and finished is not null), 0)",
            [run],
        )
        return int(rows[0]["id"])

    def usage(self, name: str, at: str | None = None) -> tuple[Usage, ...]:
        """The images that have a package, with its version and since when; by image."""
        run = self.run_at(at) if at is not None else None
        if at is not None and run is None:
            return ()
        number = None if run is None else run.id
        rows = self.rows(
            f"select {_USAGE} from packages"
            " cross join image_packages on image_packages.package = packages.id"
            " join images on images.id = image_packages.image"
            " join runs on runs.id = image_packages.from_run"
            f" where packages.name = ? and {held_at(number)} and {described(number)}",
            [name],
        )
        return tuple(sorted(map(_usage_of, rows), key=lambda usage: (usage.key, usage.nevra)))

    def presence(self, run: int | None = None) -> Presence:
        """The number of each package that is in an image, and the number of images that have it."""
        hidden = self.tuples(f"select id from images where not ({described(run)})")
        # A condition on each of a hundred thousand rows would double the time.
        where = "where image not in (select value ->> 0 from json_each(?))" if hidden else ""
        counts = self.tuples(
            f"select package, count(*) from ({holding('image_packages', 'package, image', run)})"
            f" {where} group by package",
            [json.dumps(hidden)] if hidden else [],
        )
        return tuple((package, images) for package, images in counts)

    def spread(
        self, run: int | None = None, presence: Presence | None = None
    ) -> tuple[Spread, ...]:
        """Every package name over all images: versions, images, bytes; most versions first."""
        rows = self.rows(
            f"{_PRESENT} select packages.name, min(packages.source) as source,"
            " count(distinct packages.epoch || ':' || packages.version || '-' ||"
            " packages.release) as versions, sum(images) as images,"
            " max(packages.installed_size) as size,"
            " sum(coalesce(packages.installed_size, 0) * images) as total,"
            " sum(coalesce(packages.installed_size, 0) * (images - 1)) as shared"
            " from present join packages on packages.id = present.package"
            " group by packages.name order by versions desc, images desc, packages.name",
            [self._presence_parameter(run, presence)],
        )
        return tuple(Spread(**row) for row in rows)

    def only_one_needs(
        self, limit: int = 500, run: int | None = None, presence: Presence | None = None
    ) -> tuple[Usage, ...]:
        """The packages that a single image has, of any version or architecture; largest first.

        The four architectures of an image count as one.
        """
        rows = self.rows(
            f"{_PRESENT}, few as materialized (select packages.name from present"
            " join packages on packages.id = present.package group by packages.name"
            " having max(images) <= (select max(count) from (select count(*) as count from images"
            f" where {described(run)} group by workload, environment, repository)))"
            f" select packages.name, {_USAGE} from few"
            " cross join packages on packages.name = few.name"
            " cross join image_packages on image_packages.package = packages.id"
            f" and {held_at(run)}"
            f" cross join images on images.id = image_packages.image and {described(run)}"
            " cross join runs on runs.id = image_packages.from_run"
            " order by packages.installed_size desc, packages.name, images.arch",
            [self._presence_parameter(run, presence)],
        )
        usages = [(row["name"], _usage_of(row)) for row in rows]
        holders: dict[str, set[tuple[str, str, str]]] = {}
        for name, usage in usages:
            image = (usage.key.workload, usage.key.environment, usage.key.repository)
            holders.setdefault(name, set()).add(image)
        return tuple(usage for name, usage in usages if len(holders[name]) == 1)[:limit]

    def totals(self, run: int | None = None, presence: Presence | None = None) -> Totals:
        """The totals of all images."""
        (row,) = self.rows(
            f"{_PRESENT} select count(distinct packages.name) as packages,"
            " count(*) as versions, sum(coalesce(packages.installed_size, 0) * images) as total,"
            " sum(coalesce(packages.installed_size, 0)) as distinct_"
            " from present join packages on packages.id = present.package",
            [self._presence_parameter(run, presence)],
        )
        (counts,) = self.rows(
            "select count(*) as images, coalesce(sum(closures.status != 'ok'), 0) as unsolvable"
            f" from images cross join evaluations on {last_evaluation(run)}"
            " cross join closures on closures.id = evaluations.closure"
            f" where {described(run)}"
        )
        return Totals(
            counts["images"],
            counts["unsolvable"],
            row["packages"],
            row["versions"],
            row["total"] or 0,
            row["distinct_"] or 0,
        )

    def _presence_parameter(self, run: int | None, presence: Presence | None) -> str:
        """The parameter of _PRESENT."""
        return json.dumps(self.presence(run) if presence is None else presence)


def _before(end: str, days: int) -> str:
    return utc_text(datetime.fromisoformat(end) - timedelta(days=days))


def _usage_of(row: Row) -> Usage:
    """A package in an image from a row with _USAGE."""
    fields = {name: row[name] for name in ("nevra", "source", "installed_size", "since")}
    return Usage(key_of(row), **fields, requested=bool(row["requested"]))
