"""pygal's curve, with labels at the points of most weight, where they fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pygal

from bot.web.charts.label_places import Place, Point, Words, place
from bot.web.charts.look import TEXT, Look
from bot.web.font import fitting, width

_HEIGHT = 15.0
_MOST, _MOST_NARROW = 8, 3
# The most pixels of a label, and of one that is truncated to fit.
_WIDEST, _WIDEST_NARROW = (340.0, 180.0, 110.0), (180.0, 110.0)


class LabelledXY(pygal.XY):  # type: ignore[misc]  # pygal has no types
    """A curve whose points may have `written` (a few words) and `weight` beside their value.

    Words link to where their point links.
    """

    def __init__(self, look: Look, **options: Any) -> None:
        self._chosen = look
        super().__init__(**options)

    def _plot(self) -> None:
        super()._plot()
        for serie in self.series:
            self._write(serie)

    def _write(self, serie: Any) -> None:
        line = [Point(*self.view(point)) for point in serie.points if None not in point]
        marked = [(Point(*self.view(serie.points[i])), about) for i, about in _marked(serie)]
        narrow = self._chosen.narrow
        ordered = sorted(marked, key=lambda pair: -pair[1]["weight"])
        shown = ordered[: _MOST_NARROW if narrow else _MOST]
        forms = [_forms(about["written"], narrow=narrow) for _, about in shown]
        places = place(
            [
                Words(at, [width(text, TEXT) for text in texts], _HEIGHT)
                for (at, _), texts in zip(shown, forms, strict=True)
            ],
            [line],
            [at for at, _ in shown],
            Point(self.view.width, self.view.height),
        )
        parent = self.svg.node(self.nodes["text_overlay"], class_="series step-labels")
        for (_, about), texts, found in zip(shown, forms, places, strict=True):
            if found is not None:
                self._written(parent, found, texts[found.form], about)

    def _written(self, parent: Any, found: Place, text: str, about: Any) -> None:
        node, box = self.svg.node, found.box
        if found.leader:
            start, end = found.leader
            node(parent, "line", x1=start.x, y1=start.y, x2=end.x, y2=end.y, class_="leader")
        link = node(parent, "a", **about["xlink"]) if about.get("xlink") else parent
        # Fixed to its width, whatever font the browser has.
        written = node(
            link, "text", x=box.left, y=box.bottom - 4, class_="label",
            textLength=round(box.right - box.left, 1), lengthAdjust="spacingAndGlyphs",
        )  # fmt: skip
        written.text = text


def _forms(text: str, *, narrow: bool) -> list[str]:
    """A text, and its truncated form for less room."""
    widest = _WIDEST_NARROW if narrow else _WIDEST
    return list(dict.fromkeys(fitting(text, TEXT, most) for most in widest))


def _marked(serie: Any) -> Iterator[tuple[int, Any]]:
    for index, point in enumerate(serie.points):
        about = serie.metadata.get(index)
        if about and about.get("written") and None not in point:
            yield index, about
