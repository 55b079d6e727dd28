"""Time along a chart: seconds since 1970, and their labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from bot.web.charts.look import Look


def seconds(text: str) -> float:
    """Seconds since 1970; a date alone is its first second."""
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _day(value: float) -> str:
    return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d")


def axis_format(times: Sequence[float]) -> Callable[[float], str]:
    """The format of times on the axis: days, with hours where all lie within three days."""
    if not times or max(times) - min(times) > 3 * 86400:
        return _day
    return lambda value: datetime.fromtimestamp(value, UTC).strftime("%m-%d %H:%M")


def ticks(times: Sequence[float], look: Look) -> list[float]:
    """The times with a label on the axis, from the first to the last, no label twice."""
    if not times:
        return []
    first, last = min(times), max(times)
    parts = 2 if look.narrow else 5
    label = axis_format(times)
    found: dict[str, float] = {}
    for part in (0, parts, *range(1, parts)):
        moment = first + (last - first) * part / parts
        found.setdefault(label(moment), moment)
    return sorted(found.values())
