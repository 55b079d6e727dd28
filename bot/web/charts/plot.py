"""The frame of a chart over time: scales, guides, and the labels of both axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from bot.web.charts.svg import TEXT, Look, add, drawing, width

Words = Callable[[float | None], str]
_TOP, _BOTTOM, _RIGHT = 8, 26, 44  # pixels around the plot


class Plot:
    """A frame for values at times (seconds since 1970), `height` pixels high with its labels.

    `x` and `y` map a time and a value to pixels; `below` is further room, for a legend.
    """

    def __init__(
        self,
        look: Look,
        height: int,
        times: Sequence[float],
        values: Sequence[float],
        words: Words,
        *,
        whole: bool = False,
        below: float = 0,
    ) -> None:
        self.look = look
        self.root = drawing(look, height + below)
        low, high = (min(values), max(values)) if values else (0.0, 0.0)
        air = (high - low) * 0.04 or max(abs(high) * 0.04, 1.0)
        self._low, self._high = low - air, high + air
        marks = _marks(self._low, self._high, 4 if look.narrow else 7, whole=whole)
        self.left = max((width(words(mark)) for mark in marks), default=0) + 14
        self.right, self.top, self.bottom = look.width - _RIGHT, _TOP, height - _BOTTOM
        self._first = min(times, default=0.0)
        self._span = max(times, default=0.0) - self._first
        if not values:
            add(self.root, "text", "Nothing to draw yet", class_="middle",
                x=look.width / 2, y=height / 2)  # fmt: skip
            return
        for mark in marks:
            at = self.y(mark)
            add(self.root, "path", d=f"M{self.left:.0f} {at:.1f}H{self.right}", class_="guide")
            add(self.root, "text", words(mark), x=self.left - 6, y=at + 4, class_="figure")
        frame = f"M{self.left:.0f} {self.top}V{self.bottom}H{self.right}"
        add(self.root, "path", d=frame, class_="axis")
        label = axis_format(times)
        for moment in ticks(times, narrow=look.narrow):
            add(self.root, "text", label(moment), class_="middle",
                x=self.x(moment), y=self.bottom + TEXT + 6)  # fmt: skip

    def x(self, moment: float) -> float:
        """The place of a time; one time alone is in the middle."""
        part = (moment - self._first) / self._span if self._span else 0.5
        return self.left + 16 + part * (self.right - self.left - 32)

    def y(self, value: float) -> float:
        """The place of a value."""
        part = (value - self._low) / (self._high - self._low)
        return self.bottom - part * (self.bottom - self.top)


def _marks(low: float, high: float, most: int, *, whole: bool) -> list[float]:
    """Round values between two others, at most `most`: multiples of 1, 2 or 5 times ten to some
    power."""
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(power * n for n in (1, 2, 5, 10) if power * n * most >= high - low)
    step = max(step, 1.0) if whole else step
    return [n * step for n in range(math.ceil(low / step), math.floor(high / step) + 1)]


def seconds(text: str) -> float:
    """Seconds since 1970; a date alone is its first second."""
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def axis_format(times: Sequence[float]) -> Callable[[float], str]:
    """The format of times on the axis: days, with hours where all lie within three days."""
    form = "%Y-%m-%d" if not times or max(times) - min(times) > 3 * 86400 else "%m-%d %H:%M"
    return lambda value: datetime.fromtimestamp(value, UTC).strftime(form)


def ticks(times: Sequence[float], *, narrow: bool = False) -> list[float]:
    """The times with a label on the axis, from the first to the last, no label twice."""
    if not times:
        return []
    first, last = min(times), max(times)
    parts = 2 if narrow else 5
    label = axis_format(times)
    found: dict[str, float] = {}
    for part in (0, parts, *range(1, parts)):
        moment = first + (last - first) * part / parts
        found.setdefault(label(moment), moment)
    return sorted(found.values())
