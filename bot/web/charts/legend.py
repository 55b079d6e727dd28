"""The colours of a drawing of packages: each is one part of the image, and a legend says which."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal
from xml.etree.ElementTree import Element

from bot.web.charts.svg import SERIES, add, width

# Of an image's packages, and of a check's.
Part = Literal["environment", "requested", "comes along", "came", "went", "stays"]
_LOOKS: dict[Part, tuple[str, str]] = {
    "environment": (SERIES[7], "of the environment"),
    "requested": (SERIES[0], "requested by the workload"),
    "comes along": (SERIES[5], "comes along with the workload"),
    "came": ("grew", "comes in"),
    "went": ("shrank", "leaves"),
    "stays": (SERIES[7], "stays"),
}
PARTS: tuple[Part, ...] = tuple(_LOOKS)


def part_class(part: Part) -> str:
    """The class that gives a part its colour."""
    return _LOOKS[part][0]


def legend(root: Element, parts: Iterable[Part]) -> None:
    """Write the meaning of each colour along the top of a drawing, 20 pixels high."""
    left = 2.0
    for part in parts:
        colour, words = _LOOKS[part]
        add(root, "rect", x=left, y=5, width=12, height=12, class_=f"bar {colour}")
        add(root, "text", words, x=left + 17, y=15)
        left += width(words) + 34
