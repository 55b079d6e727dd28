"""`/images`: the images, one row for architectures that hardly differ, with growth and its
causes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated
from urllib.parse import urlencode

from bot.model.closure import SnapshotState, UnsolvableCause
from bot.model.image import ImageKey, inline
from bot.objectives.status import Outlook
from bot.report.sizes import format_size
from bot.store.history.fleet_queries import GROWTH_DAYS, Growth
from bot.store.history.values import Evaluation, Status
from bot.web.addresses import Order, PageRange, Parameters, image_link, with_date
from bot.web.responses.archive import Archive, PageResponse
from bot.web.responses.differences import ordered_architectures
from bot.web.responses.image import ImageTotals, figure_column, totals_of
from bot.web.responses.objectives import OUTLOOKS
from bot.web.responses.steps import Step, cause_url, in_words, origin, step_row
from bot.web.tables import Column, Table, columns, image_columns, ordered

_PAGE = 100
STATES = ("ok", "unsolvable", "broken", "at risk", "met")
# Relative difference of installed sizes from which architectures have rows of their own.
_APART = 0.25


@inline("key")
@dataclass(frozen=True, slots=True)
class ListedImage:
    """An image in the list; its packages are at its own address."""

    key: ImageKey
    status: Annotated[Status, Column("Status", "state")]
    problems: tuple[str, ...]
    missing: tuple[str, ...]
    causes: tuple[UnsolvableCause, ...]
    snapshot: SnapshotState
    totals: ImageTotals | None
    evaluated: Annotated[str, Column("Evaluated (UTC)", "time")]
    maintainers: tuple[str, ...]
    growth: Growth


def _growth(name: str) -> Column:
    return Column(
        name.capitalize(),
        "delta",
        name=name,
        value=lambda row: getattr(row.growth, name),
        wide=name != "month",
    )


_CAUSE = Column(
    "What moved it most",
    name="cause",
    value=lambda row: in_words(row.largest_step) if row.largest_step else None,
    link=lambda row, _: cause_url(row.largest_step) if row.largest_step else None,
    also=lambda row: origin(row.largest_step) if row.largest_step else None,
    sortable=False,
    blank="nothing",
)


def _images_of(maintainers: tuple[str, ...], date: str | None) -> str | None:
    """The address of the first maintainer's images, those that grew most in a month first."""
    if not maintainers:
        return None
    return with_date(f"/images?{urlencode({'maintainer': maintainers[0], 'sort': '-month'})}", date)


_MAINTAINERS = Column(
    "Maintainer",
    wide=True,
    blank="nobody named",
    words=lambda row: ", ".join(row.maintainers),
    link=lambda row, date: _images_of(row.maintainers, date),
)


@inline("key")
@dataclass(frozen=True, slots=True)
class ImageRow:
    """An image on architectures that hardly differ: `arches`; `key` is that of the first.

    Sizes are the largest, `least` is the smallest installed size; the growth is that of the
    architecture that moved most in each period, and `largest_step` that of `key`.
    """

    key: ImageKey
    arches: tuple[str, ...]
    status: Annotated[Status, Column("Status", "state")]
    packages: Annotated[int | None, Column("Packages", "count", wide=True)]
    installed_size: int | None
    least: int | None
    download_size: Annotated[int | None, Column("Download", "size", only="csv")]
    layer_size: Annotated[int | None, Column("Layer, gzip", "size", only="csv")]
    growth: Growth
    maintainers: Annotated[tuple[str, ...], _MAINTAINERS]
    objectives: Annotated[
        Outlook | None, Column("Objectives", "state", spare=True, wide=True, blank="none")
    ]
    largest_step: Annotated[Step | None, _CAUSE]


@dataclass(frozen=True, slots=True)
class Images:
    """`/api/images`: `next` is the offset of the following ones.

    `images` has one entry per architecture, `rows` join those that hardly differ; offset and limit
    apply to each. `largest_step` is of the last `window`.
    """

    date: str | None
    window: str
    count: int
    images: list[ListedImage]
    next: int | None
    rows: list[ImageRow]
    next_row: int | None


def images(archive: Archive, parameters: Parameters) -> PageResponse:
    """The images that the query selects: names that contain every word of `q`, a state, a
    maintainer, a source of which they have a package."""
    date, page, window = parameters.date, parameters.page(_PAGE), _window(parameters)
    fields = _Fields(archive.growth(date), archive.maintainers(date), archive.worst_outlooks(date))
    evaluations = archive.evaluations(date)
    selected = {
        key: evaluations[key] for key in _selected(archive, parameters, fields, evaluations)
    }
    rows = _rows_of(selected, fields)
    order = parameters.order
    if order is not None and order.table in ("", "rows"):
        rows = ordered(rows, _ROWS, order)
    listed = _with_causes(archive, page.of(rows), window, date)
    data = Images(
        date, window, len(selected), _images_in(selected, fields, page, order),
        page.next(len(selected)), listed, page.next(len(rows)),
    )  # fmt: skip
    cause = replace(_CAUSE, title=f"What moved it most in the {window}")
    tables = {
        "rows": Table(
            "Images", tuple(cause if c.name == "cause" else c for c in _ROWS), listed, date
        ),
        "images": Table("Images on each architecture", _IMAGES, data.images, date),
    }
    if parameters.whole and "table" not in parameters.query:
        tables = {"images": tables["images"]}
    extra = {
        **{name: parameters.text(name) for name in ("q", "status", "maintainer", "source")},
        "page": page,
        "folded": len(rows),
        "windows": tuple(GROWTH_DAYS),
        "states": STATES,
        "known_maintainers": sorted({m for names in fields.maintainers.values() for m in names}),
    }
    return PageResponse("images.html.j2", data, tables, extra)


@dataclass(frozen=True, slots=True)
class _Fields:
    """The fields of rows that are not of the evaluations, by image."""

    growth: Mapping[ImageKey, Growth]
    maintainers: Mapping[ImageKey, tuple[str, ...]]
    outlooks: Mapping[ImageKey, Outlook]


def _window(parameters: Parameters) -> str:
    """The window of the causes: `window`, else that by which the rows are sorted, else a month."""
    order = parameters.order
    window = parameters.text("window") or (order.column if order else "")
    return window if window in GROWTH_DAYS else "month"


def _selected(
    archive: Archive, parameters: Parameters, fields: _Fields, keys: Iterable[ImageKey]
) -> Iterable[ImageKey]:
    words, status = parameters.text("q").lower().split(), parameters.text("status")
    maintainer, source = parameters.text("maintainer").casefold(), parameters.text("source")
    holders = archive.history.holders(source, archive.number(parameters.date)) if source else None
    evaluations = archive.evaluations(parameters.date)
    for key in keys:
        names = f"{key.workload} {key.environment} {key.repository} {key.arch}".lower()
        states = (evaluations[key].facts.status, fields.outlooks.get(key))
        if (
            all(word in names for word in words)
            and (status not in STATES or status in states)
            and (holders is None or key in holders)
            and (
                not maintainer
                or maintainer in (m.casefold() for m in fields.maintainers.get(key, ()))
            )
        ):
            yield key


def _images_in(
    evaluations: Mapping[ImageKey, Evaluation],
    fields: _Fields,
    page: PageRange,
    order: Order | None,
) -> list[ListedImage]:
    """The images of a page, one for each architecture; all of them are read only to be sorted."""
    if order is not None and order.table == "images":
        all_images = [
            _listed_image(key, evaluation, fields) for key, evaluation in evaluations.items()
        ]
        return list(page.of(ordered(all_images, _IMAGES, order)))
    return [_listed_image(key, evaluations[key], fields) for key in page.of(list(evaluations))]


def _listed_image(key: ImageKey, evaluation: Evaluation, fields: _Fields) -> ListedImage:
    facts = evaluation.facts
    return ListedImage(
        key, facts.status, facts.problems, facts.missing, facts.causes, evaluation.snapshot,
        totals_of(facts), evaluation.evaluated, fields.maintainers.get(key, ()),
        fields.growth.get(key, Growth()),
    )  # fmt: skip


def _rows_of(evaluations: Mapping[ImageKey, Evaluation], fields: _Fields) -> list[ImageRow]:
    families: dict[ImageKey, list[ImageKey]] = {}
    for key in evaluations:
        families.setdefault(replace(key, arch=""), []).append(key)
    rows = []
    for family in families.values():
        arches = ordered_architectures(key.arch for key in family)
        rows += [
            _row(group, evaluations, fields)
            for group in _groups([replace(family[0], arch=arch) for arch in arches], evaluations)
        ]
    return rows


def _groups(
    keys: Sequence[ImageKey], evaluations: Mapping[ImageKey, Evaluation]
) -> list[list[ImageKey]]:
    """The architectures of an image, grouped by state and similar size."""
    groups: list[list[ImageKey]] = []
    for key in keys:
        facts = evaluations[key].facts
        for group in groups:
            first = evaluations[group[0]].facts
            difference = abs((first.known_size or 0) - (facts.known_size or 0))
            if first.status == facts.status and difference <= _APART * (first.known_size or 0):
                group.append(key)
                break
        else:
            groups.append([key])
    return groups


def _row(
    keys: Sequence[ImageKey], evaluations: Mapping[ImageKey, Evaluation], fields: _Fields
) -> ImageRow:
    facts = [evaluations[key].facts for key in keys]
    growths = [fields.growth.get(key, Growth()) for key in keys]

    def largest(name: str) -> int | None:
        return max((v for f in facts if (v := getattr(f, name)) is not None), default=None)

    sizes = [f.known_size for f in facts if f.known_size is not None]
    outlooks = {fields.outlooks[key] for key in keys if key in fields.outlooks}
    maintainers = dict.fromkeys(m for key in keys for m in fields.maintainers.get(key, ()))
    return ImageRow(
        keys[0],
        tuple(key.arch for key in keys),
        facts[0].status,
        largest("packages"),
        largest("known_size"),
        min(sizes, default=None),
        largest("download_size"),
        largest("layer_size"),
        Growth(*(max((getattr(g, n) for g in growths), key=abs) for n in GROWTH_DAYS)),
        tuple(maintainers),
        next((o for o in OUTLOOKS if o in outlooks), None),
        None,
    )


def _with_causes(
    archive: Archive, rows: Sequence[ImageRow], window: str, date: str | None
) -> list[ImageRow]:
    moving = (row.key for row in rows if getattr(row.growth, window))
    steps = archive.largest_steps(moving, window, date)
    changes = archive.changes(steps.values())
    return [
        replace(row, largest_step=step_row(steps[row.key], changes)) if row.key in steps else row
        for row in rows
    ]


def _size(row: ImageRow) -> str:
    if row.installed_size is None:
        return "cannot be installed" if row.status != "ok" else "not known"
    return format_size(row.installed_size)


def _smallest_size(row: ImageRow) -> str | None:
    """`from 40.2 MB` if the smallest architecture's size is written differently."""
    least = format_size(row.least)
    return None if row.least is None or least == _size(row) else f"from {least}"


_IMAGES = columns(
    ListedImage,
    *image_columns(image_link),
    "status",
    figure_column("totals", "packages", "Packages", "count"),
    figure_column("totals", "installed_size", "Installed", "size"),
    figure_column("totals", "download_size", "Download", "size"),
    figure_column("totals", "layer_size", "Layer, gzip", "size"),
    *map(_growth, GROWTH_DAYS),
    "evaluated",
)
_ROWS = columns(
    ImageRow,
    Column("Image", name="workload", value=lambda row: row.key.workload, link=image_link,
           also=lambda row: ", ".join((row.key.environment, row.key.repository, *row.arches))),
    Column("Environment", name="environment", value=lambda row: row.key.environment, only="csv"),
    Column("Repository", name="repository", value=lambda row: row.key.repository, only="csv"),
    Column("Architectures", name="arches", value=lambda row: " ".join(row.arches), only="csv"),
    Column("Installed", "size", name="installed_size", value=lambda row: row.installed_size,
           words=_size, also=_smallest_size),
    *map(_growth, GROWTH_DAYS),
    "largest_step",
    "objectives",
    Column("Status", "state", name="status", wide=True, value=lambda row: row.status),
    "packages",
    "download_size",
    "layer_size",
    "maintainers",
)  # fmt: skip
