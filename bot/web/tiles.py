"""pygal's treemap, with names only where they fit."""

from __future__ import annotations

from typing import Any

import pygal

_LETTER, _LINE = 7.5, 18


class Tiles(pygal.Treemap):  # type: ignore[misc]  # pygal has no types
    """A treemap whose tiles have their names, unless they are too small for them."""

    def _rect(
        self, serie: Any, node: Any, rects: Any, value: Any, x: Any, y: Any, w: Any, h: Any, i: Any
    ) -> None:
        left, top = self.view((x, y))
        right, bottom = self.view((x + w, y + h))
        name = (serie.metadata.get(i) or {}).get("label", "")
        fits = abs(right - left) > len(name) * _LETTER and abs(bottom - top) > _LINE
        # Read when the tile is drawn.
        self.print_labels = fits
        super()._rect(serie, node, rects, value, x, y, w, h, i)
