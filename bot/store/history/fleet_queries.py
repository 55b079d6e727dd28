"""Queries over all images: largest moves, steps, and the images that hold a package."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bot.model.image import ImageKey
from bot.store.history.image_queries import _STEPS, moment
from bot.store.history.intervals import described, held_at
from bot.store.history.rows import KEY, key_of
from bot.store.history.surface import USAGE, Surface, Usage, usage_of
from bot.store.history.values import Step


@dataclass(frozen=True, slots=True)
class Mover:
    """The move of an image in some time: `known_delta` bytes, in `steps` steps."""

    key: ImageKey
    known_delta: int
    packages_delta: int
    steps: int
    last_run: int


class FleetQueries(Surface):
    """Queries over all described images."""

    def movers(
        self, days: int = 7, *, until: str | None = None, limit: int = 20
    ) -> tuple[Mover, ...]:
        """The images that moved furthest in the `days` before a time, furthest first."""
        end = moment(until) if until else _now()
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

    def recent_steps(
        self,
        since: str | None = None,
        *,
        until: str | None = None,
        limit: int = 50,
        largest: bool = False,
    ) -> tuple[Step, ...]:
        """Steps of all images with their causes: the newest first, or the largest; all of them if
        `limit` is below 0."""
        order = "abs(steps.known_delta) desc" if largest else "steps.run desc"
        rows = self.rows(
            f"{_RECENT} where runs.started >= ? and runs.started <= ? and images.gone_run is null"
            f" order by {order}, abs(steps.known_delta) desc limit ?",
            [since or "", moment(until) if until else "~", limit],
        )
        return self.steps_of(rows)

    def steps_of_run(self, run: int) -> tuple[Step, ...]:
        """All steps of one run with their causes, by image."""
        rows = self.rows(f"{_STEPS} where steps.run = ?", [run])
        return tuple(sorted(self.steps_of(rows), key=lambda step: step.key))

    def first_reported_run(self, run: int) -> int:
        """The first run whose moves a run reports: itself, or the first of the interrupted ones
        right before it, which reported nothing."""
        rows = self.rows(
            "select min(id) as id from runs where id > coalesce("
            "(select max(id) from runs where id < ? and finished is not null), 0)",
            [run],
        )
        return int(rows[0]["id"])

    def package_names(self, starts_with: str = "", limit: int = 1000) -> tuple[str, ...]:
        """The names of packages that some image holds now, sorted."""
        rows = self.rows(
            "select distinct packages.name from packages where packages.name glob ? and exists"
            " (select 1 from image_packages where image_packages.package = packages.id"
            " and until_run is null) order by packages.name limit ?",
            [_glob(starts_with), limit],
        )
        return tuple(row["name"] for row in rows)

    def usage(self, name: str, at: str | None = None) -> tuple[Usage, ...]:
        """The images that hold a package, with its version and since when; by image."""
        run = self.run_at(at) if at is not None else None
        if at is not None and run is None:
            return ()
        number = None if run is None else run.id
        rows = self.rows(
            f"select {USAGE} from packages"
            " cross join image_packages on image_packages.package = packages.id"
            " join images on images.id = image_packages.image"
            " join runs on runs.id = image_packages.from_run"
            f" where packages.name = ? and {held_at(number)} and {described(number)}",
            [name],
        )
        return tuple(sorted(map(usage_of, rows), key=lambda usage: (usage.key, usage.nevra)))


# Some runs' steps among those of years: found by the runs, not by all steps.
_RECENT = _STEPS.replace("from steps", "from runs cross join steps on steps.run = runs.id").replace(
    "join runs on runs.id = steps.run\n", ""
)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _before(end: str, days: int) -> str:
    then = datetime.fromisoformat(end) - timedelta(days=days)
    return then.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _glob(start: str) -> str:
    """The GLOB pattern of texts that start with this one, its special characters escaped."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in start) + "*"
