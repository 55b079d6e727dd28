"""`/surface`: the attack surface of each image and its growth; packages in several versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated

from bot.model.image import ImageKey, inline
from bot.model.surface import KINDS, NAMED
from bot.model.surface import Surface as ImageSurface
from bot.store.history.fleet_queries import GROWTH_DAYS, Spread, Totals, Usage
from bot.web.addresses import Parameters, image_url
from bot.web.responses.archive import Archive, PageResponse
from bot.web.responses.differences import ordered_architectures
from bot.web.responses.image_surface import Items, all_items, item_count, items_words, moved
from bot.web.responses.packages import SPREAD, USED_BY_ONE, used_by_one_rows
from bot.web.tables import Column, Table, columns

_LISTED = 100
_SHOWN = 25


@inline("key")
@dataclass(frozen=True, slots=True)
class SurfaceRow:
    """Parts of an image that could be attacked, on all its architectures together: `items` by kind.

    `programs` are the most that one architecture has, `advisories` too (null without updateinfo);
    `came` and `went` are of the window, null where the surface was not known at its start.
    `partial`: sentences on what headers cannot tell.
    """

    key: ImageKey
    arches: tuple[str, ...]
    items: Items
    programs: Annotated[int, Column("Programs", "count", wide=True)]
    advisories: Annotated[int | None, Column("Security fixes, a year", "count", wide=True)]
    partial: tuple[str, ...]
    came: Items | None
    went: Items | None


@dataclass(frozen=True, slots=True)
class Surface:
    """`/api/surface`: `images` whose headers were read, of `known` in all; packages over all.

    `versions`, `shared` and `only_one` are packages in several versions, in several images and in
    one alone.
    """

    date: str | None
    window: str
    known: int
    images: Sequence[SurfaceRow]
    totals: Totals
    several_versions: int
    only_one_bytes: int
    versions: Sequence[Spread]
    shared: Sequence[Spread]
    only_one: Sequence[Usage]


def surface(archive: Archive, parameters: Parameters) -> PageResponse:
    """The attack surface of every image and its growth in a window; versions of packages.

    `limit` is for each list.
    """
    date, wanted = parameters.date, parameters.text("window")
    window = wanted if wanted in GROWTH_DAYS else "month"
    images = archive.cached(
        ("surfaces", window, archive.number(date)), lambda: _rows(archive, window, date)
    )
    spread, used_by_one = archive.spread(date), archive.used_by_one(date)
    by_bytes = sorted(spread, key=lambda s: (-s.shared, s.name))
    several = [s for s in spread if s.versions > 1]
    versions = several or spread
    shared = [s for s in by_bytes if s.shared] or by_bytes
    listed, shown = parameters.page(_LISTED).limit, parameters.page(_SHOWN).limit
    data = Surface(
        date,
        window,
        len(images),
        images[:listed],
        archive.totals(date),
        len(several),
        sum(usage.installed_size or 0 for usage in used_by_one),
        versions[:listed],
        shared[:listed],
        used_by_one[:listed],
    )
    rows = used_by_one_rows(used_by_one)
    tables = {
        "images": Table("What could be attacked", _image_columns(window, images), images, date),
        "versions": Table("Most versions", SPREAD, versions, date),
        "shared": Table("Most bytes beyond one copy", SPREAD, shared, date),
        "only_one": Table("Packages that only one image needs", USED_BY_ONE, rows, date),
    }
    tables = {name: table.first(shown) for name, table in tables.items()}
    extra = {
        "used_by_one": len(rows),
        "windows": tuple(GROWTH_DAYS),
        "setuid": sum(bool(row.items["setuid"]) for row in images),
        "interpreters": sorted({name for row in images for name in row.items["interpreters"]}),
        "grew": sum(bool(row.came) for row in images),
    }
    return PageResponse("surface.html.j2", data, tables, extra)


def _rows(archive: Archive, window: str, date: str | None) -> list[SurfaceRow]:
    """A row for each image whose surface is known on some architecture; those that grew first."""
    end = datetime.fromisoformat(date) if date else datetime.now(UTC)
    start = (end.astimezone(UTC) if end.tzinfo else end) - timedelta(days=GROWTH_DAYS[window])
    before_run = archive.history.run_at(start.strftime("%Y-%m-%dT%H:%M:%SZ"))
    before = archive.history.surfaces(before_run.id) if before_run else {}
    now = archive.history.surfaces(archive.number(date))
    shown = archive.evaluations(date)
    families: dict[ImageKey, list[ImageKey]] = {}
    for key in sorted(now):
        if key in shown:
            families.setdefault(replace(key, arch=""), []).append(key)
    rows = [_row(keys, now, before) for keys in families.values()]
    return sorted(rows, key=lambda row: (-item_count(row.came), row.key))


def _row(
    keys: Sequence[ImageKey],
    now: Mapping[ImageKey, ImageSurface],
    before: Mapping[ImageKey, ImageSurface],
) -> SurfaceRow:
    arches = ordered_architectures(key.arch for key in keys)
    items = all_items(now[key] for key in keys)
    then = all_items(before[key] for key in keys if key in before)
    known = all(key in before for key in keys)
    fixes = [one.advisories.total for key in keys if (one := now[key]).advisories is not None]
    return SurfaceRow(
        replace(keys[0], arch=arches[0]),
        tuple(arches),
        items,
        max(now[key].programs for key in keys),
        max(fixes, default=None),
        tuple(dict.fromkeys(text for key in keys for text in now[key].partial)),
        moved(then, items) if known else None,
        moved(items, then) if known else None,
    )


def _kind_column(kind: str) -> Column:
    """How many items of a kind; of names the names themselves."""
    return Column(
        KINDS[kind][1].capitalize().replace("Pam", "PAM").replace("D-bus", "D-Bus"),
        "text" if kind in NAMED else "count",
        name=kind,
        value=lambda row: row.items[kind] if kind in NAMED else len(row.items[kind]),
        words=(lambda row: ", ".join(row.items[kind])) if kind in NAMED else None,
        wide=kind not in ("setuid", "interpreters"),
    )


def _image_columns(window: str, images: Sequence[SurfaceRow]) -> tuple[Column, ...]:
    """The columns of kinds that some image has; a setuid file is always looked for."""
    there = {"setuid", *(k for row in images for k, items in row.items.items() if items)}
    shown = [kind for kind in KINDS if kind in there]
    moves = (
        Column(f"Came in the {window}", name="came", blank="nothing",
               value=lambda row: item_count(row.came),
               words=lambda row: "not known then" if row.came is None else items_words(row.came)),
        Column(f"Went in the {window}", name="went", wide=True, blank="nothing",
               value=lambda row: item_count(row.went),
               words=lambda row: "not known then" if row.went is None else items_words(row.went)),
    )  # fmt: skip
    return columns(SurfaceRow, *_IMAGE, *moves, *map(_kind_column, shown), "programs", "advisories")


def _image_surface(row: SurfaceRow, date: str | None) -> str:
    return image_url(row.key, date=date) + "#surface"


_IMAGE = (
    Column("Image", name="workload", value=lambda row: row.key.workload, link=_image_surface,
           also=lambda row: ", ".join((row.key.environment, row.key.repository, *row.arches))),
    Column("Environment", name="environment", value=lambda row: row.key.environment, only="csv"),
    Column("Repository", name="repository", value=lambda row: row.key.repository, only="csv"),
)  # fmt: skip
