"""Sizes as text: bytes in powers of 1000, with a sign where it is a difference."""

from __future__ import annotations

from collections.abc import Callable, Iterable

UNKNOWN = "not known"
MINUS = "\N{MINUS SIGN}"
_UNITS = ("kB", "MB", "GB", "TB")


def format_size(size: int | None, *, whole_from: float = 99.95) -> str:
    """Return bytes as `85 B`, `570 kB`, `31.2 MB`: at most three figures; `not known` for None.

    Numbers from `whole_from` on have no decimals.
    """
    if size is None:
        return UNKNOWN
    sign = MINUS if size < 0 else ""
    value, unit = float(abs(size)), "B"
    for larger in _UNITS:
        # 999.5 would be rounded to 1000: it belongs to the next unit.
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    # 99.95 would be shown as 100.0.
    digits = 1 if value < whole_from and unit != "B" else 0
    return f"{sign}{value:.{digits}f} {unit}".replace(".0 ", " ")


def format_delta(delta: int | None) -> str:
    """A difference in bytes with its sign: `+31.2 MB`, `0 B`; `not known` for null."""
    text = format_size(delta)
    return f"+{text}" if delta is not None and delta > 0 else text


def short_size(size: int | None) -> str:
    """A size with two figures of precision: `44 MB`, `5.2 MB`, `570 kB`."""
    return format_size(size, whole_from=9.95)


def short_delta(delta: int | None) -> str:
    """A difference with its sign and two figures: `+44 MB`."""
    text = short_size(delta)
    return f"+{text}" if delta is not None and delta > 0 else text


def short_span(sizes: Iterable[int], write: Callable[[int], str] = short_size) -> str:
    """Return first and last of sorted sizes, `44 to 144 MB`, in full if they look equal."""
    ordered = list(sizes)
    first, last = ordered[0], ordered[-1]
    alike = first != last and write(first) == write(last)
    return span((format_size(first), format_size(last)) if alike else (write(first), write(last)))


def number_in_unit(size: int, of: int) -> str:
    """Return `size` as a number in the unit of `of`: `29` of 57 MB; `<1` for little."""
    unit = short_size(of).rpartition(" ")[2]
    value = size / 1000 ** ("B", *_UNITS).index(unit)
    if of / 1000 ** ("B", *_UNITS).index(unit) < 9.95:
        return f"{value:.1f}".removesuffix(".0") if value > 0.05 or not size else "<0.1"
    return f"{value:.0f}" if value > 0.5 or not size else "<1"


def format_count(count: int | None) -> str:
    """A number of packages, or `not known`."""
    return UNKNOWN if count is None else str(count)


def format_count_delta(delta: int) -> str:
    """A difference of counts with its sign."""
    return f"+{delta}" if delta > 0 else str(delta).replace("-", MINUS)


def plural(count: int, noun: str) -> str:
    """`1 package`, `3 packages`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def span(texts: Iterable[str]) -> str:
    """Return first and last of formatted values in rising order, `30.9 to 31.2 MB`, or the one.

    A unit that both have is written once.
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
    """Return the values in rising order; None if there are none or one is unknown."""
    listed = list(values)
    known = [value for value in listed if value is not None]
    return sorted(known) if known and len(known) == len(listed) else None
