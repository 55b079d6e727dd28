"""The requirements whose loss removes a package from an image: as JSON and as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bot.model.closure import Requirement
from bot.model.nevra import parse_nevra
from bot.report.sizes import plural

Json = dict[str, Any]
_NAMED = 2


def requirements_json(drops: Iterable[Requirement]) -> list[Json]:
    """CONTRACT's `leaves_with` of `why`."""
    return [{"nevra": str(drop.nevra), "capability": drop.capability} for drop in drops]


def taken_out_by(row: Mapping[str, Any]) -> str:
    """`perl of nginx-core and 1 more requirement`; empty where no few requirements would do it."""
    drops = row["leaves_with"]
    named = [
        f"{drop['capability']} of {parse_nevra(drop['nevra']).name}" for drop in drops[:_NAMED]
    ]
    more = len(drops) - _NAMED
    if more > 0:
        return f"{', '.join(named)} and {plural(more, 'more requirement')}"
    return " and ".join(named)
