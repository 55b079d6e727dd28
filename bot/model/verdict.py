"""How a check ends, and how an objective stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["success", "failure", "neutral"]


@dataclass(frozen=True, slots=True)
class ObjectiveResult:
    """How one metric of an objective stands; null where it could not be measured.

    `id` is the objective's. `metric`: `packages`, `installed_size`, `layer_size`, `growth` or
    `unwanted:NAME`.
    `worse` is true when this change newly breaks it, or moves it further beyond its limit.
    """

    name: str
    metric: str
    before: int | None
    value: int | None
    limit: int | None
    met: bool | None
    worse: bool = False
    reason: str = ""
    id: str = ""
