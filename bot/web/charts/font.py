"""The font that charts are drawn in: how wide texts are in it, the same on every machine.

PNG is drawn in this very font. SVG names it first, and words whose place was chosen by their width
are held to it, whatever font the reader has.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from font_roboto import font_files
from fontTools.ttLib import TTFont

FONT = "Roboto"
FILE = Path(font_files[FONT])


@cache
def _widths() -> Mapping[int, float]:
    """The width of each character that the font has, at a size of 1."""
    with TTFont(FILE, lazy=True) as font:
        units = font["head"].unitsPerEm
        widths = font["hmtx"].metrics
        return {code: widths[name][0] / units for code, name in font.getBestCmap().items()}


def width(text: str, size: float) -> float:
    """How wide a text is in pixels; a character that the font lacks counts as its widest."""
    widths = _widths()
    return size * sum(widths.get(ord(character), 1.0) for character in text)


def fitting(text: str, size: float, most: float) -> str:
    """A text, cut so that it is not wider than `most` pixels."""
    if width(text, size) <= most:
        return text
    while text and width(f"{text}\N{HORIZONTAL ELLIPSIS}", size) > most:
        text = text[:-1]
    return f"{text.rstrip()}\N{HORIZONTAL ELLIPSIS}"


def has_all(text: str) -> bool:
    """Whether the font has every character of a text."""
    widths = _widths()
    return all(ord(character) in widths for character in text if not character.isspace())
