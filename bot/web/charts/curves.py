"""Charts of figures over time, as stairs: an image's, with the cause of each step, and an
objective's."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree.ElementTree import Element

from bot.model.amount import number, only_number
from bot.model.image import ImageKey
from bot.report.sizes import format_count_delta, format_delta
from bot.store.history.values import Point as HistoryPoint
from bot.web.addresses import image_url
from bot.web.charts.plot import Box, Place, Plot, Point, Words, place, seconds
from bot.web.charts.svg import (
    AUTO,
    SERIES,
    Look,
    add,
    count_words,
    fitting,
    group,
    size_words,
    svg,
    width,
)
from bot.web.responses.objectives import Objective, State
from bot.web.responses.steps import Step, cause_url, in_few_words, in_words
from bot.web.tables import measure

# The number of emphasized steps, if there are more than twice as many.
_OUTSTANDING = 30
_DOTS = 500  # the most changes of an objective whose dots can be distinguished
_LABELS, _LABELS_NARROW = 8, 3
# The most pixels of a label, and of a truncated one.
_WIDEST, _WIDEST_NARROW = (340.0, 180.0, 110.0), (180.0, 110.0)
_LEGEND = 22  # pixels of a row of the legend


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure that a curve shows: its name at a point and at a step, and its format."""

    name: str
    delta: str
    words: Words
    delta_words: Callable[[int], str]


SIZE = Figure("installed_size", "known_delta", size_words, format_delta)
PACKAGES = Figure("packages", "packages_delta", count_words, format_count_delta)


def image_chart(
    figure: Figure,
    points: Sequence[HistoryPoint],
    steps: Iterable[Step],
    limits: Sequence[tuple[str, int]] = (),
    *,
    look: Look = AUTO,
) -> str:
    """A figure of an image over time, as stairs; each step names its cause and links to it.

    `limits` are horizontal lines, each with its name. There is a gap where the figure is not known.
    Of many steps the largest are emphasized; the others keep their tooltips and links.
    """
    causes = {step.run: step for step in steps}
    times = [seconds(p.evaluated) for p in points]
    values = [getattr(p, figure.name) for p in points]
    known_values = [value for value in values if value is not None]
    scale_values = [*known_values, *(limit for _, limit in limits)] if known_values else []
    plot = Plot(look, 320, times, scale_values, figure.words, whole=figure.name == "packages")
    for name, limit in limits if known_values else ():
        level = group(plot.root, f"{name} {figure.words(limit)}")
        ends = Point(plot.left, plot.y(limit)), Point(plot.right, plot.y(limit))
        add(level, "path", d=_path(ends), class_="line s4", stroke_dasharray="8,4")
        text = fitting(f"{name} {figure.words(limit)}", plot.right - plot.left)
        add(level, "text", text, x=plot.left + 4, y=ends[0].y - 4, class_="label")
    corners: list[Point] = []
    for at, following, value in itertools.zip_longest(times, times[1:], values):
        if value is not None:
            corners.append(Point(plot.x(at), plot.y(value)))
            corners.append(Point(plot.x(at if following is None else following), plot.y(value)))
    add(plot.root, "path", d=_path(corners), class_="line s0")
    moves = sorted(
        (abs(getattr(step, figure.delta) or 0) for step in causes.values()), reverse=True
    )
    large = moves[_OUTSTANDING] if len(moves) > 2 * _OUTSTANDING else 0
    # Below the dots, so that these can be reached.
    labels = add(plot.root, "g", class_="labels")
    labelled = []
    for point, at, value in zip(points, times, values, strict=True):
        if value is None:
            continue
        step, dot = causes.get(point.run), Point(plot.x(at), plot.y(value))
        delta = (getattr(step, figure.delta) or 0) if step else 0
        title = f"{point.evaluated[:10]}: {figure.words(value)}"
        title += f", {in_words(step)}" if step else ""
        parent = group(plot.root, title, _cause_url(step) if step else None)
        radius = 5 if abs(delta) > large else 2
        add(parent, "circle", cx=dot.x, cy=dot.y, r=radius, class_="dot s0")
        if step and delta:
            labelled.append((dot, step, delta))
    labelled.sort(key=lambda label: -abs(label[2]))
    most = _LABELS_NARROW if look.narrow else _LABELS
    _write_labels(labels, plot, corners, labelled[:most], figure)
    return svg(plot.root)


def _write_labels(
    parent: Element,
    plot: Plot,
    corners: Sequence[Point],
    labelled: Sequence[tuple[Point, Step, int]],
    figure: Figure,
) -> None:
    """Write the causes of steps beside their points, where there is room."""
    widest = _WIDEST_NARROW if plot.look.narrow else _WIDEST
    forms = []
    for _, step, delta in labelled:
        text = f"{figure.delta_words(delta)}: {in_few_words(step)}"
        forms.append(list(dict.fromkeys(fitting(text, most) for most in widest)))
    labels = [
        (at, [width(text) for text in texts])
        for (at, _, _), texts in zip(labelled, forms, strict=True)
    ]
    places = place(labels, corners, Box(plot.left, plot.top, plot.right, plot.bottom))
    for (_, step, _), texts, position in zip(labelled, forms, places, strict=True):
        if position is not None:
            _write_label(parent, position, texts[position.form], step)


def _write_label(parent: Element, position: Place, text: str, step: Step) -> None:
    box = position.box
    if position.leader:
        start, end = position.leader
        add(parent, "path", d=_path((start, end)), class_="leader")
    link = group(parent, in_words(step), _cause_url(step))
    # Fixed to its width, whatever font the browser has.
    add(link, "text", text, x=box.left, y=box.bottom - 4, class_="label",
        textLength=box.right - box.left, lengthAdjust="spacingAndGlyphs")  # fmt: skip


def _cause_url(step: Step) -> str:
    """The address of the cause's pull request, or of the image at that time."""
    return cause_url(step) or image_url(step.key, date=step.evaluated) + "#steps"


def _path(points: Sequence[Point]) -> str:
    return "M" + "L".join(f"{p.x:.1f} {p.y:.1f}" for p in points) if points else "M0 0"


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of the burn-down: its name, its corners (seconds, value), its dashes."""

    name: str
    corners: Sequence[tuple[float, float]]
    dashes: str = ""


def objective_chart(objective: Objective, metric: str, *, look: Look = AUTO) -> str:
    """The burn-down of one metric: values over time, the limit, and the line to the target."""
    states = [s for s in objective.history if s.metric == metric]
    now = objective.date or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    images = _image_lines(states, now)
    lines = [*images, *_goal_lines(states, images, now, metric, narrow=look.narrow)]
    columns = 2 if look.narrow else 3
    corners = [corner for line in lines for corner in line.corners]
    plot = Plot(
        look, 340, [at for at, _ in corners], [value for _, value in corners],
        lambda value: measure(metric, value), whole=metric == "packages",
        below=_LEGEND * -(-len(lines) // columns) + 6,
    )  # fmt: skip
    radius = 3 if len(states) <= 2 * _OUTSTANDING else 1.5
    for index, line in enumerate(lines):
        colour = SERIES[index % len(SERIES)]
        points = [Point(plot.x(at), plot.y(value)) for at, value in line.corners]
        parent = group(plot.root, line.name)
        extra = {"stroke_dasharray": line.dashes} if line.dashes else {}
        add(parent, "path", d=_path(points), class_=f"line {colour}", **extra)
        if not line.dashes and len(states) <= _DOTS:
            for (at, value), point in list(zip(line.corners, points, strict=True))[::2]:
                day = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
                dot = group(plot.root, f"{line.name}, {day}: {measure(metric, value)}")
                add(dot, "circle", cx=point.x, cy=point.y, r=radius, class_=f"dot {colour}")
        row, column = divmod(index, columns)
        left = plot.left + column * (plot.right - plot.left) / columns
        legend = add(plot.root, "g", class_=f"legend {colour}")
        add(legend, "path", d=f"M{left:.0f} {346 + row * _LEGEND}h20", class_="line", **extra)
        room = (plot.right - plot.left) / columns - 30
        add(legend, "text", fitting(line.name, room), x=left + 26, y=350 + row * _LEGEND)
    return svg(plot.root)


def _image_lines(states: Sequence[State], now: str) -> list[_Line]:
    """The values of at most eight images, each held until the next."""
    images: dict[ImageKey, list[State]] = {}
    for state in states:
        images.setdefault(state.key, []).append(state)
    alone = len({key.workload for key in images}) == 1
    lines = []
    for key, image_states in list(images.items())[:8]:
        corners = [
            (seconds(at), number(state.value))
            for state in image_states
            if state.value is not None
            for at in (state.since or now, state.until or now)
        ]
        lines.append(_Line(key.arch if alone else f"{key.workload} {key.arch}", corners))
    return lines


def _goal_lines(
    states: Sequence[State], images: Sequence[_Line], now: str, metric: str, *, narrow: bool
) -> list[_Line]:
    """The lines of the limits and targets in force, and the line to a target with a date."""
    current = [s for s in states if s.until is None]
    targets = sorted({(s.target, s.target_by) for s in current if s.target is not None})
    start, end = min((seconds(s.since or now) for s in states), default=0.0), seconds(now)
    last = max([end, *(seconds(by) for _, by in targets if by)])
    lines = [
        _Line(f"Limit {measure(metric, limit)}", ((start, limit), (last, limit)), "8,4")
        for limit in sorted({only_number(s.limit) or 0 for s in current if s.limit is not None})
    ]
    first = max((line.corners[0][1] for line in images if line.corners), default=0)
    for target, by in targets:
        until = seconds(by) if by else end
        name = f"Target {measure(metric, target)}"
        name += f" by {by}" if by and not narrow else ""
        lines.append(_Line(name, ((start, target), (max(until, end), target)), "2,5"))
        if by and first > target:
            lines.append(_Line("Way to the target", ((start, first), (until, target)), "2,2"))
    return lines
