"""Objectives and history: what every image is today, what moved it, and how promises stand.

Names are imported when they are first used: a cold command must not pay for what it does not use.
`track` and `evaluate` are their modules' names too, so they are imported from there.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bot.objectives.attribution import Attributed, attribute
    from bot.objectives.evaluation import Measures, evaluate, itself
    from bot.objectives.graph import Graph, Leaving
    from bot.objectives.jsonform import (
        cause_json,
        evaluation_json,
        facts_json,
        objectives_to_json,
        standing_json,
        step_json,
        track_to_json,
    )
    from bot.objectives.live import objectives_now
    from bot.objectives.status import Standing, judged, standings, states, trend
    from bot.objectives.tracking import Tracked, TrackedImage, track

_HOMES = {
    "Attributed": "attribution",
    "Graph": "graph",
    "Leaving": "graph",
    "Measures": "evaluation",
    "Standing": "standing",
    "Tracked": "tracking",
    "TrackedImage": "tracking",
    "attribute": "attribution",
    "cause_json": "jsonform",
    "evaluate": "evaluation",
    "evaluation_json": "jsonform",
    "facts_json": "jsonform",
    "itself": "evaluation",
    "judged": "standing",
    "objectives_now": "now",
    "objectives_to_json": "jsonform",
    "standing_json": "jsonform",
    "standings": "standing",
    "states": "standing",
    "step_json": "jsonform",
    "track": "tracking",
    "track_to_json": "jsonform",
    "trend": "standing",
}

__all__ = [
    "Attributed",
    "Graph",
    "Leaving",
    "Measures",
    "Standing",
    "Tracked",
    "TrackedImage",
    "attribute",
    "cause_json",
    "evaluate",
    "evaluation_json",
    "facts_json",
    "itself",
    "judged",
    "objectives_now",
    "objectives_to_json",
    "standing_json",
    "standings",
    "states",
    "step_json",
    "track",
    "track_to_json",
    "trend",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # No module has the name of what it holds: importing it would put it in that one's place.
    value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
    return value
