"""Icicle: what each package holds alone, as the dominator tree of an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from bot.report.sizes import plural
from bot.web.charts.svg import (
    AUTO,
    PARTS,
    Look,
    add,
    drawing,
    fitting,
    group,
    legend,
    part_class,
    size_words,
    svg,
    width,
)

if TYPE_CHECKING:
    from bot.web.responses.image_packages import ImagePackage

_ROW, _TOP = 30, 26  # pixels of a row, and above the first for the legend
_DEEPEST = 9
_NARROWEST = 2.0  # pixels: what would be narrower is drawn as one block with its like


def icicle(
    packages: Sequence[ImagePackage],
    above: Sequence[int | None],
    url: Mapping[int, str],
    *,
    look: Look = AUTO,
) -> str:
    """Each package as wide as the bytes that would leave with it, below the one that holds it.

    `above` has for each package the place of the one through which alone it is there, null for one
    that is there by itself or by several; `url` has the address of each.
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
    waiting = [start]
    while waiting:
        holder, left, level = waiting.pop()
        if level >= _DEEPEST:
            continue
        for place in below.get(holder, ()):
            package = packages[place]
            across = package.leaves.installed_size * scale
            if across < _NARROWEST:
                break  # the others are no wider
            _block(root, package, url[place], (left, across, level))
            waiting.append((place, left, level + 1))
            left += across


def _block(root: Element, package: ImagePackage, url: str, box: tuple[float, float, int]) -> None:
    left, across, level = box
    leaves = package.leaves
    words = f"{package.name} {size_words(leaves.installed_size)}"
    held = plural(leaves.packages, "package")
    link = group(root, f"{package.name} holds {held}, {size_words(leaves.installed_size)}", url)
    top = _TOP + _ROW * level
    colour = f"tile {part_class(package.part)}"
    add(link, "rect", x=left, y=top, width=across, height=_ROW, class_=colour)
    texts = (words, fitting(package.name, across - 8))
    text = next((one for one in texts if width(one) < across - 8), "")
    if len(text) > 2:
        add(link, "text", text, class_="on", x=left + across / 2, y=top + _ROW / 2 + 4)


def _depth(below: Mapping[int | None, Sequence[int]], holder: int | None) -> int:
    level, here = 0, list(below.get(holder, ()))
    while here:
        level += 1
        here = [inner for place in here for inner in below.get(place, ())]
    return level
