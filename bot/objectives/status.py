"""Statuses of objectives: values against limits and targets, and their trends."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from bot.check.objectives import applies
from bot.distro.cache import Cache
from bot.distro.documents import Configuration
from bot.distro.images import image_keys
from bot.distro.objectives import ObjectiveDocument, Sizes
from bot.model.amount import beyond, number
from bot.model.image import ImageKey
from bot.model.surface import Surface
from bot.objectives.evaluation import FailedImages, LastResults, evaluate, itself
from bot.objectives.solving import Note
from bot.store.history.history import History
from bot.store.history.recording import UnchangedImage
from bot.store.history.values import ClosureFacts, Heading, Moves, ObjectiveState
from bot.store.store import utc_text

Outlook = Literal["met", "at risk", "broken", "unknown"]
TREND_WEEKS = 8
RISK_WEEKS = 8
_WEEK = 7 * 86400.0
_SHORTEST = 86400.0
_METRICS: tuple[Literal["packages", "installed_size", "layer_size"], ...] = (
    "packages",
    "installed_size",
    "layer_size",
)


@dataclass(frozen=True, slots=True)
class ObjectiveStatus:
    """The state of a metric with its trend and outlook.

    `trend_per_week` is packages or bytes per week over the last eight weeks, null if history is
    shorter than a day. `outlook`: broken; at risk if the trend exceeds the limit within eight weeks
    or misses the target's date; met; unknown. `crosses` is the day on which the trend exceeds the
    limit, null if that is not within a year.
    """

    state: ObjectiveState
    name: str
    trend_per_week: float | None
    outlook: Outlook
    crosses: str | None = None


def states(
    objectives: Iterable[ObjectiveDocument],
    figures: Mapping[ImageKey, ClosureFacts],
    names: Callable[[ImageKey], frozenset[str]],
    surfaces: Mapping[ImageKey, Surface],
    today: date,
) -> tuple[ObjectiveState, ...]:
    """Return the state of every metric of every objective in every image that it covers.

    `figures` are the images' present figures, `names` returns the names of an image's packages,
    `surfaces` has the attack surfaces that are known. A metric that cannot be measured (unsolvable,
    unknown size, no layer, no header) has `value` and `met` null. A target counts once its day has
    passed.
    """
    states = []
    for objective in sorted(objectives, key=lambda o: o.id):
        for key, facts in sorted(figures.items()):
            if applies(objective, key):
                states += _sizes(objective, key, facts, today)
                states += _surface(
                    objective, key, surfaces.get(key) if facts.status == "ok" else None
                )
                states += _unwanted(objective, key, facts, names)
    return tuple(states)


def _sizes(
    objective: ObjectiveDocument, key: ImageKey, facts: ClosureFacts, today: date
) -> list[ObjectiveState]:
    states = []
    targets = objective.target.sizes if objective.target else Sizes()
    by = objective.target.by if objective.target else None
    for metric in _METRICS:
        limit, target = getattr(objective.limits, metric), getattr(targets, metric)
        if limit is None and target is None:
            continue
        value = getattr(facts, metric)
        late = target is not None and by is not None and today > by
        met = None
        if value is not None:
            met = (limit is None or value <= limit) and not (late and value > target)
        due = by.isoformat() if by is not None and target is not None else None
        states.append(ObjectiveState(objective.id, key, metric, value, limit, target, due, met))
    return states


def _surface(
    objective: ObjectiveDocument, key: ImageKey, surface: Surface | None
) -> list[ObjectiveState]:
    states = []
    for kind, allowed in objective.limits.surface.items():
        value = None if surface is None else surface.items(kind)
        met = None if value is None else not beyond(value, allowed)
        states.append(ObjectiveState(objective.id, key, kind, value, allowed, None, None, met))
    return states


def _unwanted(
    objective: ObjectiveDocument,
    key: ImageKey,
    facts: ClosureFacts,
    names: Callable[[ImageKey], frozenset[str]],
) -> list[ObjectiveState]:
    if not objective.unwanted:
        return []
    present = names(key) if facts.status == "ok" else None
    states = []
    for name, reason in sorted(objective.unwanted.items()):
        value = None if present is None else int(name in present)
        met = None if value is None else value == 0
        states.append(
            ObjectiveState(
                objective.id, key, f"unwanted:{name}", value, 0, None, None, met, reason or ""
            )
        )
    return states


def headings(
    objectives: Iterable[ObjectiveDocument],
    places: Mapping[str, tuple[str, bool]] | None = None,
) -> dict[str, Heading]:
    """Return the objectives as history has them, by id.

    `places` are those of repositories' own objectives, with whether they are private.
    """
    return {
        o.id: Heading(
            o.id, o.name, o.description, o.maintainer, o.workload,
            json.loads(json.dumps(asdict(o), default=str)), *(places or {}).get(o.id, ()),
        )
        for o in objectives
    }  # fmt: skip


def objective_statuses(
    history: History,
    now: datetime | None = None,
    run: int | None = None,
    *,
    key: ImageKey | None = None,
    objective: str | None = None,
) -> tuple[ObjectiveStatus, ...]:
    """Return every objective with its trend and outlook, as of a run (None: the last); worst first.

    `key` restricts it to one image, `objective` to one objective.
    """
    names = {heading.id: heading.name for heading in history.objective_headings(run=run)}
    selected = [
        state
        for state in history.objective_states(objective, run)
        if state.objective in names and key in (None, state.key)
    ]
    statuses = judged(history, selected, now, run)
    titled = [
        ObjectiveStatus(s.state, names[s.state.objective], s.trend_per_week, s.outlook, s.crosses)
        for s in statuses
    ]
    order = ("broken", "at risk", "unknown", "met")
    return tuple(sorted(titled, key=lambda s: (order.index(s.outlook), s.name, s.state.key)))


def judged(
    history: History,
    states: Sequence[ObjectiveState],
    now: datetime | None = None,
    run: int | None = None,
) -> tuple[ObjectiveStatus, ...]:
    """Return states with their trends until `now`, in the given order; names are objectives' ids.

    With a run, later history is ignored.
    """
    moment = now or datetime.now(UTC)
    start = moment - timedelta(weeks=TREND_WEEKS)
    since = utc_text(start)
    sized = [state for state in states if state.metric in _METRICS]
    moves = history.moves((state.key for state in sized), since, run) if sized else {}
    unmoved = {state.key for state in sized if (state.key, state.metric) not in moves}
    curves = history.curves(unmoved, since, run) if unmoved else {}
    statuses = []
    for state in states:
        slope = None
        if (state.key, state.metric) in moves:
            slope = trend_of(moves[state.key, state.metric], start, moment)
        elif state.key in curves and state.metric in _METRICS:
            curve = curves[state.key]
            pieces = [
                (at, getattr(figures_before, state.metric)) for at, figures_before in curve.before
            ]
            pieces.append((moment.timestamp(), getattr(curve.now, state.metric)))
            begin = max(start.timestamp(), curve.first)
            slope = trend(begin, pieces)
        statuses.append(
            ObjectiveStatus(
                state,
                state.objective,
                slope,
                _outlook(state, slope, moment.date()),
                _crosses(state, slope, moment.date()),
            )
        )
    return tuple(statuses)


def trend(begin: float, pieces: Sequence[tuple[float, int | None]]) -> float | None:
    """Return the slope per week of a curve of steps, by least squares over all of its time.

    Each piece is the second until which a value held, and the value; the first began at `begin`.
    Pieces without a value are left out. None if less than a day is known.
    """
    length = times = cubes = values = products = 0.0
    first: int | None = None
    left = 0.0
    for end, value in pieces:
        right = end - begin
        if value is not None and right > left:
            # Relative to the first value and to the beginning: large numbers would lose digits.
            first = value if first is None else first
            moment, square = right - left, (right * right - left * left) / 2
            length += moment
            times += square
            cubes += (right**3 - left**3) / 3
            values += (value - first) * moment
            products += (value - first) * square
        left = max(left, right)
    if length < _SHORTEST:
        return None
    return (products - values * times / length) / (cubes - times * times / length) * _WEEK


def trend_of(moves: Moves, start: datetime, end: datetime) -> float | None:
    """Return the same as `trend`, from sums over a figure's steps since `start`."""
    begin = max(start.timestamp(), moves.first)
    length, later = end.timestamp() - begin, begin - start.timestamp()
    if length < _SHORTEST:
        return None
    # The sums of the steps relative to the beginning, then the integrals of the rise over time.
    moment = moves.moment - later * moves.total
    square = moves.square - 2 * later * moves.moment + later * later * moves.total
    values = moves.total * length - moment
    products = (moves.total * length * length - square) / 2
    return (products - values * length / 2) / (length**3 / 12) * _WEEK


def _outlook(state: ObjectiveState, slope: float | None, today: date) -> Outlook:
    if state.met is None or state.value is None:
        return "unknown"
    if not state.met:
        return "broken"
    if slope is None:
        return "met"
    value, limit = number(state.value), state.limit
    if limit is not None and value + slope * RISK_WEEKS > number(limit):
        return "at risk"
    if state.target is not None and state.target_by is not None and value > state.target:
        weeks = max((date.fromisoformat(state.target_by) - today).days, 0) / 7
        if value + slope * weeks > state.target:
            return "at risk"
    return "met"


def _crosses(state: ObjectiveState, slope: float | None, today: date) -> str | None:
    if slope is None or slope <= 0 or not state.met or state.limit is None or state.value is None:
        return None
    weeks = (number(state.limit) - number(state.value)) / slope
    return (today + timedelta(weeks=weeks)).isoformat() if weeks <= 52 else None


@dataclass(frozen=True, slots=True)
class LiveStatuses:
    """Objective statuses of today, with the id as the name, and sentences.

    `failed` are about images that could not be evaluated, `notes` about sizes that could not be
    measured.
    """

    statuses: tuple[ObjectiveStatus, ...]
    failed: tuple[str, ...]
    notes: tuple[str, ...]


def objectives_now(
    configuration: Configuration,
    history: History,
    cache: Cache,
    objectives: Iterable[ObjectiveDocument] | None = None,
    *,
    offline: bool = False,
) -> LiveStatuses:
    """Compare every objective (or the given ones) with the images as they would be made now.

    An image whose repositories cannot be read has no value. Trends are history's.
    """
    chosen = tuple(configuration.objectives.values() if objectives is None else objectives)
    keys = [k for k in image_keys(configuration) if any(applies(o, k) for o in chosen)]
    inputs = LastResults(history.inputs(), history.closure_digests())
    last = history.latest_evaluations()
    figures: dict[ImageKey, ClosureFacts] = {}
    names: dict[ImageKey, frozenset[str]] = {}
    surfaces = history.surfaces()
    failed: dict[str, None] = {}
    notes: dict[str, None] = {}
    for batch in evaluate(configuration, keys, cache, inputs, then=itself, offline=offline):
        for outcome in batch:
            if isinstance(outcome, FailedImages):
                failed[str(outcome.error)] = None
                unknown = ClosureFacts("unsolvable", None, None, None)
                figures.update(dict.fromkeys(outcome.keys, unknown))
            elif isinstance(outcome, Note):
                notes[outcome.text] = None
            elif isinstance(outcome, UnchangedImage):
                figures[outcome.key] = last[outcome.key].facts
                surfaces |= {} if outcome.surface is None else {outcome.key: outcome.surface}
            else:
                figures[outcome.key] = outcome.facts
                surfaces.pop(outcome.key, None)
                surfaces |= {} if outcome.surface is None else {outcome.key: outcome.surface}
                names[outcome.key] = frozenset(member.nevra.name for member in outcome.members)

    def names_of(key: ImageKey) -> frozenset[str]:
        if key not in names:
            members = history.contents(key, links=False).members
            names[key] = frozenset(member.nevra.name for member in members)
        return names[key]

    current_states = states(chosen, figures, names_of, surfaces, datetime.now(UTC).date())
    return LiveStatuses(judged(history, current_states), tuple(failed), tuple(notes))
