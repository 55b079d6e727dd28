"""Questions over all images: what moved most, where a package is, how many versions there are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bot.model.image import ImageKey
from bot.store.history.images import _STEPS, ImageQueries, moment
from bot.store.history.rows import KEY, NEVRA, key_of
from bot.store.history.values import Step


@dataclass(frozen=True, slots=True)
class Mover:
    """How far an image moved in a while: `known_delta` bytes, in `steps` steps."""

    key: ImageKey
    known_delta: int
    packages_delta: int
    steps: int
    last_run: int


@dataclass(frozen=True, slots=True)
class Usage:
    """A package in an image. `since` is when this version came there."""

    key: ImageKey
    nevra: str
    source: str
    installed_size: int | None
    requested: bool
    since: str


@dataclass(frozen=True, slots=True)
class Spread:
    """A package name over all images, now.

    `versions` counts distinct epoch:version-release, `images` the images that hold any; `size` is
    the largest version's bytes, `total` the bytes of it in all images together, and `shared` those
    beyond one copy for each version and architecture: what sharing layers could save.
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
    """All images together, now: their number, bytes, and the bytes that several of them hold."""

    images: int
    unsolvable: int
    packages: int
    versions: int
    total: int
    distinct: int


class AcrossImages(ImageQueries):
    """Of all described images together."""

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
        self, since: str | None = None, *, limit: int = 50, largest: bool = False
    ) -> tuple[Step, ...]:
        """Steps of all images with their causes: the newest first, or the largest."""
        order = "abs(steps.known_delta) desc" if largest else "steps.run desc"
        rows = self.rows(
            f"{_RECENT} where runs.started >= ? and images.gone_run is null order by {order},"
            " abs(steps.known_delta) desc limit ?",
            [since or "", limit],
        )
        return self.steps_of(rows)

    def steps_of_run(self, run: int) -> tuple[Step, ...]:
        """All steps of one run with their causes, by image."""
        rows = self.rows(f"{_STEPS} where steps.run = ?", [run])
        return tuple(sorted(self.steps_of(rows), key=lambda step: step.key))

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
        """In which images a package is, in which version, since when; by image."""
        run = self.run_at(at) if at is not None else None
        if at is not None and run is None:
            return ()
        there = (
            "until_run is null and images.gone_run is null"
            if run is None
            else f"from_run <= {run.id} and (until_run is null or until_run > {run.id})"
        )
        rows = self.rows(
            f"select {KEY}, {NEVRA.format('packages')} as nevra, packages.source,"
            " packages.installed_size, image_packages.requested, runs.started as since"
            " from packages cross join image_packages on image_packages.package = packages.id"
            " join images on images.id = image_packages.image"
            " join runs on runs.id = image_packages.from_run"
            f" where packages.name = ? and {there}",
            [name],
        )
        found = (
            Usage(
                key_of(r),
                r["nevra"],
                r["source"],
                r["installed_size"],
                bool(r["requested"]),
                r["since"],
            )
            for r in rows
        )
        return tuple(sorted(found, key=lambda usage: (usage.key, usage.nevra)))

    def spread(self) -> tuple[Spread, ...]:
        """Every package name over all images now: versions, images, bytes; most versions first."""
        rows = self.rows(
            f"{_PRESENT} select packages.name, min(packages.source) as source,"
            " count(distinct packages.epoch || ':' || packages.version || '-' ||"
            " packages.release) as versions, sum(images) as images,"
            " max(packages.installed_size) as size,"
            " sum(coalesce(packages.installed_size, 0) * images) as total,"
            " sum(coalesce(packages.installed_size, 0) * (images - 1)) as shared"
            " from present join packages on packages.id = present.package"
            " group by packages.name order by versions desc, images desc, packages.name"
        )
        return tuple(Spread(**row) for row in rows)

    def versions(self, name: str) -> tuple[tuple[str, int], ...]:
        """The versions of a package over all images now, with how many images hold each."""
        rows = self.rows(
            "select packages.epoch || ':' || packages.version || '-' || packages.release as evr,"
            " count(*) as images from packages cross join image_packages"
            " on image_packages.package = packages.id and until_run is null"
            " cross join images on images.id = image_packages.image and gone_run is null"
            " where packages.name = ? group by evr order by images desc, evr",
            [name],
        )
        return tuple((row["evr"], row["images"]) for row in rows)

    def only_one_needs(self, limit: int = 500) -> tuple[Usage, ...]:
        """The packages that a single image holds, of any version or architecture; largest first.

        The four architectures of an image count as one.
        """
        rows = self.rows(
            f"with families as materialized ({_FAMILIES}),"
            " held as materialized (select image_packages.package, min(family) as low,"
            " max(family) as high from image_packages join families on families.id = image"
            " where until_run is null group by image_packages.package),"
            " lonely as materialized (select packages.name from held"
            " join packages on packages.id = held.package group by packages.name"
            " having min(low) = max(high))"
            f" select {KEY}, {NEVRA.format('packages')} as nevra, packages.source,"
            " packages.installed_size, image_packages.requested, runs.started as since"
            " from lonely cross join packages on packages.name = lonely.name"
            " cross join image_packages on image_packages.package = packages.id"
            " and image_packages.until_run is null"
            " cross join images on images.id = image_packages.image and images.gone_run is null"
            " cross join runs on runs.id = image_packages.from_run"
            " order by packages.installed_size desc, packages.name, images.arch limit ?",
            [limit],
        )
        return tuple(
            Usage(
                key_of(r),
                r["nevra"],
                r["source"],
                r["installed_size"],
                bool(r["requested"]),
                r["since"],
            )
            for r in rows
        )

    def totals(self) -> Totals:
        """All images together, now."""
        (row,) = self.rows(
            f"{_PRESENT} select count(distinct packages.name) as packages,"
            " count(*) as versions, sum(coalesce(packages.installed_size, 0) * images) as total,"
            " sum(coalesce(packages.installed_size, 0)) as distinct_"
            " from present join packages on packages.id = present.package"
        )
        (counts,) = self.rows(
            "select count(*) as images, coalesce(sum(closures.status != 'ok'), 0) as unsolvable"
            " from images cross join evaluations on evaluations.image = images.id"
            " and evaluations.run ="
            " (select max(run) from evaluations as e where e.image = images.id)"
            " cross join closures on closures.id = evaluations.closure"
            " where images.gone_run is null"
        )
        return Totals(
            counts["images"],
            counts["unsolvable"],
            row["packages"],
            row["versions"],
            row["total"] or 0,
            row["distinct_"] or 0,
        )


# Some runs' steps among those of years: found by the runs, not by all steps.
_RECENT = _STEPS.replace("from steps", "from runs cross join steps on steps.run = runs.id").replace(
    "join runs on runs.id = steps.run\n", ""
)
# Each package that is in an image now, with how many images hold it.
_PRESENT = (
    "with present as materialized (select image_packages.package, count(*) as images"
    " from image_packages where until_run is null and image not in"
    " (select id from images where gone_run is not null) group by image_packages.package)"
)
# The images; the family is an image without its architecture.
_FAMILIES = (
    "select id, dense_rank() over (order by workload, environment, repository) as family"
    " from images where gone_run is null"
)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _before(end: str, days: int) -> str:
    then = datetime.fromisoformat(end) - timedelta(days=days)
    return then.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _glob(start: str) -> str:
    """A glob of what starts like this; GLOB's own signs stand for themselves."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in start) + "*"
