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
    `target` is wanted by the end of the day `target_by` (`2027-03-01`), both null where there is
    none; it counts for `met` and `worse` once it is `due`: that day has passed.
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
    target: int | None = None
    target_by: str | None = None
    due: bool = False

    @property
    def bound(self) -> int | None:
        """The bound of the value today: the limit, a target that is due, or the smaller."""
        bounds = (self.limit, self.target if self.due else None)
        return min((bound for bound in bounds if bound is not None), default=None)
