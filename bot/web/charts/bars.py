"""Bars and tiles: architectures beside each other, images that moved, packages by their bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bot.report.sizes import format_delta
from bot.store.history.fleet_queries import Spread
from bot.web.addresses import image_url, package_url
from bot.web.charts.plot import Box, Words
from bot.web.charts.svg import (
    AUTO,
    SERIES,
    Look,
    add,
    count_words,
    drawing,
    fitting,
    group,
    size_words,
    svg,
    width,
)
from bot.web.responses.differences import OtherArchitecture
from bot.web.responses.image import ImagePackage
from bot.web.responses.overview import Mover

_TILES, _HEIGHT = 60, 460
_LINE = 18  # pixels that a line of text needs


@dataclass(frozen=True, slots=True)
class _Bar:
    name: str
    value: int | None
    url: str
    colour: str = SERIES[0]


def architectures_chart(rows: Sequence[OtherArchitecture], *, look: Look = AUTO) -> str:
    """The installed size of an image on each architecture."""
    bars = [_Bar(r.key.arch, r.installed_size, image_url(r.key)) for r in rows]
    return _bars(bars, size_words, 36, look)


def versions_chart(rows: Sequence[Spread], *, look: Look = AUTO) -> str:
    """The packages with most versions."""
    bars = [_Bar(row.name, row.versions, package_url(row.name)) for row in rows[:15]]
    return _bars(bars, count_words, 26, look)


def movers_chart(rows: Sequence[Mover], *, look: Look = AUTO) -> str:
    """The images that moved furthest, by bytes."""
    bars = [
        _Bar(
            f"{row.key.workload} {row.key.arch}",
            row.known_delta,
            image_url(row.key),
            "grew" if row.known_delta > 0 else "shrank",
        )
        for row in rows[:12]
    ]
    return _bars(
        bars, lambda value: format_delta(None if value is None else round(value)), 28, look
    )


def _bars(bars: Sequence[_Bar], words: Words, height: int, look: Look) -> str:
    """Level bars, each with its name and its value; those below 0 lead to the left."""
    root = drawing(look, height * len(bars) + 12 if bars else 60)
    if not bars:
        add(root, "text", "Nothing to draw yet", class_="middle", x=look.width / 2, y=30)
    most = 110 if look.narrow else 300
    names = [fitting(bar.name, most) for bar in bars]
    left = max(map(width, names), default=0) + 12
    values = [bar.value or 0 for bar in bars]
    low, high = min([0, *values]), max([0, *values])
    room = max((width(words(bar.value)) for bar in bars), default=0) + 10
    first = left + (room if low < 0 else 0)
    scale = (look.width - room - first - 8) / ((high - low) or 1)
    zero = first - low * scale
    for number, (bar, name, value) in enumerate(zip(bars, names, values, strict=True)):
        top, middle = 6 + number * height + 3, 6 + number * height + height / 2 + 4
        text = words(bar.value)
        link = group(root, f"{bar.name}: {text}", bar.url)
        add(link, "text", name, x=left - 8, y=middle, class_="figure")
        start, length = zero + min(value, 0) * scale, max(abs(value) * scale, 1)
        add(link, "rect", x=start, y=top, width=length, height=height - 6,
            class_=f"bar {bar.colour}")  # fmt: skip
        if value < 0:
            add(link, "text", text, x=start - 5, y=middle, class_="figure")
        else:
            add(link, "text", text, x=start + length + 5, y=middle)
    return svg(root)


def treemap(packages: Sequence[ImagePackage], *, look: Look = AUTO) -> str:
    """A tile for each package, sized by bytes; the packages of a source share a colour."""
    ordered = sorted(packages, key=lambda p: -(p.installed_size or 0))
    shown = [p for p in ordered[:_TILES] if p.installed_size]
    rest = sum(p.installed_size or 0 for p in ordered[len(shown) :])
    sources: dict[str, list[tuple[str, int]]] = {}
    for package in shown:
        size = package.installed_size or 0
        sources.setdefault(package.source, []).append((package.name, size))
    if rest:
        sources[""] = [("others", rest)]
    groups = sorted(sources.values(), key=lambda found: -sum(size for _, size in found))
    root = drawing(look, _HEIGHT if groups else 60)
    if not groups:
        add(root, "text", "Nothing to draw yet", class_="middle", x=look.width / 2, y=30)
    boxes = tiled([sum(size for _, size in found) for found in groups],
                  Box(1, 1, look.width - 1, _HEIGHT - 1))  # fmt: skip
    for number, (found, area) in enumerate(zip(groups, boxes, strict=True)):
        inner = tiled([size for _, size in found], area)
        for (name, size), box in zip(found, inner, strict=True):
            words = f"{name} {size_words(size)}"
            url = None if sources.get("") is found else package_url(name)
            link, across, down = group(root, words, url), box.right - box.left, box.bottom - box.top
            tone = SERIES[number % len(SERIES)]
            add(
                link,
                "rect",
                x=box.left,
                y=box.top,
                width=across,
                height=down,
                class_=f"tile {tone}",
            )
            room = across - 8 if down > _LINE else 0
            text = next((t for t in (words, name) if width(t) < room), "")
            if text:
                add(link, "text", text, class_="on",
                    x=box.left + across / 2, y=box.top + down / 2 + 4)  # fmt: skip
    return svg(root)


def tiled(sizes: Sequence[int], area: Box) -> list[Box]:
    """Tiles that fill an area, each as large as its share of `sizes`, which fall.

    Squarified (M. Bruls, K. Huizing, J. van Wijk: Squarified Treemaps, 2000): rows along the
    shorter side, each as long as its tiles become squarer with it.
    """
    return list(_tiled(list(sizes), area))


def _tiled(sizes: list[int], area: Box) -> Iterator[Box]:
    while sizes:
        across, down = area.right - area.left, area.bottom - area.top
        share = across * down / sum(sizes)
        side = min(across, down)
        count = 1
        while count < len(sizes) and _worst(sizes[: count + 1], share, side) <= _worst(
            sizes[:count], share, side
        ):
            count += 1
        row, sizes = sizes[:count], sizes[count:]
        depth = sum(row) * share / side if side else 0.0
        place = 0.0
        for size in row:
            length = size * share / depth if depth else 0.0
            if down <= across:
                top = area.top + place
                yield Box(area.left, top, area.left + depth, top + length)
            else:
                left = area.left + place
                yield Box(left, area.top, left + length, area.top + depth)
            place += length
        if down <= across:
            area = Box(area.left + depth, area.top, area.right, area.bottom)
        else:
            area = Box(area.left, area.top + depth, area.right, area.bottom)


def _worst(row: Sequence[int], share: float, side: float) -> float:
    """The largest ratio of a tile's sides in a row."""
    total = sum(row) * share
    if not total or not side:
        return 0.0
    return max(
        max(side**2 * size * share / total**2, total**2 / (side**2 * size * share)) for size in row
    )
