"""Objectives that drift broke, and their images that can no longer be installed.

Everything is read from history, so that an interrupted run loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from bot.model.amount import Amount, gained
from bot.model.image import ImageKey
from bot.store.history.history import History
from bot.store.history.values import (
    Acceptance,
    Cause,
    ClosureFacts,
    Evaluation,
    Heading,
    MergedChange,
    ObjectiveState,
    Step,
)

# The number of an image's newest steps that an issue has.
_STEPS = 12
SUBJECT = "objective "
Why = Literal["drift", "date", "promise", "first seen"]


@dataclass(frozen=True, slots=True)
class BrokenMetric:
    """One metric of an objective that one image does not meet.

    `since` is when it broke, `before` its value until then (null if it was never met). `why`: the
    image changed (`drift`), a target's date passed (`date`), the limit was changed (`promise`), or
    it was so at the first evaluation. `worse`: further from the limit since. `steps` are the
    image's from then on, newest first.
    """

    state: ObjectiveState
    since: str
    before: Amount | None
    why: Why
    worse: bool
    steps: tuple[Step, ...]

    @property
    def drifted(self) -> bool:
        """Return whether to report it: its cause is not a change of the objective itself."""
        return self.worse or self.why in ("drift", "date")


@dataclass(frozen=True, slots=True)
class LostImage:
    """An image of an objective that cannot be installed, so that nothing of it can be measured.

    `step` made it so, at `since`; null and empty if it could never be installed. `facts` say why.
    """

    key: ImageKey
    since: str
    step: Step | None
    facts: ClosureFacts

    @property
    def cause(self) -> Cause | None:
        """The cause."""
        causes = self.step.causes if self.step is not None else ()
        return next((cause for cause in causes if cause.change == "unsolvable"), None)

    @property
    def drifted(self) -> bool:
        """Return whether to report it: no document is the cause, and it was installable once."""
        return self.cause is not None and self.cause.kind != "configuration"


@dataclass(frozen=True, slots=True)
class DriftState:
    """The state of an objective for an issue; `heading` is history's.

    `broken` are the metrics that are not met now, `lost` the images that cannot be installed, those
    by drift first; `unknown` is the number of metrics that could not be measured, `images` that of
    all images of the objective.
    """

    heading: Heading
    broken: tuple[BrokenMetric, ...]
    unknown: int
    accepted: tuple[Acceptance, ...]
    lost: tuple[LostImage, ...] = ()
    images: int = 0

    @property
    def id(self) -> str:
        """The objective's id."""
        return self.heading.id

    @property
    def subject(self) -> str:
        """The subject of its issue, which stays when the objective's document is renamed."""
        return subject_of(self.heading)

    @property
    def drifted(self) -> bool:
        """Return whether drift broke it, made it worse, or made an image of it uninstallable."""
        return any(broken.drifted for broken in self.broken) or any(
            one.drifted for one in self.lost
        )


def subject_of(heading: Heading) -> str:
    """Return the subject of the issue about an objective."""
    return f"{SUBJECT}{heading.subject}"


def drift_states(
    history: History, wanted: Callable[[Heading], bool] = lambda _heading: True
) -> tuple[DriftState, ...]:
    """Return every described objective that is `wanted`, also private ones, by id.

    Each broken metric takes a few queries on history; unwanted objectives take none.
    """
    states: dict[str, list[ObjectiveState]] = {}
    for state in history.objective_states():
        states.setdefault(state.objective, []).append(state)
    headings = [h for h in history.objective_headings(private=True) if wanted(h)]
    if not headings:
        return ()
    latest = history.latest_evaluations()
    all_lost = lost_images(history, latest)
    drifts = []
    for heading in headings:
        own_states = states.get(heading.id, [])
        broken = tuple(_broken(history, state) for state in own_states if state.met is False)
        keys = {metric.state.key for metric in broken}
        accepted = tuple(a for a in history.acceptances(heading.id) if a.key in keys)
        unknown = sum(state.met is None for state in own_states)
        measured = {state.key for state in own_states}
        lost = [
            image for image in all_lost if image.key in measured or speaks_of(heading, image.key)
        ]
        lost.sort(key=lambda image: (not image.drifted, image.key))
        images = sum(key in measured or speaks_of(heading, key) for key in latest)
        drifts.append(DriftState(heading, broken, unknown, accepted, tuple(lost), images))
    return tuple(sorted(drifts, key=lambda drift: drift.id))


def lost_images(
    history: History, latest: Mapping[ImageKey, Evaluation] | None = None
) -> tuple[LostImage, ...]:
    """Return the images that cannot be installed now, by key; `latest` is history's."""
    return tuple(
        _lost(history, key, evaluation.facts)
        for key, evaluation in sorted((latest or history.latest_evaluations()).items())
        if evaluation.facts.status != "ok"
    )


def _lost(history: History, key: ImageKey, facts: ClosureFacts) -> LostImage:
    # An image that cannot be installed makes no further step.
    steps = [step for step in history.steps(key, limit=1) if step.after.status != "ok"]
    return LostImage(key, steps[0].evaluated if steps else "", steps[0] if steps else None, facts)


def speaks_of(heading: Heading, key: ImageKey) -> bool:
    """Return whether an objective's document covers an image."""
    document = heading.document
    return (
        document["workload"] == key.workload
        and document["environment"] in (None, key.environment)
        and document["repository"] in (None, key.repository)
        and (not document["architectures"] or key.arch in document["architectures"])
    )


def _broken(history: History, state: ObjectiveState) -> BrokenMetric:
    past = history.objective_history(state.objective, state.key, state.metric)
    before, stretch = split_stretch(past)
    since = stretch[0].since or ""
    steps = history.steps(state.key, reported_since(history, since), limit=_STEPS)
    value = before.value if before is not None else None
    return BrokenMetric(state, since, value, why_broken(before, stretch[0]), _worse(stretch), steps)


def merged_in(history: History, causes: Iterable[Cause]) -> dict[int, MergedChange]:
    """Return the merged changes that causes are attributed to, by their ids."""
    numbers = {c.merged_change for c in causes if c.merged_change is not None}
    changes = {number: history.merged_change(number) for number in sorted(numbers)}
    return {number: change for number, change in changes.items() if change is not None}


def reported_since(history: History, started: str) -> str:
    """Return the start of the first run whose changes the run that began then reports."""
    run = history.run_at(started)
    first = history.first_reported_run(run.id) if run is not None else 0
    return history.run_started(first) or started


def split_stretch(
    past: Sequence[ObjectiveState],
) -> tuple[ObjectiveState | None, tuple[ObjectiveState, ...]]:
    """Return the last state in which it was met, or None, and those since in which it was not.

    `past` is oldest first and ends with one that is not met. States that could not be measured are
    left out.
    """
    stretch: list[ObjectiveState] = []
    for state in reversed(past):
        if state.met is True:
            return state, tuple(reversed(stretch))
        if state.met is False:
            stretch.append(state)
    return None, tuple(reversed(stretch))


def why_broken(before: ObjectiveState | None, first: ObjectiveState) -> Why:
    """Return the cause, from the last state that was met and the first that was not."""
    if before is None or before.value is None or first.value is None:
        return "first seen"
    if gained(before.value, first.value):
        return "drift"
    if (before.limit, before.target, before.target_by) == (
        first.limit,
        first.target,
        first.target_by,
    ):
        return "date"
    return "promise"


def _worse(stretch: Iterable[ObjectiveState]) -> bool:
    """Return whether it got further from the limit while it was broken."""
    values = [state.value for state in stretch if state.value is not None]
    return any(gained(earlier, later) for earlier, later in pairwise(values))
