"""Sizes as text: bytes in powers of 1000, with a sign where it is a difference."""

from __future__ import annotations

from collections.abc import Iterable

UNKNOWN = "not known"
MINUS = "\N{MINUS SIGN}"
_UNITS = ("kB", "MB", "GB", "TB")


def format_size(size: int | None) -> str:
    """`size` bytes as `85 B`, `570 kB`, `31.2 MB`; three figures at most, `not known` for null."""
    if size is None:
        return UNKNOWN
    sign = MINUS if size < 0 else ""
    value, unit = float(abs(size)), "B"
    for larger in _UNITS:
        # 999.5 would be shown as 1000: it belongs to the next unit.
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    # 99.95 would be shown as 100.0.
    digits = 1 if value < 99.95 and unit != "B" else 0
    return f"{sign}{value:.{digits}f} {unit}".replace(".0 ", " ")


def format_delta(delta: int | None) -> str:
    """A difference in bytes with its sign: `+31.2 MB`, `0 B`; `not known` for null."""
    text = format_size(delta)
    return f"+{text}" if delta is not None and delta > 0 else text


def format_count(count: int | None) -> str:
    """A number of packages, or `not known`."""
    return UNKNOWN if count is None else str(count)


def format_count_delta(delta: int) -> str:
    """A difference of counts with its sign."""
    return f"+{delta}" if delta > 0 else str(delta).replace("-", MINUS)


def format_percent(percent: float) -> str:
    """A change in percent with its sign: `+57 %`."""
    return f"{percent:+.0f} %".replace("-", MINUS)


def plural(count: int, noun: str) -> str:
    """`1 package`, `3 packages`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def span(texts: Iterable[str]) -> str:
    """First and last of formatted values, given in rising order: `30.9 to 31.2 MB`, or the one.

    A unit that both share is written once.
    """
    distinct = list(dict.fromkeys(texts))
    if len(distinct) < 2:
        return distinct[0] if distinct else UNKNOWN
    first, last = distinct[0], distinct[-1]
    number, _, unit = first.partition(" ")
    same_unit = unit and unit != "known" and last.endswith(f" {unit}")
    return f"{number if same_unit else first} to {last}"


def size_span(sizes: Iterable[int | None]) -> str:
    """The range of several sizes; `not known` if one of them is."""
    known = _known(sizes)
    return UNKNOWN if known is None else span(format_size(size) for size in known)


def delta_span(deltas: Iterable[int | None]) -> str:
    """The range of several differences; `not known` if one of them is."""
    known = _known(deltas)
    return UNKNOWN if known is None else span(format_delta(delta) for delta in known)


def count_span(counts: Iterable[int | None]) -> str:
    """The range of several counts; `not known` if one of them is."""
    known = _known(counts)
    return UNKNOWN if known is None else span(str(count) for count in known)


def _known(values: Iterable[int | None]) -> list[int] | None:
    """The values in rising order; null if there are none or one is not known."""
    listed = list(values)
    known = [value for value in listed if value is not None]
    return sorted(known) if known and len(known) == len(listed) else None
