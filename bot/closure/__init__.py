"""Closures: what an image holds, and why; solved by libsolv, as dnf would install it.

Names are imported when they are first used, so that a cold command pays only for what it needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bot.closure.added import added_chains
    from bot.closure.affected import could_concern, could_enter
    from bot.closure.chains import shortest_chains
    from bot.closure.cut import smallest_cut
    from bot.closure.dropping import what_if
    from bot.closure.evr import compare_evr, newest
    from bot.closure.explain import MOST_REQUIREMENTS, why
    from bot.closure.pool import Drop, Pool, open_pool
    from bot.closure.sums import totals

__all__ = [
    "MOST_REQUIREMENTS",
    "Drop",
    "Pool",
    "added_chains",
    "compare_evr",
    "could_concern",
    "could_enter",
    "newest",
    "open_pool",
    "shortest_chains",
    "smallest_cut",
    "totals",
    "what_if",
    "why",
]

_HOME = {
    "Drop": "pool",
    "MOST_REQUIREMENTS": "explain",
    "Pool": "pool",
    "added_chains": "added",
    "compare_evr": "evr",
    "could_concern": "affected",
    "could_enter": "affected",
    "newest": "evr",
    "open_pool": "pool",
    "shortest_chains": "chains",
    "smallest_cut": "cut",
    "totals": "sums",
    "what_if": "dropping",
    "why": "explain",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
