"""The frame of a chart over time, and the places of its labels.

Labels stand beside their points, never on the line, a dot or a label. Lengths are pixels; the line
is one of stairs, of horizontal and vertical pieces.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from bot.web.charts.svg import TEXT, Look, add, drawing, width

_GAP = 7.0  # between a point and its label
_AIR = 3.0  # around everything
_NEAR = 8.0  # nearer labels need no leader line
_SHIFTS = 9
HEIGHT = 15.0


class Point(NamedTuple):
    """A position in the plot."""

    x: float
    y: float


class Box(NamedTuple):
    """A rectangle."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box, air: float = 0.0) -> bool:
        """Return whether the two overlap, or are nearer than `air`."""
        return (
            self.left < other.right + air
            and other.left < self.right + air
            and self.top < other.bottom + air
            and other.top < self.bottom + air
        )

    def has(self, point: Point) -> bool:
        """Return whether a point lies in the rectangle or on its edge."""
        return self.left <= point.x <= self.right and self.top <= point.y <= self.bottom


class Place(NamedTuple):
    """The box of a label, and the leader line to it, if it is not beside its point.

    `form` is the index of its width.
    """

    box: Box
    leader: tuple[Point, Point] | None
    form: int


def place(
    labels: Sequence[tuple[Point, Sequence[float]]], stairs: Sequence[Point], plot: Box
) -> list[Place | None]:
    """A place for each label, null without room; of labels that overlap the first wins.

    A label is a point, and the widths of its text and of its shorter forms, which are used if there
    is no room.
    """
    space = _OccupiedSpace(stairs, [at for at, _ in labels], plot)
    return [space.find(at, widths) for at, widths in labels]


class _OccupiedSpace:
    """The occupied shapes of the plot."""

    def __init__(self, stairs: Sequence[Point], dots: Sequence[Point], plot: Box) -> None:
        self._plot = plot
        self._dots = [Box(d.x - _AIR, d.y - _AIR, d.x + _AIR, d.y + _AIR) for d in dots]
        self._places: list[Place] = []
        # The line is connected, so it covers one range in each column of pixels.
        self._covered: dict[int, tuple[float, float]] = {}
        for start, end in itertools.pairwise(stairs):
            low, high = sorted((start.y, end.y))
            for column in range(int(min(start.x, end.x)), int(max(start.x, end.x)) + 1):
                covered = self._covered.get(column, (low, high))
                self._covered[column] = min(low, covered[0]), max(high, covered[1])

    def find(self, at: Point, widths: Sequence[float]) -> Place | None:
        """The nearest free place for a label, which is then occupied."""
        for form, room in enumerate(widths):
            for box in self._candidates(at, room):
                position = Place(box, _leader(at, box), form)
                if self._free(position, at):
                    self._places.append(position)
                    return position
        return None

    def _candidates(self, at: Point, width: float) -> Iterator[Box]:
        """Places for a label, the nearest to its point first, all within the plot."""
        first, last = self._plot.left + _AIR, self._plot.right - width - _AIR
        beside = at.x + _GAP, at.x - _GAP - width, at.x - width / 2
        starts = dict.fromkeys(max(min(start, last), first) for start in beside)
        for shift in range(_SHIFTS):
            away = shift * (HEIGHT + _AIR)
            for top in dict.fromkeys((at.y - HEIGHT / 2 - away, at.y - HEIGHT / 2 + away)):
                for start in starts:
                    yield Box(start, top, start + width, top + HEIGHT)

    def _free(self, position: Place, at: Point) -> bool:
        box, leader = position.box, position.leader
        if not all(map(self._plot.has, (Point(box.left, box.top), Point(box.right, box.bottom)))):
            return False
        if any(box.meets(dot) for dot in self._dots):
            return False
        for earlier in self._places:
            if box.meets(earlier.box, _AIR) or (earlier.leader and _crosses(*earlier.leader, box)):
                return False
            if leader and _crosses(*leader, earlier.box):
                return False
        if leader and any(_crosses(*leader, d) for d in self._dots if not d.has(at)):
            return False
        return not self._on_line(box)

    def _on_line(self, box: Box) -> bool:
        for column in range(int(box.left - _AIR), int(box.right + _AIR) + 1):
            low, high = self._covered.get(column, (0.0, -1.0))
            if low <= high and low <= box.bottom + _AIR and box.top - _AIR <= high:
                return True
        return False


def _leader(at: Point, box: Box) -> tuple[Point, Point] | None:
    near = Point(min(max(at.x, box.left), box.right), min(max(at.y, box.top), box.bottom))
    return (at, near) if abs(near.x - at.x) + abs(near.y - at.y) > _NEAR else None


def _crosses(start: Point, end: Point, box: Box) -> bool:
    """Return whether a straight line crosses a box (Liang and Barsky's clipping)."""
    enters, leaves = 0.0, 1.0
    for move, low, high in (
        (end.x - start.x, box.left - start.x, box.right - start.x),
        (end.y - start.y, box.top - start.y, box.bottom - start.y),
    ):
        if move == 0:
            if low > 0 or high < 0:
                return False
            continue
        first, last = sorted((low / move, high / move))
        enters, leaves = max(enters, first), min(leaves, last)
    return enters < leaves


Words = Callable[[float | None], str]
_TOP, _BOTTOM, _RIGHT = 8, 26, 44  # pixels around the plot


class Plot:
    """A frame for values at times (seconds since 1970), `height` pixels high with its labels.

    `x` and `y` map a time and a value to pixels; `below` is additional room for a legend.
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
        """The position of a time; a single time is in the middle."""
        part = (moment - self._first) / self._span if self._span else 0.5
        return self.left + 16 + part * (self.right - self.left - 32)

    def y(self, value: float) -> float:
        """The place of a value."""
        part = (value - self._low) / (self._high - self._low)
        return self.bottom - part * (self.bottom - self.top)


def _marks(low: float, high: float, most: int, *, whole: bool) -> list[float]:
    """Round values between two others, at most `most`: multiples of 1, 2 or 5 times a power of
    ten."""
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(power * n for n in (1, 2, 5, 10) if power * n * most >= high - low)
    step = max(step, 1.0) if whole else step
    return [n * step for n in range(math.ceil(low / step), math.floor(high / step) + 1)]


def seconds(text: str) -> float:
    """Seconds since 1970; a date alone is its first second."""
    time = datetime.fromisoformat(text)
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


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
    labelled: dict[str, float] = {}
    for part in (0, parts, *range(1, parts)):
        moment = first + (last - first) * part / parts
        labelled.setdefault(label(moment), moment)
    return sorted(labelled.values())
