"""The look of every chart: colours, sizes, fonts; and its rendering.

Colours follow the reader's light or dark preference (`theme` auto), or one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pygal.style import Style

from bot.report.sizes import format_size
from bot.web.assets import CHART_FONT, asset_url
from bot.web.font import FONT

Theme = Literal["auto", "light", "dark"]
Json = Mapping[str, Any]
PAPER = ("#ffffff", "#14171a")
INK = ("#1c2024", "#e6e8ea")
QUIET = ("#5b636b", "#9aa3ab")


@dataclass(frozen=True, slots=True)
class Look:
    """The look of a chart: theme, narrow screen, still (without tooltips and links)."""

    theme: Theme = "auto"
    narrow: bool = False
    still: bool = False


AUTO = Look()
TEXT, MARGIN = 12, 8  # pixels
_LIGHT = ("#0b5cad", "#a8480c", "#1a7f37", "#8a3ffc", "#9f1853", "#005d5d", "#6f5500", "#4d5358")
_DARK = ("#7ab8ff", "#ffb077", "#57c46f", "#c9a6ff", "#ff9ac2", "#3ddbd9", "#e0c36a", "#c1c7cd")


def font_face() -> str:
    """The CSS rule by which browsers load the font from this server."""
    return f"@font-face{{font-family:{FONT};font-display:swap;src:url({asset_url(CHART_FONT)})}}"


def colour(look: Look, pair: tuple[str, str]) -> str:
    """A colour's CSS, of its light and its dark value."""
    light, dark = pair
    return {"light": light, "dark": dark, "auto": f"light-dark({light}, {dark})"}[look.theme]


def options(look: Look, height: int, *, tiles: bool = False) -> dict[str, Any]:
    """A pygal chart's options; `tiles` where it is made of coloured tiles with words on them."""
    theme = look.theme

    def of(light: str, dark: str) -> str:
        return colour(look, (light, dark))

    ink, quiet, gap = of(*INK), of(*QUIET), of(*PAPER)
    lines = tuple(of(*pair) for pair in zip(_LIGHT, _DARK, strict=True)) * 8
    scheme = {"auto": "light dark", "light": "light", "dark": "dark"}[theme]
    paper = "transparent" if theme == "auto" else gap
    edges = (
        f" .series rect.reactive{{stroke:{gap};stroke-width:2}} text.label{{text-anchor:middle}}"
        if tiles
        else ""
    )
    style = Style(
        background=paper,
        plot_background="transparent",
        foreground=ink,
        foreground_strong=ink,
        foreground_subtle=quiet,
        guide_stroke_color=of("#dde1e5", "#2c3238"),
        major_guide_stroke_color=of("#c4cad0", "#3c444c"),
        colors=lines,
        value_colors=(gap,) * len(lines) if tiles else (ink,) * len(lines),
        value_label_colors=(gap,) * len(lines) if tiles else (),
        opacity="1" if tiles else ".9",
        opacity_hover=".75",
        stroke_width="2",
        transition="0s",
        font_family=f"{FONT}, system-ui, sans-serif",
        label_font_size=TEXT,
        major_label_font_size=TEXT,
        legend_font_size=13,
        value_font_size=TEXT,
        value_label_font_size=TEXT,
        tooltip_font_size=13,
        no_data_font_size=16,
    )
    return {
        "style": style,
        "css": [
            "file://style.css",
            "file://graph.css",
            f"inline:{font_face()} svg{{color-scheme:{scheme}}}{edges}"
            f" .step-labels text.label{{fill:{ink};stroke:{gap};stroke-width:3;paint-order:stroke}}"
            f" .step-labels a:hover text{{text-decoration:underline}}"
            f" .step-labels .leader{{stroke:{quiet};stroke-width:1}}",
        ],
        "js": [asset_url("pygal-tooltips.min.js")],
        "width": 400 if look.narrow else 960,
        "height": height,
        "margin": MARGIN,
        "margin_right": 40 if look.narrow else 44,
        "truncate_label": 18 if look.narrow else 40,
        "min_scale": 3,
        "max_scale": 4 if look.narrow else 8,
        "disable_xml_declaration": True,
        "no_data_text": "Nothing to draw yet",
        "show_minor_x_labels": True,
    }


def svg(chart: Any) -> str:
    """A chart as SVG text."""
    # Otherwise a random id, and equal charts would differ in bytes.
    chart.uuid = "minimize"
    text = chart.render()
    return text if isinstance(text, str) else text.decode()


def size(value: float | None) -> str:
    """Bytes on an axis."""
    return "" if value is None else format_size(round(value))


def count(value: float | None) -> str:
    """A number on an axis; none between whole ones."""
    return "" if value is None or value != round(value) else f"{value:,.0f}"


def top(url: str) -> dict[str, str]:
    """A link that leaves the drawing for the page that it leads to."""
    return {"href": url, "target": "_top"}
