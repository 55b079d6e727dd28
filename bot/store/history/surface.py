"""The attack surface: versions of each package over all images, shared and unshared packages.

`run` numbers the run whose state is queried; null is now.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from bot.model.image import ImageKey
from bot.store.history.image_queries import ImageQueries
from bot.store.history.intervals import described, held_at, holding
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


Presence = tuple[tuple[int, int], ...]


class Surface(ImageQueries):
    """Queries on all packages of all images that some document describes.

    Queries with the same `presence` share its computation.
    """

    def presence(self, run: int | None = None) -> Presence:
        """Each package that is in an image, by number, and how many images hold it."""
        hidden = self.tuples(f"select id from images where not ({described(run)})")
        # To ask it of each of a hundred thousand rows would take as long as all the rest.
        where = "where image not in (select value ->> 0 from json_each(?))" if hidden else ""
        found = self.tuples(
            f"select package, count(*) from ({holding('image_packages', 'package, image', run)})"
            f" {where} group by package",
            [json.dumps(hidden)] if hidden else [],
        )
        return tuple((package, images) for package, images in found)

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
            [self._given(run, presence)],
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

    def only_one_needs(
        self, limit: int = 500, run: int | None = None, presence: Presence | None = None
    ) -> tuple[Usage, ...]:
        """The packages that a single image holds, of any version or architecture; largest first.

        The four architectures of an image count as one.
        """
        rows = self.rows(
            f"{_PRESENT}, few as materialized (select packages.name from present"
            " join packages on packages.id = present.package group by packages.name"
            " having max(images) <= (select max(count) from (select count(*) as count from images"
            f" where {described(run)} group by workload, environment, repository)))"
            f" select packages.name, {USAGE} from few"
            " cross join packages on packages.name = few.name"
            " cross join image_packages on image_packages.package = packages.id"
            f" and {held_at(run)}"
            f" cross join images on images.id = image_packages.image and {described(run)}"
            " cross join runs on runs.id = image_packages.from_run"
            " order by packages.installed_size desc, packages.name, images.arch",
            [self._given(run, presence)],
        )
        found = [(row["name"], usage_of(row)) for row in rows]
        holders: dict[str, set[tuple[str, str, str]]] = {}
        for name, usage in found:
            image = (usage.key.workload, usage.key.environment, usage.key.repository)
            holders.setdefault(name, set()).add(image)
        return tuple(usage for name, usage in found if len(holders[name]) == 1)[:limit]

    def totals(self, run: int | None = None, presence: Presence | None = None) -> Totals:
        """All images together."""
        (row,) = self.rows(
            f"{_PRESENT} select count(distinct packages.name) as packages,"
            " count(*) as versions, sum(coalesce(packages.installed_size, 0) * images) as total,"
            " sum(coalesce(packages.installed_size, 0)) as distinct_"
            " from present join packages on packages.id = present.package",
            [self._given(run, presence)],
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

    def _given(self, run: int | None, presence: Presence | None) -> str:
        """The value of _PRESENT."""
        return json.dumps(self.presence(run) if presence is None else presence)


_PRESENT = (
    "with present as materialized (select value ->> 0 as package, value ->> 1 as images"
    " from json_each(?))"
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
