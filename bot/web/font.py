"""The font that charts are drawn in: the widths of texts in it, the same on every machine.

PNG is drawn in this font. SVG on our pages loads it from this server; elsewhere (in a README) it is
only named, and placed labels have a fixed `textLength`, whatever font the browser has.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from font_roboto import font_files
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont

FONT = "Roboto"
FILE = Path(font_files[FONT])
# Latin with its extensions, punctuation, currency, arrows and signs: the characters for browsers.
_FOR_BROWSERS = (*range(0x20, 0x250), *range(0x2000, 0x2300))


@cache
def for_browsers() -> bytes:
    """The font as WOFF, with the letters that names and sizes are written in."""
    options = Options(flavor="woff", hinting=False, layout_features=[])
    with TTFont(FILE) as font:
        subsetter = Subsetter(options)
        subsetter.populate(unicodes=_FOR_BROWSERS)
        subsetter.subset(font)
        font.flavor = "woff"
        # Otherwise the time of creation, which would change the file's name at each start.
        font.recalcTimestamp = False
        made = io.BytesIO()
        font.save(made)
    return made.getvalue()


@cache
def _widths() -> Mapping[int, float]:
    """The width of each character that the font has, at a size of 1."""
    with TTFont(FILE, lazy=True) as font:
        units = font["head"].unitsPerEm
        widths = font["hmtx"].metrics
        return {code: widths[name][0] / units for code, name in font.getBestCmap().items()}


def width(text: str, size: float) -> float:
    """The width of a text in pixels; a character that the font lacks counts as its widest."""
    widths = _widths()
    return size * sum(widths.get(ord(character), 1.0) for character in text)


def fitting(text: str, size: float, most: float) -> str:
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
