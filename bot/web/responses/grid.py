"""`/grid`: workloads by architecture, with the size and the curve of each image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.model.image import ImageKey
from bot.report.sizes import format_delta, format_size
from bot.store.history.fleet_queries import GROWTH_DAYS
from bot.web.addresses import Parameters, image_url
from bot.web.responses.archive import CURVE_PARTS, Archive, Bend, PageResponse
from bot.web.responses.differences import ordered_architectures
from bot.web.tables import Column, Table, ordered

_PAGE = 100
_ACROSS, _DOWN = 72, 16  # pixels of a curve
Point = tuple[float, int]


@dataclass(frozen=True, slots=True)
class Cell:
    """An image on one architecture: its size now, and its growth in the window.

    `curve` are its sizes, each with the part of the window (0 to 1) at which it began; moves close
    to each other are joined.
    """

    known_size: int | None
    growth: int
    curve: list[Point]


@dataclass(frozen=True, slots=True)
class GridRow:
    """A workload in an environment and a repository, on each architecture; null: no such image."""

    workload: str
    environment: str
    repository: str
    on: dict[str, Cell | None]


@dataclass(frozen=True, slots=True)
class Grid:
    """`/api/grid`: `next` is the offset of the following rows."""

    date: str | None
    window: str
    arches: list[str]
    rows: list[GridRow]
    next: int | None


def grid(archive: Archive, parameters: Parameters) -> PageResponse:
    """The workloads of a page whose names contain every word of `q`."""
    date, page, text = parameters.date, parameters.page(_PAGE), parameters.text("window")
    window = text if text in GROWTH_DAYS else "year"
    words = parameters.text("q").casefold().split()
    every = archive.evaluations(date)
    families: dict[ImageKey, dict[str, ImageKey]] = {}
    for key in every:
        if all(word in f"{key.workload} {key.environment} {key.repository}" for word in words):
            families.setdefault(replace(key, arch=""), {})[key.arch] = key
    arches = ordered_architectures(key.arch for key in every)
    growth = archive.growth(date)

    def cell(key: ImageKey | None) -> Cell | None:
        if key is None:
            return None
        gained = getattr(growth[key], window) if key in growth else 0
        return Cell(every[key].facts.known_size, gained, [])

    rows = [
        GridRow(f.workload, f.environment, f.repository, {a: cell(on.get(a)) for a in arches})
        for f, on in families.items()
    ]
    columns = _columns(arches)
    if parameters.order is not None:
        rows = ordered(rows, columns, parameters.order)
    shown = _with_curves(archive, page.of(rows), window, date)
    data = Grid(date, window, arches, shown, page.next(len(rows)))
    extra = {"q": parameters.text("q"), "page": page, "windows": tuple(GROWTH_DAYS)}
    return PageResponse(
        "grid.html.j2", data, {"rows": Table("Workloads", columns, shown, date)}, extra
    )


def _with_curves(
    archive: Archive, rows: Sequence[GridRow], window: str, date: str | None
) -> list[GridRow]:
    moves = archive.bends(window, date)
    return [
        replace(
            row,
            on={
                arch: replace(cell, curve=_curve(cell, moves.get(_key(row, arch), ())))
                if cell
                else None
                for arch, cell in row.on.items()
            },
        )
        for row in rows
    ]


def _key(row: GridRow, arch: str) -> ImageKey:
    return ImageKey(row.workload, row.environment, row.repository, arch)


def _curve(cell: Cell, moves: Sequence[Bend]) -> list[Point]:
    """The sizes of an image over time, oldest first, from its current size and its moves."""
    size = cell.known_size
    if size is None:
        return []
    points: list[Point] = []
    for part, delta in reversed(moves):
        points.append((round((part + 1) / CURVE_PARTS, 3), size))
        size -= delta
    return [(0.0, size), *reversed(points)]


def path_of(curve: Sequence[Point]) -> str:
    """A curve as an SVG path of stairs, scaled from its smallest to its largest value."""
    if not curve:
        return ""
    sizes = [size for _, size in curve]
    low, high = min(sizes), max(sizes)
    spread = (high - low) or 1

    def y(size: int) -> str:
        return f"{_DOWN - 1 - (size - low) / spread * (_DOWN - 2):.1f}"

    steps = "".join(f"H{part * _ACROSS:.0f}V{y(size)}" for part, size in curve[1:])
    return f"M0 {y(curve[0][1])}{steps}H{_ACROSS}"


def _columns(arches: Sequence[str]) -> tuple[Column, ...]:
    def size(arch: str) -> Column:
        return Column(
            arch, "size", name=arch,
            value=lambda row: row.on[arch].known_size if row.on[arch] else None,
            words=lambda row: _words(row.on[arch]),
            link=lambda row, date: image_url(_key(row, arch), date=date) if row.on[arch] else None,
            also=lambda row: _gained(row.on[arch]),
            curve=lambda row: path_of(row.on[arch].curve) if row.on[arch] else "",
        )  # fmt: skip

    name = Column(
        "Workload", name="workload", value=lambda row: row.workload,
        also=lambda row: f"{row.environment}, {row.repository}",
    )  # fmt: skip
    return (name, *map(size, arches))


def _words(cell: Cell | None) -> str:
    if cell is None:
        return "no such image"
    return format_size(cell.known_size) if cell.known_size is not None else "cannot be installed"


def _gained(cell: Cell | None) -> str | None:
    return format_delta(cell.growth) if cell and cell.growth else None
