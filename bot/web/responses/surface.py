"""The attack surface: of each image with its growth (`/surface`), and of one image on its page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Annotated

from bot.model.amount import beyond
from bot.model.image import ImageKey, inline
from bot.model.surface import KINDS, NAMED
from bot.model.surface import Surface as ImageSurface
from bot.store.history.fleet_queries import GROWTH_DAYS, Spread, Totals, Usage
from bot.store.history.values import SurfaceState
from bot.web.addresses import Parameters, image_url
from bot.web.responses.archive import Archive, PageResponse
from bot.web.responses.differences import ordered_architectures
from bot.web.responses.packages import SPREAD, USED_BY_ONE, used_by_one_rows
from bot.web.tables import Column, Table, columns

_LISTED = 100
_SHOWN = 25


@inline("key")
@dataclass(frozen=True, slots=True)
class SurfaceRow:
    """The attack surface of an image, on all its architectures together: `items` by kind.

    `programs` and `advisories` are the most on one architecture (advisories null without
    updateinfo); `came` and `went` are of the window, null if the surface was unknown at its start.
    `partial`: sentences on what headers do not show.
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
    date, text = parameters.date, parameters.text("window")
    window = text if text in GROWTH_DAYS else "month"
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
    """A row for each image whose surface is known on some architecture; the largest growth
    first."""
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
    items_before = all_items(before[key] for key in keys if key in before)
    is_known = all(key in before for key in keys)
    fixes = [
        surface.advisories.total for key in keys if (surface := now[key]).advisories is not None
    ]
    return SurfaceRow(
        replace(keys[0], arch=arches[0]),
        tuple(arches),
        items,
        max(now[key].programs for key in keys),
        max(fixes, default=None),
        tuple(dict.fromkeys(text for key in keys for text in now[key].partial)),
        new_items(items_before, items) if is_known else None,
        new_items(items, items_before) if is_known else None,
    )


def _kind_column(kind: str) -> Column:
    """The column with the number of items of a kind, or with their names."""
    return Column(
        KINDS[kind][1].capitalize().replace("Pam", "PAM").replace("D-bus", "D-Bus"),
        "text" if kind in NAMED else "count",
        name=kind,
        value=lambda row: row.items[kind] if kind in NAMED else len(row.items[kind]),
        words=(lambda row: ", ".join(row.items[kind])) if kind in NAMED else None,
        wide=kind not in ("setuid", "interpreters"),
    )


def _image_columns(window: str, images: Sequence[SurfaceRow]) -> tuple[Column, ...]:
    """The columns of kinds that some image has; setuid files always have one."""
    present = {"setuid", *(k for row in images for k, items in row.items.items() if items)}
    shown = [kind for kind in KINDS if kind in present]
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


_NAMES = 3  # items of a kind that a sentence names
Items = dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class KindRow:
    """A kind of attack surface in one image; `items` is null if headers do not show them."""

    kind: str
    items: tuple[str, ...] | None
    came: tuple[str, ...]
    went: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SurfaceMove:
    """A change of an image's attack surface: when, and what came and went."""

    when: Annotated[str, Column("When (UTC)", "time")]
    came: Items = field(default_factory=dict)
    went: Items = field(default_factory=dict)


def all_items(surfaces: Iterable[ImageSurface]) -> Items:
    """The items of each kind over some surfaces, sorted."""
    items_by_kind: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for surface in surfaces:
        for kind, names in items_by_kind.items():
            names.update(surface.items(kind) or ())
    return {kind: tuple(sorted(names)) for kind, names in items_by_kind.items()}


def new_items(before: Items, after: Items) -> Items:
    """The items that `after` has and `before` lacks, without empty kinds."""
    new = {kind: beyond(items, before[kind]) for kind, items in after.items()}
    return {kind: items for kind, items in new.items() if isinstance(items, tuple) and items}


def item_count(items: Items | None) -> int:
    """The number of items of all kinds."""
    return sum(map(len, (items or {}).values()))


def kind_rows(states: Sequence[SurfaceState]) -> list[KindRow]:
    """Each kind in the last of an image's states, with its changes since the first, without kinds
    that have no item and had no change."""
    if not states:
        return []
    first, last = states[0].surface, states[-1].surface
    then, now = all_items([first]), all_items([last])
    came, went = new_items(then, now), new_items(now, then)
    rows = [KindRow(k, last.items(k), came.get(k, ()), went.get(k, ())) for k in KINDS]
    return [row for row in rows if row.items or row.came or row.went or row.items is None]


def surface_moves(states: Sequence[SurfaceState]) -> list[SurfaceMove]:
    """The changes of an image's surface, the newest first."""
    moves = []
    for before, after in pairwise(states):
        then, now = all_items([before.surface]), all_items([after.surface])
        move = SurfaceMove(after.since, new_items(then, now), new_items(now, then))
        if move.came or move.went:
            moves.append(move)
    return moves[::-1]


def items_words(items: Items | None) -> str:
    """`perl (interpreter), /usr/bin/su and 2 more (setuid files)`; empty without changes."""
    parts = []
    for kind, names in (items or {}).items():
        more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
        parts.append(f"{', '.join(names[:_NAMES])}{more} ({KINDS[kind][len(names) > 1]})")
    return "; ".join(parts)


def names_words(names: tuple[str, ...] | None) -> str:
    """All names; `not known` if headers do not show them."""
    return "not known" if names is None else ", ".join(names) or "none"


def kinds_table(rows: Sequence[KindRow]) -> Table:
    """The table of an image's attack surface, by kind."""
    return Table("What could be attacked", _KINDS, rows)


def moves_table(rows: Sequence[SurfaceMove]) -> Table:
    """The table of changes of an image's attack surface."""
    return Table("How the attack surface moved", _MOVES, rows)


_KINDS = columns(
    KindRow,
    Column("What", name="kind", value=lambda row: KINDS[row.kind][1]),
    Column("How many", "count", name="count",
           value=lambda row: None if row.items is None else len(row.items)),
    Column("Which", name="items", value=lambda row: row.items,
           words=lambda row: names_words(row.items)),
    Column("Came", name="came", value=lambda row: row.came, spare=True, blank="nothing",
           words=lambda row: ", ".join(row.came)),
    Column("Went", name="went", value=lambda row: row.went, spare=True, wide=True, blank="nothing",
           words=lambda row: ", ".join(row.went)),
)  # fmt: skip
_MOVES = columns(
    SurfaceMove,
    "when",
    Column("Came", name="came", blank="nothing", value=lambda row: item_count(row.came),
           words=lambda row: items_words(row.came)),
    Column("Went", name="went", blank="nothing", value=lambda row: item_count(row.went),
           words=lambda row: items_words(row.went)),
)  # fmt: skip
