"""Amounts that an objective limits: a number (packages, bytes), or the names that are there.

A limit on names is an allow-list: the names that may be there and no others.
"""

from __future__ import annotations

import json

Amount = int | tuple[str, ...]


def beyond(value: Amount, limit: Amount) -> Amount:
    """The part of a value that its limit does not allow: the number above it, or the names."""
    if isinstance(value, tuple):
        allowed = limit if isinstance(limit, tuple) else ()
        return tuple(name for name in value if name not in allowed)
    return max(0, value - number(limit))


def number(amount: Amount | None) -> int:
    """The number itself, or how many names there are; 0 where nothing is known."""
    return len(amount) if isinstance(amount, tuple) else amount or 0


def excess(value: Amount | None, limit: Amount | None) -> int:
    """How much, or how many names, a value is beyond its limit; 0 where either is not known."""
    return 0 if value is None or limit is None else number(beyond(value, limit))


def gained(before: Amount, after: Amount) -> bool:
    """Return whether there is more than before, or a name that was not there."""
    if isinstance(after, tuple):
        return bool(beyond(after, before))
    return after > number(before)


def only_number(amount: Amount | None) -> int | None:
    """The amount where it is a number, else null."""
    return None if isinstance(amount, tuple) else amount


def stored(amount: Amount | None) -> int | str | None:
    """The amount as a column of a database has it: names as JSON."""
    return json.dumps(amount) if isinstance(amount, tuple) else amount


def restored(column: int | str | None) -> Amount | None:
    """The amount that a column has."""
    return tuple(json.loads(column)) if isinstance(column, str) else column
