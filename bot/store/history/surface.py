"""The attack surface: over all images, versions of each package, what is shared, what is lonely.

`run` numbers the run whose state is asked for; null is now.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.model.image import ImageKey
from bot.store.history.images import ImageQueries
from bot.store.history.presence import described, held_at, holding
from bot.store.history.rows import KEY, NEVRA, key_of
from bot.store.history.values import Row


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
    """A package name over all images.

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
    """All images together: their number, bytes, and the bytes that several of them hold."""

    images: int
    unsolvable: int
    packages: int
    versions: int
    total: int
    distinct: int


class Surface(ImageQueries):
    """Of all packages of all images that some document describes."""

    def spread(self, run: int | None = None) -> tuple[Spread, ...]:
        """Every package name over all images: versions, images, bytes; most versions first."""
        rows = self.rows(
            f"{_present(run)} select packages.name, min(packages.source) as source,"
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

    def only_one_needs(self, limit: int = 500, run: int | None = None) -> tuple[Usage, ...]:
        """The packages that a single image holds, of any version or architecture; largest first.

        The four architectures of an image count as one.
        """
        rows = self.rows(
            "with families as materialized (select id, dense_rank() over"
            " (order by workload, environment, repository) as family"
            f" from images where {described(run)}),"
            " held as materialized (select package, min(family) as low, max(family) as high from"
            f" ({holding('image_packages', 'package, image', run)}) join families"
            " on families.id = image group by package),"
            " lonely as materialized (select packages.name from held"
            " join packages on packages.id = held.package group by packages.name"
            " having min(low) = max(high))"
            f" select {USAGE} from lonely cross join packages on packages.name = lonely.name"
            " cross join image_packages on image_packages.package = packages.id"
            f" and {held_at(run)}"
            f" cross join images on images.id = image_packages.image and {described(run)}"
            " cross join runs on runs.id = image_packages.from_run"
            " order by packages.installed_size desc, packages.name, images.arch limit ?",
            [limit],
        )
        return tuple(map(usage_of, rows))

    def totals(self, run: int | None = None) -> Totals:
        """All images together."""
        (row,) = self.rows(
            f"{_present(run)} select count(distinct packages.name) as packages,"
            " count(*) as versions, sum(coalesce(packages.installed_size, 0) * images) as total,"
            " sum(coalesce(packages.installed_size, 0)) as distinct_"
            " from present join packages on packages.id = present.package"
        )
        (counts,) = self.rows(
            "select count(*) as images, coalesce(sum(closures.status != 'ok'), 0) as unsolvable"
            " from images cross join evaluations on evaluations.image = images.id"
            " and evaluations.run = (select max(run) from evaluations as e"
            f" where e.image = images.id{'' if run is None else f' and run <= {int(run)}'})"
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


USAGE = (
    f"{KEY}, {NEVRA.format('packages')} as nevra, packages.source, packages.installed_size,"
    " image_packages.requested, runs.started as since"
)


def usage_of(row: Row) -> Usage:
    """A package in an image from a row with USAGE."""
    return Usage(
        key_of(row),
        row["nevra"],
        row["source"],
        row["installed_size"],
        bool(row["requested"]),
        row["since"],
    )


def _present(run: int | None) -> str:
    """Each package that is in an image, with how many images hold it."""
    return (
        "with present as materialized (select package, count(*) as images from"
        f" ({holding('image_packages', 'package, image', run)}) where image not in"
        f" (select id from images where not ({described(run)})) group by package)"
    )
