"""The places of labels in a chart: beside their points, never on a line, a dot or a label.

Pixels, from the plot's upper left corner.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

_GAP = 7.0  # between a point and its words
_AIR = 3.0  # around everything
_NEAR = 8.0  # nearer words need no line that leads to them
_SHIFTS = 9


@dataclass(frozen=True, slots=True)
class Point:
    """A position in the plot, in pixels."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Words:
    """The label of a point; of labels that overlap the first wins.

    `widths` are those of the text and of its shorter forms, which are tried when it has no room.
    """

    at: Point
    widths: Sequence[float]
    height: float


@dataclass(frozen=True, slots=True)
class Box:
    """The rectangle of a label, in pixels."""

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


@dataclass(frozen=True, slots=True)
class Place:
    """The box of a label, and the line that leads to it, if it is not beside its point.

    `form` is the index of its width in `Words.widths`.
    """

    box: Box
    leader: tuple[Point, Point] | None
    form: int


class Columns:
    """The ranges that lines cover in each column of pixels: quick to query for many lines."""

    def __init__(self, lines: Iterable[Sequence[Point]], width: float) -> None:
        self._covered: list[list[tuple[float, float]]] = [[] for _ in range(int(width) + 2)]
        for line in lines:
            for start, end in itertools.pairwise(line):
                self._cover(*sorted((start, end), key=lambda p: p.x))

    def _cover(self, left: Point, right: Point) -> None:
        first, last = int(left.x), int(right.x)
        slope = (right.y - left.y) / (right.x - left.x) if right.x > left.x else 0.0
        for column in range(max(first, 0), min(last, len(self._covered) - 1) + 1):
            ends = [left.y + slope * (x - left.x) for x in
                    (max(left.x, column), min(right.x, column + 1))]  # fmt: skip
            ends += [left.y, right.y] if first == last else []
            self._add(column, min(ends), max(ends))

    def _add(self, column: int, top: float, bottom: float) -> None:
        known = self._covered[column]
        if known and top <= known[-1][1] and known[-1][0] <= bottom:
            known[-1] = min(top, known[-1][0]), max(bottom, known[-1][1])
        else:
            known.append((top, bottom))

    def meet(self, box: Box) -> bool:
        """Return whether a line goes through a box, or close to it."""
        first, last = int(box.left - _AIR), int(box.right + _AIR)
        top, bottom = box.top - _AIR, box.bottom + _AIR
        return any(
            low <= bottom and top <= high
            for column in self._covered[max(first, 0) : last + 1]
            for low, high in column
        )


def place(
    words: Iterable[Words],
    lines: Iterable[Sequence[Point]],
    dots: Iterable[Point],
    area: Point,
) -> list[Place | None]:
    """A place for each of `words`, null without room; `area` is the plot's lower right."""
    taken = _Taken(Columns(lines, area.x), list(dots), area)
    return [taken.find(one) for one in words]


class _Taken:
    """The shapes that are in the plot already."""

    def __init__(self, lines: Columns, dots: Sequence[Point], area: Point) -> None:
        self._lines = lines
        self._plot = Box(0, 0, area.x, area.y)
        self._dots = [Box(d.x - _AIR, d.y - _AIR, d.x + _AIR, d.y + _AIR) for d in dots]
        self._places: list[Place] = []

    def find(self, words: Words) -> Place | None:
        """The nearest place where `words` lie on nothing; it is taken then."""
        for form, width in enumerate(words.widths):
            for box in _candidates(words.at, width, words.height, self._plot.right):
                found = Place(box, _leader(words.at, box), form)
                if self._free(found, words.at):
                    self._places.append(found)
                    return found
        return None

    def _free(self, found: Place, at: Point) -> bool:
        box = found.box
        if not _inside(box, self._plot) or any(box.meets(dot) for dot in self._dots):
            return False
        for other in self._places:
            if box.meets(other.box, _AIR) or (other.leader and _through(*other.leader, box)):
                return False
            if found.leader and _through(*found.leader, other.box):
                return False
        if found.leader and any(
            _through(*found.leader, dot) for dot in self._dots if not _holds(dot, at)
        ):
            return False
        return not self._lines.meet(box)


def _candidates(at: Point, width: float, height: float, edge: float) -> Iterator[Box]:
    """Places for words, the nearest to their point first; none begins or ends outside."""
    beside = at.x + _GAP, at.x - _GAP - width, at.x - width / 2
    starts = dict.fromkeys(max(min(start, edge - width - _AIR), _AIR) for start in beside)
    for shift in range(_SHIFTS):
        away = shift * (height + _AIR)
        for top in dict.fromkeys((at.y - height / 2 - away, at.y - height / 2 + away)):
            for start in starts:
                yield Box(start, top, start + width, top + height)


def _leader(at: Point, box: Box) -> tuple[Point, Point] | None:
    near = Point(min(max(at.x, box.left), box.right), min(max(at.y, box.top), box.bottom))
    return (at, near) if abs(near.x - at.x) + abs(near.y - at.y) > _NEAR else None


def _through(start: Point, end: Point, box: Box) -> bool:
    """Return whether a straight line goes through a box (Liang and Barsky's clipping)."""
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


def _holds(box: Box, point: Point) -> bool:
    return box.left <= point.x <= box.right and box.top <= point.y <= box.bottom


def _inside(box: Box, plot: Box) -> bool:
    return (
        plot.left <= box.left
        and box.right <= plot.right
        and plot.top <= box.top
        and box.bottom <= plot.bottom
    )
