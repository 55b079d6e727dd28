"""Badges for a README, drawn by anybadge."""

from __future__ import annotations

from anybadge import Badge

_COLOURS = {
    "ok": "#0b5cad",
    "met": "#1a7f37",
    "at risk": "#8a6100",
    "broken": "#b3261e",
    "unsolvable": "#b3261e",
    "unknown": "#5b636b",
}


def badge(label: str, value: str, state: str) -> str:
    """An SVG of a few words; `state` chooses the colour."""
    colour = _COLOURS.get(state, _COLOURS["unknown"])
    return str(Badge(label[:60], value[:60], default_color=colour).badge_svg_text)
