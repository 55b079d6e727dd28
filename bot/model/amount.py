"""Amounts that an objective limits: a number (packages, bytes), or a set of names.

A limit on names is an allow-list.
"""

from __future__ import annotations

import json

Amount = int | tuple[str, ...]


def beyond(value: Amount, limit: Amount) -> Amount:
    """Return the part of a value that its limit does not allow: the excess number, or the names."""
    if isinstance(value, tuple):
        allowed = limit if isinstance(limit, tuple) else ()
        return tuple(name for name in value if name not in allowed)
    return max(0, value - number(limit))


def number(amount: Amount | None) -> int:
    """Return the number itself, or the number of names; 0 where nothing is known."""
    return len(amount) if isinstance(amount, tuple) else amount or 0


def excess(value: Amount | None, limit: Amount | None) -> int:
    """Return by how much, or how many names, a value exceeds its limit; 0 if either is unknown."""
    return 0 if value is None or limit is None else number(beyond(value, limit))


def gained(before: Amount, after: Amount) -> bool:
    """Return whether the value is larger than before, or has a new name."""
    if isinstance(after, tuple):
        return bool(beyond(after, before))
    return after > number(before)


def only_number(amount: Amount | None) -> int | None:
    """Return the amount if it is a number, else None."""
    return None if isinstance(amount, tuple) else amount


def stored(amount: Amount | None) -> int | str | None:
    """Return the amount as a database column stores it: names as JSON."""
    return json.dumps(amount) if isinstance(amount, tuple) else amount


def restored(column: int | str | None) -> Amount | None:
    """Return the amount that a database column stores."""
    return tuple(json.loads(column)) if isinstance(column, str) else column
