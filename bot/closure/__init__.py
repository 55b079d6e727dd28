"""Closures: what an image holds, and why; solved by libsolv, as dnf would install it.

Names are imported when they are first used, so that a cold command pays only for what it needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bot.closure.affected import could_enter
    from bot.closure.chains import shortest_chains
    from bot.closure.evr import compare_evr, newest
    from bot.closure.pool import Pool, open_pool
    from bot.closure.totals import totals
    from bot.closure.what_if import what_if
    from bot.closure.why import why

__all__ = [
    "Pool",
    "compare_evr",
    "could_enter",
    "newest",
    "open_pool",
    "shortest_chains",
    "totals",
    "what_if",
    "why",
]

_HOME = {
    "Pool": "pool",
    "compare_evr": "evr",
    "could_enter": "affected",
    "newest": "evr",
    "open_pool": "pool",
    "shortest_chains": "chains",
    "totals": "totals",
    "what_if": "what_if",
    "why": "why",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    # A function may be named as its module: the import has put the module here, put the name back.
    globals()[name] = found
    return found
