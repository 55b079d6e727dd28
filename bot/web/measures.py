"""The metrics of objectives: their names and their values with units."""

from __future__ import annotations

from bot.report.sizes import format_delta, format_size

METRICS = {"packages": "packages", "installed_size": "installed size", "layer_size": "layer size"}
IN_BYTES = ("installed_size", "layer_size")
_UNWANTED = "unwanted:"


def metric_words(metric: str) -> str:
    """The name of a metric in words."""
    if metric.startswith(_UNWANTED):
        return f"unwanted {metric.removeprefix(_UNWANTED)}"
    return METRICS.get(metric, metric)


def measure(metric: str, value: float | None, *, delta: bool = False) -> str:
    """A value, or a difference, in its metric's unit; empty where there is none."""
    if value is None:
        return ""
    if metric in IN_BYTES:
        return (format_delta if delta else format_size)(round(value))
    if metric.startswith(_UNWANTED):
        return "present" if value else "absent"
    if delta:
        rounded = round(value, 1)
        return f"{rounded:+.1f}".replace("-", "\N{MINUS SIGN}") if rounded else "0"
    return f"{round(value):,}"
