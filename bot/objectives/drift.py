"""Which objectives drift broke: read from history alone, so that a run cut short loses nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from bot.store.history import Acceptance, History, ObjectiveState, Step

# Steps of one image that an issue is made of, the newest.
_STEPS = 12
SUBJECT = "objective "
Why = Literal["drift", "date", "promise", "first seen"]


@dataclass(frozen=True, slots=True)
class Broken:
    """One metric of an objective that one image does not meet.

    `since` is when it broke, `before` its value until then (null if it was never met). `why`:
    the image moved (`drift`), a target's date passed (`date`), somebody wrote another limit
    (`promise`), or it was so when it was first looked at. `worse`: moved further away since.
    `steps` are the image's from then on, newest first.
    """

    state: ObjectiveState
    since: str
    before: int | None
    why: Why
    worse: bool
    steps: tuple[Step, ...]

    @property
    def drifted(self) -> bool:
        """Whether somebody should be told: it did not come from the promise itself."""
        return self.worse or self.why in ("drift", "date")


@dataclass(frozen=True, slots=True)
class DriftState:
    """An objective as an issue is about it: `heading` is history's.

    `broken` are the metrics not met now, `unknown` counts those that could not be measured.
    """

    heading: dict[str, Any]
    broken: tuple[Broken, ...]
    unknown: int
    accepted: tuple[Acceptance, ...]

    @property
    def id(self) -> str:
        """The objective's id."""
        return str(self.heading["id"])

    @property
    def subject(self) -> str:
        """What its issue is about: stays when the objective's document is renamed."""
        return subject_of(self.heading)

    @property
    def drifted(self) -> bool:
        """Whether drift broke it, or made it worse."""
        return any(one.drifted for one in self.broken)


def subject_of(heading: Mapping[str, Any]) -> str:
    """The subject of the issue about an objective."""
    return f"{SUBJECT}{heading['subject']}"


def drift_standings(
    history: History, wanted: Callable[[dict[str, Any]], bool] = lambda _heading: True
) -> tuple[DriftState, ...]:
    """Every objective that is described and `wanted`, private ones too, by id.

    What is not wanted costs nothing: each broken metric takes a few questions to history.
    """
    states: dict[str, list[ObjectiveState]] = {}
    for state in history.objective_states():
        states.setdefault(state.objective, []).append(state)
    found = []
    for heading in history.objective_headings(private=True):
        if not wanted(heading):
            continue
        own = states.get(heading["id"], [])
        broken = tuple(_broken(history, state) for state in own if state.met is False)
        keys = {one.state.key for one in broken}
        accepted = tuple(a for a in history.acceptances(heading["id"]) if a.key in keys)
        unknown = sum(state.met is None for state in own)
        found.append(DriftState(heading, broken, unknown, accepted))
    return tuple(sorted(found, key=lambda one: one.id))


def _broken(history: History, now: ObjectiveState) -> Broken:
    past = history.objective_history(now.objective, now.key, now.metric)
    before, stretch = split_stretch(past)
    since = stretch[0].since or ""
    steps = history.steps(now.key, since, limit=_STEPS)
    value = before.value if before is not None else None
    return Broken(now, since, value, why_broken(before, stretch[0]), _worse(stretch), steps)


def split_stretch(
    past: Sequence[ObjectiveState],
) -> tuple[ObjectiveState | None, tuple[ObjectiveState, ...]]:
    """The last state in which it was met, or null, and those since in which it was not.

    `past` is oldest first and ends with one that is not met. What could not be measured in
    between is left out: it says nothing.
    """
    stretch: list[ObjectiveState] = []
    for state in reversed(past):
        if state.met is True:
            return state, tuple(reversed(stretch))
        if state.met is False:
            stretch.append(state)
    return None, tuple(reversed(stretch))


def why_broken(before: ObjectiveState | None, first: ObjectiveState) -> Why:
    """What broke it, from the last state that was met and the first that was not."""
    if before is None or before.value is None or first.value is None:
        return "first seen"
    if first.value > before.value:
        return "drift"
    if (before.limit, before.target, before.target_by) == (
        first.limit,
        first.target,
        first.target_by,
    ):
        return "date"
    return "promise"


def _worse(stretch: Iterable[ObjectiveState]) -> bool:
    """Whether it moved further away while it was broken already."""
    values = [state.value for state in stretch if state.value is not None]
    return any(later > earlier for earlier, later in pairwise(values))
