"""Charts, drawn by pygal as SVG: readable without JavaScript, with tooltips and links with it.

Colours follow the reader's light or dark preference (`theme` auto), or one of them; PNG is light.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import pygal
from pygal.style import Style

from bot.report import format_size
from bot.web.answers.causes import in_words
from bot.web.assets import asset_url
from bot.web.links import image_url, key_of, package_url
from bot.web.measures import IN_BYTES, measure, metric_words
from bot.web.tiles import Tiles

Theme = Literal["auto", "light", "dark"]
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Look:
    """How a chart looks: its colours, for a narrow screen, and without tooltips and links."""

    theme: Theme = "auto"
    narrow: bool = False
    still: bool = False


AUTO = Look()
_LIGHT = ("#0b5cad", "#a8480c", "#1a7f37", "#8a3ffc", "#9f1853", "#005d5d", "#6f5500", "#4d5358")
_DARK = ("#7ab8ff", "#ffb077", "#57c46f", "#c9a6ff", "#ff9ac2", "#3ddbd9", "#e0c36a", "#c1c7cd")
_TILES = 60
_OUTSTANDING = 30
_PIXELS = 500


def size_chart(points: Sequence[Json], steps: Iterable[Json], *, look: Look = AUTO) -> str:
    """Installed size over time, as stairs; each step says its cause and leads to it."""
    return _curve("Installed size", points, steps, "installed_size", _size, look)


def packages_chart(points: Sequence[Json], steps: Iterable[Json], *, look: Look = AUTO) -> str:
    """The number of packages over time, as `size_chart`."""
    return _curve("Packages", points, steps, "packages", _count, look)


def _curve(
    title: str,
    points: Sequence[Json],
    steps: Iterable[Json],
    figure: str,
    words: Callable[[float | None], str],
    look: Look,
) -> str:
    causes = {step["run"]: step for step in steps}
    times = [_time(p["evaluated"]) for p in points]
    chart = pygal.XY(**_look(look, 300), x_value_formatter=_when(times), show_legend=False)
    chart.x_labels = _ticks(times, look)
    chart.value_formatter = words
    values = [(p, p[figure]) for p in points]
    if look.still:
        seen = set(visible([value for _, value in values]))
        values = [pair for index, pair in enumerate(values) if index in seen]
    chart.add(title, _stairs(values, causes))
    return _svg(chart)


def treemap(packages: Sequence[Json], *, look: Look = AUTO) -> str:
    """Where the bytes are: a tile for each package, the packages of a source in one colour."""
    ordered = sorted(packages, key=lambda p: -(p["installed_size"] or 0))
    shown = [p for p in ordered[:_TILES] if p["installed_size"]]
    rest = sum(p["installed_size"] or 0 for p in ordered[len(shown) :])
    chart = Tiles(
        **_look(look, 460, tiles=True), show_legend=False, print_labels=True, print_values=False
    )
    sources: dict[str, list[Json]] = {}
    for package in shown:
        sources.setdefault(package["source"], []).append(package)
    for source, found in sources.items():
        chart.add(
            source,
            [
                {
                    "value": p["installed_size"],
                    "label": p["name"],
                    "xlink": {"href": package_url(p["name"]), "target": "_top"},
                    "formatter": _named(p["name"]),
                }
                for p in found
            ],
        )
    if rest:
        chart.add("others", [{"value": rest, "label": "others", "formatter": _named("others")}])
    return _svg(chart)


def architectures_chart(rows: Sequence[Json], *, look: Look = AUTO) -> str:
    """The same image on each architecture: installed size."""
    chart = pygal.HorizontalBar(**_look(look, 60 + 50 * max(len(rows), 2)), show_legend=False)
    chart.x_labels = [row["arch"] for row in reversed(rows)]
    chart.value_formatter = _size
    chart.add(
        "Installed size",
        [
            {"value": row["installed_size"], "xlink": _top(image_url(key_of(row)))}
            for row in reversed(rows)
        ],
    )
    return _svg(chart)


def versions_chart(rows: Sequence[Json], *, look: Look = AUTO) -> str:
    """How many versions there are of the packages that have most."""
    shown = list(reversed(rows[:15]))
    chart = pygal.HorizontalBar(**_look(look, 60 + 26 * max(len(shown), 3)), show_legend=False)
    chart.x_labels = [_short(row["name"], look) for row in shown]
    chart.value_formatter = _count
    chart.add(
        "Versions",
        [{"value": row["versions"], "xlink": _top(package_url(row["name"]))} for row in shown],
    )
    return _svg(chart)


def movers_chart(rows: Sequence[Json], *, look: Look = AUTO) -> str:
    """How far images moved."""
    shown = list(reversed(rows[:12]))
    chart = pygal.HorizontalBar(**_look(look, 60 + 28 * max(len(shown), 3)), show_legend=False)
    chart.x_labels = [f"{_short(row['workload'], look)} {row['arch']}" for row in shown]
    chart.value_formatter = _size
    grew, shrank = (
        _colour(look, pair) for pair in (("#a8480c", "#ffb077"), ("#1a7f37", "#57c46f"))
    )
    chart.add(
        "Bytes",
        [
            {
                "value": row["known_delta"],
                "color": grew if row["known_delta"] > 0 else shrank,
                "xlink": _top(image_url(key_of(row))),
            }
            for row in shown
        ],
    )
    return _svg(chart)


def objective_chart(objective: Json, metric: str, *, look: Look = AUTO) -> str:
    """The burn-down of one metric: values over time, the limit, and the way to the target."""
    chart = pygal.XY(
        **_look(look, 460 if look.narrow else 380),
        legend_at_bottom_columns=2 if look.narrow else 3,
        margin_bottom=34 if look.narrow else 8,
        legend_at_bottom=True,
        truncate_legend=-1,
    )
    chart.value_formatter = lambda value: measure(metric, value)
    states = [s for s in objective["history"] if s["metric"] == metric]
    now = objective["date"] or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    images: dict[Any, list[Json]] = {}
    for state in states:
        images.setdefault(key_of(state), []).append(state)
    times = [_time(s["since"]) for s in states] + [_time(now)]
    start, end = min(times), max(times)
    aims = [s for s in states if s["until"] is None and s["target"] is not None]
    due = _time(aims[0]["target_by"]) if aims and aims[0]["target_by"] else None
    shown = [start, end, *([due] if due else [])]
    chart.x_labels, chart.x_value_formatter = _ticks(shown, look), _when(shown)
    whole = [s[n] for s in states for n in ("value", "limit", "target") if s[n] is not None]
    alone = len({key.workload for key in images}) == 1
    dot = 3 if len(states) <= 2 * _OUTSTANDING else 1.5
    for key, found in list(images.items())[:8]:
        line: list[Any] = []
        seen = visible([state["value"] for state in found], whole)
        for state in _held(found, seen):
            at, until = _time(state["since"]), _time(state["until"] or now)
            line += [
                {"value": (at, state["value"]), "node": {"r": dot}},
                {"value": (until, state["value"]), "node": {"r": 0}},
            ]
        chart.add(key.arch if alone else f"{key.workload} {key.arch}", line)
    limits = {s["limit"] for s in states if s["until"] is None and s["limit"] is not None}
    for limit in sorted(limits):
        chart.add(
            "Limit" if len(limits) == 1 else f"Limit {measure(metric, limit)}",
            [(start, limit), (due or end, limit)],
            show_dots=False,
            stroke_style={"width": 2, "dasharray": "8, 4"},
        )
    if aims and due:
        first = max((f[0]["value"] or 0 for f in images.values()), default=0)
        chart.add(
            "Way to the target",
            [(start, first), (due, aims[0]["target"])],
            show_dots=False,
            stroke_style={"width": 2, "dasharray": "2, 4"},
        )
    return _svg(chart)


def visible(values: Sequence[float | None], others: Sequence[float] = ()) -> list[int]:
    """The places of the values that a chart can show apart: those between two of them are less than
    half a pixel away from the first. First and last are always shown.

    `others` are what the chart shows besides.
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


def _held(states: Sequence[Json], places: Sequence[int]) -> Iterator[Json]:
    """The states in some places, each held until the next."""
    for place, following in itertools.zip_longest(places, places[1:]):
        until = states[place]["until"] if following is None else states[following]["since"]
        yield {**states[place], "until": until}


def in_metric(metric: str) -> str:
    """What a burn-down's picture shows, for those who cannot see it."""
    unit = " in bytes" if metric in IN_BYTES else ""
    return f"{metric_words(metric)}{unit} over time, its limit and its target"


def _stairs(values: Sequence[tuple[Json, int | None]], causes: Mapping[int, Json]) -> list[Any]:
    """Points at each change, held until the next; null where it is not known.

    Of many steps the largest stand out; the others keep their words and links.
    """
    line: list[Any] = []
    moves = sorted((abs(step["known_delta"]) for step in causes.values()), reverse=True)
    large = moves[_OUTSTANDING] if len(moves) > 2 * _OUTSTANDING else -1
    for (point, value), following in itertools.zip_longest(values, values[1:]):
        step = causes.get(point["run"])
        shown: dict[str, Any] = {"value": (_time(point["evaluated"]), value)}
        if step is not None:
            shown |= {"label": in_words(step), "xlink": _top(_cause_url(step))}
            shown["node"] = {"r": 5 if abs(step["known_delta"]) > large else 2}
        else:
            shown["node"] = {"r": 2}
        line.append(shown)
        if following is not None:
            line.append({"value": (_time(following[0]["evaluated"]), value), "node": {"r": 0}})
    return [p for p in line if p["value"][1] is not None]


def _cause_url(step: Json) -> str:
    return image_url(key_of(step), date=step["evaluated"]) + "#steps"


def _short(text: str, look: Look) -> str:
    most = 14 if look.narrow else 40
    return text if len(text) <= most else f"{text[: most - 1]}\N{HORIZONTAL ELLIPSIS}"


def _top(url: str) -> dict[str, str]:
    return {"href": url, "target": "_top"}


def _named(name: str) -> Any:
    return lambda value: f"{name}: {_size(value)}"


def _size(value: float | None) -> str:
    return "" if value is None else format_size(round(value))


def _count(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _time(text: str) -> float:
    """Seconds since 1970; a date alone is its first second."""
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _day(value: float) -> str:
    return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d")


def _when(times: Sequence[float]) -> Callable[[float], str]:
    """Days on the axis; the hour too where all lies within a few of them."""
    if not times or max(times) - min(times) > 3 * 86400:
        return _day
    return lambda value: datetime.fromtimestamp(value, UTC).strftime("%m-%d %H:%M")


def _ticks(times: Sequence[float], look: Look) -> list[float]:
    """A few moments from the first to the last, for the axis."""
    if not times:
        return []
    first, last = min(times), max(times)
    if first == last:
        return [first]
    parts = 2 if look.narrow else 5
    return [first + (last - first) * i / parts for i in range(parts + 1)]


def _colour(chosen: Look, pair: tuple[str, str]) -> str:
    light, dark = pair
    return {"light": light, "dark": dark, "auto": f"light-dark({light}, {dark})"}[chosen.theme]


def _look(chosen: Look, height: int, *, tiles: bool = False) -> dict[str, Any]:
    theme = chosen.theme

    def colour(light: str, dark: str) -> str:
        return _colour(chosen, (light, dark))

    ink, quiet = colour("#1c2024", "#e6e8ea"), colour("#5b636b", "#9aa3ab")
    lines = tuple(colour(*pair) for pair in zip(_LIGHT, _DARK, strict=True)) * 8
    scheme = {"auto": "light dark", "light": "light", "dark": "dark"}[theme]
    paper = "transparent" if theme == "auto" else colour("#ffffff", "#14171a")
    gap = colour("#ffffff", "#14171a")
    edges = (
        f" .series rect.reactive{{stroke:{gap};stroke-width:2}} text.label{{text-anchor:middle}}"
        if tiles
        else ""
    )
    style = Style(
        background=paper,
        plot_background="transparent",
        foreground=ink,
        foreground_strong=ink,
        foreground_subtle=quiet,
        guide_stroke_color=colour("#dde1e5", "#2c3238"),
        major_guide_stroke_color=colour("#c4cad0", "#3c444c"),
        colors=lines,
        value_colors=(colour("#ffffff", "#14171a"),) * len(lines) if tiles else (ink,) * len(lines),
        value_label_colors=(colour("#ffffff", "#14171a"),) * len(lines) if tiles else (),
        opacity="1" if tiles else ".9",
        opacity_hover=".75",
        transition="0s",
        font_family="system-ui, sans-serif",
        label_font_size=12,
        major_label_font_size=12,
        legend_font_size=13,
        value_font_size=12,
        value_label_font_size=12,
        tooltip_font_size=13,
        no_data_font_size=16,
    )
    return {
        "style": style,
        "css": [
            "file://style.css",
            "file://graph.css",
            f"inline:svg{{color-scheme:{scheme}}}{edges}",
        ],
        "js": [asset_url("pygal-tooltips.min.js")],
        "width": 400 if chosen.narrow else 960,
        "height": height,
        "margin": 8,
        "margin_right": 40 if chosen.narrow else 44,
        "truncate_label": 18 if chosen.narrow else 40,
        "min_scale": 3,
        "max_scale": 4 if chosen.narrow else 8,
        "disable_xml_declaration": True,
        "no_data_text": "Nothing to draw yet",
        "show_minor_x_labels": True,
    }


def _svg(chart: Any) -> str:
    # Else a new one each time, and the same chart were never the same bytes.
    chart.uuid = "minimize"
    text = chart.render()
    return text if isinstance(text, str) else text.decode()
