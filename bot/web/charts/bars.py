"""Bars: architectures beside each other, packages of many versions, images that moved."""

from __future__ import annotations

from collections.abc import Sequence

import pygal

from bot.web.charts.look import AUTO, Json, Look, colour, count, options, size, svg, top
from bot.web.links import image_url, key_of, package_url


def architectures_chart(rows: Sequence[Json], *, look: Look = AUTO) -> str:
    """The installed size of an image on each architecture."""
    chart = pygal.HorizontalBar(**options(look, 64 + 36 * len(rows)), show_legend=False)
    chart.x_labels = [row["arch"] for row in reversed(rows)]
    chart.value_formatter = size
    chart.add(
        "Installed size",
        [
            {"value": row["installed_size"], "xlink": top(image_url(key_of(row)))}
            for row in reversed(rows)
        ],
    )
    return svg(chart)


def versions_chart(rows: Sequence[Json], *, look: Look = AUTO) -> str:
    """The packages with most versions."""
    shown = list(reversed(rows[:15]))
    chart = pygal.HorizontalBar(**options(look, 64 + 26 * len(shown)), show_legend=False)
    chart.x_labels = [_short(row["name"], look) for row in shown]
    chart.value_formatter = count
    chart.add(
        "Versions",
        [{"value": row["versions"], "xlink": top(package_url(row["name"]))} for row in shown],
    )
    return svg(chart)


def movers_chart(rows: Sequence[Json], *, look: Look = AUTO) -> str:
    """The images that moved furthest, by bytes."""
    shown = list(reversed(rows[:12]))
    chart = pygal.HorizontalBar(**options(look, 64 + 28 * len(shown)), show_legend=False)
    chart.x_labels = [f"{_short(row['workload'], look)} {row['arch']}" for row in shown]
    chart.value_formatter = size
    grew, shrank = (colour(look, pair) for pair in (("#a8480c", "#ffb077"), ("#1a7f37", "#57c46f")))
    chart.add(
        "Bytes",
        [
            {
                "value": row["known_delta"],
                "color": grew if row["known_delta"] > 0 else shrank,
                "xlink": top(image_url(key_of(row))),
            }
            for row in shown
        ],
    )
    return svg(chart)


def _short(text: str, look: Look) -> str:
    most = 14 if look.narrow else 40
    return text if len(text) <= most else f"{text[: most - 1]}\N{HORIZONTAL ELLIPSIS}"
