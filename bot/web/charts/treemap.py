"""Packages as tiles, sized by bytes, with names where they fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pygal

from bot.web.charts.look import AUTO, TEXT, Json, Look, options, size, svg, top
from bot.web.font import width
from bot.web.links import package_url

_TILES = 60
_LINE = 18


def treemap(packages: Sequence[Json], *, look: Look = AUTO) -> str:
    """A tile for each package, sized by bytes; the packages of a source share a colour."""
    ordered = sorted(packages, key=lambda p: -(p["installed_size"] or 0))
    shown = [p for p in ordered[:_TILES] if p["installed_size"]]
    rest = sum(p["installed_size"] or 0 for p in ordered[len(shown) :])
    chart = _Tiles(
        **options(look, 460, tiles=True), show_legend=False, print_labels=True, print_values=False
    )
    sources: dict[str, list[Json]] = {}
    for package in shown:
        sources.setdefault(package["source"], []).append(package)
    for source, found in sources.items():
        chart.add(
            source,
            [
                {
                    "value": p["installed_size"],
                    "label": p["name"],
                    "xlink": top(package_url(p["name"])),
                    "formatter": _named(p["name"]),
                }
                for p in found
            ],
        )
    if rest:
        chart.add("others", [{"value": rest, "label": "others", "formatter": _named("others")}])
    return svg(chart)


def _named(name: str) -> Any:
    return lambda value: f"{name}: {size(value)}"


class _Tiles(pygal.Treemap):  # type: ignore[misc]  # pygal has no types
    """A treemap whose tiles have their names and sizes, as far as there is room for them."""

    def _rect(
        self, serie: Any, node: Any, rects: Any, value: Any, x: Any, y: Any, w: Any, h: Any, i: Any
    ) -> None:
        left, top = self.view((x, y))
        right, bottom = self.view((x + w, y + h))
        about = serie.metadata.get(i) or {}
        name = about.get("label", "")
        room = abs(right - left) - 8 if abs(bottom - top) > _LINE else 0
        fitting = (t for t in (f"{name} {size(value)}", name) if width(t, TEXT) < room)
        written = next(fitting, "")
        # Read when the tile is drawn.
        self.print_labels = bool(written)
        about["label"] = written
        super()._rect(serie, node, rects, value, x, y, w, h, i)
        about["label"] = name
