"""What a forge is not asked again, of so many things at the most: the oldest is forgotten."""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

MOST = 5000
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def remember(table: OrderedDict[_Key, _Value], key: _Key, value: _Value) -> None:
    """Keeps `value` as the newest of `table`, which then has MOST entries at the most."""
    table[key] = value
    table.move_to_end(key)
    while len(table) > MOST:
        table.popitem(last=False)
