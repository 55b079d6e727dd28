"""An image's figures over time, as stairs: each step names its cause and links to it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.report.sizes import format_count_delta, format_delta
from bot.web.charts.labelled import LabelledXY
from bot.web.charts.look import AUTO, Json, Look, count, options, size, svg, top
from bot.web.charts.times import axis_format, seconds, ticks
from bot.web.links import image_url, key_of
from bot.web.responses.causes import cause_url, in_few_words, in_words


@dataclass(frozen=True, slots=True)
class _Figure:
    """A figure that a curve shows: its names in a point and in a step, and its format."""

    name: str
    delta: str
    words: Callable[[float | None], str]
    delta_words: Callable[[int], str]


_SIZE = _Figure("installed_size", "known_delta", size, format_delta)
_PACKAGES = _Figure("packages", "packages_delta", count, format_count_delta)


def size_chart(points: Sequence[Json], steps: Iterable[Json], *, look: Look = AUTO) -> str:
    """Installed size over time, as stairs; each step names its cause and links to it."""
    return _curve("Installed size", points, steps, _SIZE, look)


def packages_chart(points: Sequence[Json], steps: Iterable[Json], *, look: Look = AUTO) -> str:
    """The number of packages over time, as `size_chart`."""
    return _curve("Packages", points, steps, _PACKAGES, look)


def _curve(
    title: str,
    points: Sequence[Json],
    steps: Iterable[Json],
    figure: _Figure,
    look: Look,
) -> str:
    causes = {step["run"]: step for step in steps}
    times = [seconds(p["evaluated"]) for p in points]
    chart = LabelledXY(
        look,
        **options(look, 320),
        x_value_formatter=axis_format(times),
        show_legend=False,
    )
    chart.x_labels = ticks(times, look)
    chart.value_formatter = figure.words
    values = [(p, p[figure.name]) for p in points]
    if look.still:
        seen = set(visible([value for _, value in values]))
        values = [pair for index, pair in enumerate(values) if index in seen]
    chart.add(title, _stairs(values, causes, figure))
    return svg(chart)


def _stairs(
    values: Sequence[tuple[Json, int | None]], causes: Mapping[int, Json], figure: _Figure
) -> list[Any]:
    """Points at each change, held until the next; null where it is not known.

    Of many steps the largest stand out; the others keep their words and links.
    """
    line: list[Any] = []
    moves = sorted((abs(step[figure.delta] or 0) for step in causes.values()), reverse=True)
    large = moves[OUTSTANDING] if len(moves) > 2 * OUTSTANDING else 0
    for (point, value), following in itertools.zip_longest(values, values[1:]):
        step = causes.get(point["run"])
        shown: dict[str, Any] = {"value": (seconds(point["evaluated"]), value)}
        if step is not None:
            moved = step[figure.delta] or 0
            shown |= {"label": in_words(step), "xlink": top(_cause_url(step))}
            if moved:
                text = f"{figure.delta_words(moved)}: {in_few_words(step)}"
                shown |= {"written": text, "weight": abs(moved)}
            shown["node"] = {"r": 5 if abs(moved) > large else 2}
        else:
            shown["node"] = {"r": 2}
        line.append(shown)
        if following is not None:
            line.append({"value": (seconds(following[0]["evaluated"]), value), "node": {"r": 0}})
    return [p for p in line if p["value"][1] is not None]


def _cause_url(step: Json) -> str:
    """The address of the pull request, or of the image at that time."""
    return cause_url(step) or image_url(key_of(step), date=step["evaluated"]) + "#steps"


_PIXELS = 500
# The steps that stand out where there are more than twice as many.
OUTSTANDING = 30


def visible(values: Sequence[float | None], others: Sequence[float] = ()) -> list[int]:
    """The indexes of the values that a chart can show apart: those between two of them are less
    than half a pixel away from the first. First and last are always included.

    `others` are further values on the same axis.
    """
    known = [*others, *(value for value in values if value is not None)]
    least = (max(known) - min(known)) / _PIXELS if known else 0
    places: list[int] = []
    for place, value in enumerate(values):
        before = values[places[-1]] if places else None
        near = value is not None and before is not None and abs(value - before) < least
        if not near or place == len(values) - 1:
            places.append(place)
    return places
