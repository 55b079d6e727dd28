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
        status_json,
        step_json,
        track_to_json,
    )
    from bot.objectives.live import objectives_now
    from bot.objectives.status import ObjectiveStatus, judged, objective_statuses, states, trend
    from bot.objectives.tracking import Tracked, TrackedImage, track

_HOMES = {
    "Attributed": "attribution",
    "Graph": "graph",
    "Leaving": "graph",
    "Measures": "evaluation",
    "ObjectiveStatus": "status",
    "Tracked": "tracking",
    "TrackedImage": "tracking",
    "attribute": "attribution",
    "cause_json": "jsonform",
    "evaluate": "evaluation",
    "evaluation_json": "jsonform",
    "facts_json": "jsonform",
    "itself": "evaluation",
    "judged": "status",
    "objectives_now": "live",
    "objectives_to_json": "jsonform",
    "status_json": "jsonform",
    "objective_statuses": "status",
    "states": "status",
    "step_json": "jsonform",
    "track": "tracking",
    "track_to_json": "jsonform",
    "trend": "status",
}

__all__ = [
    "Attributed",
    "Graph",
    "Leaving",
    "Measures",
    "ObjectiveStatus",
    "Tracked",
    "TrackedImage",
    "attribute",
    "cause_json",
    "evaluate",
    "evaluation_json",
    "facts_json",
    "itself",
    "judged",
    "objective_statuses",
    "objectives_now",
    "objectives_to_json",
    "states",
    "status_json",
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
