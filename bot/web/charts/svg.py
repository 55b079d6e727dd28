"""SVG drawings: elements, styles of both themes, and texts that fit.

Colours follow the reader's light or dark preference (`theme` auto), or one of them. Texts are
measured in the font of PNGs and of pages, which load it from this server; elsewhere (in a README)
it is only named, and a label has a fixed `textLength` for any font of the browser.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal
from xml.etree.ElementTree import Element, SubElement, tostring

from bot.report.sizes import format_size
from bot.web.assets import CHART_FONT, FONT_FILE, asset_url

Theme = Literal["auto", "light", "dark"]
FONT = "Roboto"
TEXT = 12  # pixels
_SERIES = (
    ("#0b5cad", "#7ab8ff"), ("#a8480c", "#ffb077"), ("#1a7f37", "#57c46f"), ("#8a3ffc", "#c9a6ff"),
    ("#9f1853", "#ff9ac2"), ("#005d5d", "#3ddbd9"), ("#6f5500", "#e0c36a"), ("#4d5358", "#c1c7cd"),
)  # fmt: skip
SERIES = tuple(f"s{number}" for number in range(len(_SERIES)))
_COLOURS = {
    "ink": ("#1c2024", "#e6e8ea"),
    "quiet": ("#5b636b", "#9aa3ab"),
    "paper": ("#ffffff", "#14171a"),
    "tint": ("#f4f6f8", "#1c2024"),
    "guide": ("#dde1e5", "#2c3238"),
    "grew": ("#a8480c", "#ffb077"),
    "shrank": ("#1a7f37", "#57c46f"),
    "mark": ("#fff1cc", "#4a3a00"),
    "edge": ("#7a5800", "#ffd666"),
    **dict(zip(SERIES, _SERIES, strict=True)),
}
# The class of an element, and its style; a colour's name in braces is replaced by its value.
_RULES = {
    "text": "font-family:Roboto,system-ui,sans-serif;font-size:12px;fill:{ink}",
    ".figure": "text-anchor:end",
    ".middle": "text-anchor:middle",
    ".guide": "stroke:{guide};stroke-dasharray:4,4",
    ".axis": "stroke:{quiet};fill:none",
    ".line": "stroke:currentColor;stroke-width:2;fill:none",
    ".dot,.bar": "fill:currentColor",
    ".tile": "fill:currentColor;stroke:{paper};stroke-width:2",
    ".on": "fill:{paper};text-anchor:middle",
    ".label": "stroke:{paper};stroke-width:3;paint-order:stroke",
    ".leader": "stroke:{quiet}",
    ".node": "fill:{tint};stroke:{quiet}",
    ".requested": "stroke-width:2.5",
    ".wanted": "fill:{mark};stroke:{edge}",
    ".need": "fill:none;stroke:{quiet}",
    ".tip": "fill:{quiet}",
    "a:hover text": "text-decoration:underline",
    ".grew": "color:{grew}",
    ".shrank": "color:{shrank}",
    **{f".{name}": f"color:{{{name}}}" for name in SERIES},
}


@dataclass(frozen=True, slots=True)
class Look:
    """The look of a drawing: its theme, and whether it is for a narrow screen."""

    theme: Theme = "auto"
    narrow: bool = False

    @property
    def width(self) -> int:
        """The width of a chart in pixels."""
        return 400 if self.narrow else 960


AUTO = Look()


def drawing(look: Look, height: float, width: float | None = None) -> Element:
    """An empty drawing; one with a `width` of its own is shown in its full size."""
    size = f"{width or look.width:.0f}", f"{height:.0f}"
    root = Element("svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {size[0]} {size[1]}")
    if width:
        root.set("width", size[0])
        root.set("height", size[1])
    add(root, "style", _style(look.theme))
    if look.theme != "auto":
        add(root, "rect", width="100%", height="100%", fill=_colours(look.theme)["paper"])
    return root


def add(parent: Element, tag: str, text: str = "", **attributes: str | float) -> Element:
    """Add an element; `class_` and `stroke_width` are `class` and `stroke-width`."""
    element = SubElement(parent, tag)
    for name, value in attributes.items():
        attribute = value if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")
        element.set(name.rstrip("_").replace("_", "-"), attribute)
    if text:
        element.text = _printable(text)
    return element


def group(parent: Element, title: str, url: str | None = None) -> Element:
    """Add a group with a tooltip; with a `url` it is a link to a page."""
    element = add(parent, "a", href=url, target="_top") if url else add(parent, "g")
    add(element, "title", title)
    return element


def svg(root: Element) -> str:
    """The drawing as text."""
    return tostring(root, encoding="unicode")


def _printable(text: str) -> str:
    """A text without characters that XML cannot hold."""
    return "".join(
        c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text
    )


def _colours(theme: Theme) -> dict[str, str]:
    if theme == "auto":
        return {name: f"light-dark({a}, {b})" for name, (a, b) in _COLOURS.items()}
    return {name: pair[theme == "dark"] for name, pair in _COLOURS.items()}


@cache
def _style(theme: Theme) -> str:
    scheme = "light dark" if theme == "auto" else theme
    colours = _colours(theme)
    rules = "".join(f"{name}{{{rule.format(**colours)}}}" for name, rule in _RULES.items())
    font = f"@font-face{{font-family:{FONT};font-display:swap;src:url({asset_url(CHART_FONT)})}}"
    return f"{font}svg{{color-scheme:{scheme}}}{rules}"


@cache
def _widths() -> Mapping[int, float]:
    """The width of each character of the font, at a size of 1."""
    from fontTools.ttLib import TTFont

    with TTFont(FONT_FILE, lazy=True) as font:
        units = font["head"].unitsPerEm
        widths = font["hmtx"].metrics
        return {code: widths[name][0] / units for code, name in font.getBestCmap().items()}


def width(text: str, size: float = TEXT) -> float:
    """The width of a text in pixels; a character that the font lacks counts as the widest."""
    widths = _widths()
    return size * sum(widths.get(ord(character), 1.0) for character in text)


def fitting(text: str, most: float, size: float = TEXT) -> str:
    """A text, truncated to at most `most` pixels."""
    if width(text, size) <= most:
        return text
    while text and width(f"{text}\N{HORIZONTAL ELLIPSIS}", size) > most:
        text = text[:-1]
    return f"{text.rstrip()}\N{HORIZONTAL ELLIPSIS}"


def has_all(text: str) -> bool:
    """Return whether the font has every character of a text."""
    widths = _widths()
    return all(ord(character) in widths for character in set(text) if not character.isspace())


def size_words(value: float | None) -> str:
    """Bytes for an axis or a tooltip."""
    return format_size(None if value is None else round(value))


def count_words(value: float | None) -> str:
    """A number for an axis or a tooltip."""
    return "" if value is None else f"{value:,.0f}"


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
    """The class with the colour of a part."""
    return _LOOKS[part][0]


def legend(root: Element, parts: Iterable[Part]) -> None:
    """Write a legend of the colours along the top of a drawing, 20 pixels high."""
    left = 2.0
    for part in parts:
        colour, words = _LOOKS[part]
        add(root, "rect", x=left, y=5, width=12, height=12, class_=f"bar {colour}")
        add(root, "text", words, x=left + 17, y=15)
        left += width(words) + 34
