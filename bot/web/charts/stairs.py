"""What a curve of steps shows of its values."""

from __future__ import annotations

from collections.abc import Sequence

_PIXELS = 500
# Of more than twice as many, only so many stand out.
OUTSTANDING = 30


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
