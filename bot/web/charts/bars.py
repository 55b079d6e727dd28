"""Bars and tiles: architectures side by side, images that moved, packages by bytes; and an icicle
chart of an image's dominator tree, with the bytes that each package alone brings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from bot.report.sizes import format_delta, plural
from bot.store.history.fleet_queries import Spread
from bot.web.addresses import image_url, package_url
from bot.web.charts.plot import Box, Words
from bot.web.charts.svg import (
    AUTO,
    PARTS,
    SERIES,
    Look,
    Part,
    add,
    count_words,
    drawing,
    fitting,
    group,
    legend,
    part_class,
    size_words,
    svg,
    width,
)
from bot.web.responses.differences import OtherArchitecture
from bot.web.responses.image_packages import ImagePackage
from bot.web.responses.overview import Mover

_TILES, _HEIGHT = 60, 460
_LINE = 18  # pixels of a line of text
_LEGEND = 24.0  # pixels above the tiles


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
    """The packages with the most versions."""
    bars = [_Bar(row.name, row.versions, package_url(row.name)) for row in rows[:15]]
    return _bars(bars, count_words, 26, look)


def movers_chart(rows: Sequence[Mover], *, look: Look = AUTO) -> str:
    """The images that moved most, by bytes."""
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
    """Horizontal bars, each with its name and value; negative ones extend to the left."""
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


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile of a treemap: its bytes, its part of the image, and its link."""

    name: str
    size: int
    part: Part
    url: str | None = None


def treemap(packages: Sequence[ImagePackage], *, look: Look = AUTO) -> str:
    """A tile for each package, sized by bytes, coloured by its part of the image."""
    ordered = sorted(packages, key=lambda p: -(p.installed_size or 0))
    drawn = [p for p in ordered[:_TILES] if p.installed_size]
    all_tiles = [Tile(p.name, p.installed_size or 0, p.part, package_url(p.name)) for p in drawn]
    for part in PARTS:
        rest = [p for p in ordered[len(drawn) :] if p.part == part]
        size = sum(p.installed_size or 0 for p in rest)
        all_tiles += [Tile(plural(len(rest), "other"), size, part)] if size else []
    return tiles(all_tiles, look=look)


def tiles(tiles_to_draw: Sequence[Tile], *, look: Look = AUTO, share: float = 1) -> str:
    """Tiles, grouped by part, with a legend of the colours.

    They fill `share` (0 to 1) of a drawing's usual height, so that two drawings have one scale.
    """
    parts: dict[Part, list[Tile]] = {}
    for tile in sorted(tiles_to_draw, key=lambda tile: -tile.size):
        parts.setdefault(tile.part, []).append(tile)
    groups = sorted(parts.values(), key=lambda tiles: -sum(tile.size for tile in tiles))
    bottom = _LEGEND + max(share * (_HEIGHT - 1 - _LEGEND), _LINE)
    root = drawing(look, bottom + 1 if groups else 60)
    if not groups:
        add(root, "text", "Nothing to draw yet", class_="middle", x=look.width / 2, y=30)
    legend(root, [part for part in PARTS if part in parts])
    area = Box(1, _LEGEND, look.width - 1, bottom)
    boxes = tiled([sum(tile.size for tile in tiles) for tiles in groups], area)
    for members, outer in zip(groups, boxes, strict=True):
        inner = tiled([tile.size for tile in members], outer)
        for tile, box in zip(members, inner, strict=True):
            _tile(root, tile, box)
    return svg(root)


def _tile(root: Element, tile: Tile, box: Box) -> None:
    words = f"{tile.name} {size_words(tile.size)}"
    link, across, down = group(root, words, tile.url), box.right - box.left, box.bottom - box.top
    add(link, "rect", x=box.left, y=box.top, width=across, height=down,
        class_=f"tile {part_class(tile.part)}")  # fmt: skip
    room = across - 8 if down > _LINE else 0
    text = next((t for t in (words, tile.name) if width(t) < room), "")
    if text:
        add(link, "text", text, class_="on",
            x=box.left + across / 2, y=box.top + down / 2 + 4)  # fmt: skip


def tiled(sizes: Sequence[int], area: Box) -> list[Box]:
    """Tiles that fill an area in proportion to `sizes`, which must be sorted, largest first.

    Squarified (M. Bruls, K. Huizing, J. van Wijk: Squarified Treemaps, 2000): rows along the
    shorter side, each extended while its tiles become squarer.
    """
    return list(_tiled(list(sizes), area))


def _tiled(sizes: list[int], area: Box) -> Iterator[Box]:
    while sizes:
        across, down = area.right - area.left, area.bottom - area.top
        share = across * down / sum(sizes)
        side = min(across, down)
        count = 1
        while count < len(sizes) and _worst_ratio(sizes[: count + 1], share, side) <= _worst_ratio(
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


def _worst_ratio(row: Sequence[int], share: float, side: float) -> float:
    """The largest ratio of a tile's sides in a row."""
    total = sum(row) * share
    if not total or not side:
        return 0.0
    return max(
        max(side**2 * size * share / total**2, total**2 / (side**2 * size * share)) for size in row
    )


_ROW, _TOP = 30, 26  # pixels of a row, and above the first for the legend
_DEEPEST = 9
_NARROWEST = 2.0  # pixels: narrower packages are drawn together as one block


def icicle(
    packages: Sequence[ImagePackage],
    above: Sequence[int | None],
    url: Mapping[int, str],
    *,
    look: Look = AUTO,
) -> str:
    """Each package as wide as the bytes that would leave with it, below the package that holds it.

    `above` has for each package the index of the one that dominates it, null for a package that is
    there by itself or through several; `url` has the address of each.
    """
    below: dict[int | None, list[int]] = {}
    for place, holder in enumerate(above):
        below.setdefault(holder, []).append(place)
    for places in below.values():
        places.sort(key=lambda place: (-packages[place].leaves.installed_size, place))
    root = drawing(look, _TOP + _ROW * min(_depth(below, None), _DEEPEST) + 4)
    if not packages:
        add(root, "text", "Nothing to draw yet", class_="middle", x=look.width / 2, y=20)
        return svg(root)
    legend(root, [part for part in PARTS if any(p.part == part for p in packages)])
    total = sum(p.installed_size or 0 for p in packages)
    scale = (look.width - 2) / max(total, 1)
    _rows(root, packages, below, url, (None, 1.0, 0), scale)
    return svg(root)


def _rows(
    root: Element,
    packages: Sequence[ImagePackage],
    below: Mapping[int | None, Sequence[int]],
    url: Mapping[int, str],
    start: tuple[int | None, float, int],
    scale: float,
) -> None:
    to_draw = [start]
    while to_draw:
        holder, left, level = to_draw.pop()
        if level >= _DEEPEST:
            continue
        for place in below.get(holder, ()):
            package = packages[place]
            across = package.leaves.installed_size * scale
            if across < _NARROWEST:
                break  # the following ones are not wider
            _block(root, package, url[place], (left, across, level))
            to_draw.append((place, left, level + 1))
            left += across


def _block(root: Element, package: ImagePackage, url: str, box: tuple[float, float, int]) -> None:
    left, across, level = box
    leaves = package.leaves
    words = f"{package.name} {size_words(leaves.installed_size)}"
    count = plural(leaves.packages, "package")
    link = group(root, f"{package.name} holds {count}, {size_words(leaves.installed_size)}", url)
    top = _TOP + _ROW * level
    colour = f"tile {part_class(package.part)}"
    add(link, "rect", x=left, y=top, width=across, height=_ROW, class_=colour)
    texts = (words, fitting(package.name, across - 8))
    text = next((candidate for candidate in texts if width(candidate) < across - 8), "")
    if len(text) > 2:
        add(link, "text", text, class_="on", x=left + across / 2, y=top + _ROW / 2 + 4)


def _depth(below: Mapping[int | None, Sequence[int]], holder: int | None) -> int:
    level, here = 0, list(below.get(holder, ()))
    while here:
        level += 1
        here = [inner for place in here for inner in below.get(place, ())]
    return level
