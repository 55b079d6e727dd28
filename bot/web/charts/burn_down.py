"""An objective's metric over time: its values, its limit, and the way to its target."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pygal

from bot.web.charts.curves import OUTSTANDING, visible
from bot.web.charts.look import AUTO, MARGIN, Json, Look, options, svg
from bot.web.charts.times import axis_format, seconds, ticks
from bot.web.links import key_of
from bot.web.measures import measure

_PLOT, _LEGEND = 340, 21  # pixels: the plot with its axes, a row of the legend


def objective_chart(objective: Json, metric: str, *, look: Look = AUTO) -> str:
    """The burn-down of one metric: values over time, the limit, and the way to the target."""
    columns = 2 if look.narrow else 3
    chart = pygal.XY(
        **options(look, _PLOT),
        legend_at_bottom_columns=columns,
        legend_at_bottom=True,
        truncate_legend=-1,
    )
    chart.value_formatter = lambda value: measure(metric, value)
    states = [s for s in objective["history"] if s["metric"] == metric]
    now = objective["date"] or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    images: dict[Any, list[Json]] = {}
    for state in states:
        images.setdefault(key_of(state), []).append(state)
    times = [seconds(s["since"]) for s in states] + [seconds(now)]
    start, end = min(times), max(times)
    targets = [s for s in states if s["until"] is None and s["target"] is not None]
    due = seconds(targets[0]["target_by"]) if targets and targets[0]["target_by"] else None
    shown = [start, end, *([due] if due else [])]
    chart.x_labels, chart.x_value_formatter = ticks(shown, look), axis_format(shown)
    whole = [s[n] for s in states for n in ("value", "limit", "target") if s[n] is not None]
    alone = len({key.workload for key in images}) == 1
    dot = 3 if len(states) <= 2 * OUTSTANDING else 1.5
    for key, found in list(images.items())[:8]:
        line: list[Any] = []
        seen = visible([state["value"] for state in found], whole)
        for state in _held(found, seen):
            at, until = seconds(state["since"]), seconds(state["until"] or now)
            line += [
                {"value": (at, state["value"]), "node": {"r": dot}},
                {"value": (until, state["value"]), "node": {"r": 0}},
            ]
        chart.add(key.arch if alone else f"{key.workload} {key.arch}", line)
    limits = {s["limit"] for s in states if s["until"] is None and s["limit"] is not None}
    for limit in sorted(limits):
        title = f"Limit {measure(metric, limit)}"
        _straight(chart, title, (start, limit), (max(due or end, end), limit), "8, 4")
    for target, by in sorted({(s["target"], s["target_by"]) for s in targets}):
        until = seconds(by) if by else end
        title = f"Target {measure(metric, target)}"
        if by and not look.narrow:
            title += f" by {by}"
        _straight(chart, title, (start, target), (max(until, end), target), "2, 5")
        first = max((f[0]["value"] or 0 for f in images.values()), default=0)
        if by and first > target:
            _straight(chart, "Way to the target", (start, first), (until, target), "2, 2")
    _make_room_for_legend(chart, columns)
    return svg(chart)


def _make_room_for_legend(chart: Any, columns: int) -> None:
    """Add the height of the legend below the plot: pygal forgets the row that is not full."""
    count = len(chart.raw_series)
    rows = -(-count // columns)
    chart.height = _PLOT + _LEGEND * rows
    chart.margin_bottom = MARGIN + _LEGEND * (rows - count // columns)


def _straight(
    chart: Any, name: str, start: tuple[float, float], end: tuple[float, float], dashes: str
) -> None:
    chart.add(name, [start, end], show_dots=False, stroke_style={"width": 2, "dasharray": dashes})


def _held(states: Sequence[Json], places: Sequence[int]) -> Iterator[Json]:
    """The states at `places`, each extended to the next."""
    for place, following in itertools.zip_longest(places, places[1:]):
        until = states[place]["until"] if following is None else states[following]["since"]
        yield {**states[place], "until": until}
