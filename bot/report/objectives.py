"""Sentences about objectives: their values, and which of them a change violates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from bot.model.amount import Amount, beyond, excess, number, only_number
from bot.model.result import CheckResult, ImageResult, ObjectiveResult
from bot.model.surface import KINDS
from bot.report.blocks import truncated_listing
from bot.report.grouping import arch_order, on_architectures, place_of_image
from bot.report.phrase import Phrase, code, figure, joined, message, plain, prose
from bot.report.sizes import format_delta, format_size, plural, span
from bot.report.template import say, short_image

# The values that one objective's sentence names; the table has all.
_MOST_VALUES = 6
_MOST_NAMES = 3


def newly_broken(result: CheckResult) -> tuple[tuple[ImageResult, ObjectiveResult], ...]:
    """The objectives that this change breaks or makes worse, with each image where it does."""
    ordered = sorted(result.images, key=lambda i: (place_of_image(i), arch_order(i.key.arch)))
    return tuple(
        (image, objective) for image in ordered for objective in image.objectives if objective.worse
    )


def verdict_sentences(result: CheckResult) -> tuple[Phrase, ...]:
    """A sentence for each objective that the change breaks or moves further off; then who accepted
    that, and why."""
    found = [_violation(one, result) for one in _by_objective(newly_broken(result))]
    accepted = result.accepted
    if accepted is not None:
        reason = prose(accepted.reason, 2000)
        found.append(say.accepted(user=accepted.user, time=accepted.time, reason=reason))
    return tuple(found)


def was_broken(objective: ObjectiveResult) -> bool:
    """Return whether the objective was beyond its limit, or a target that is due, before this
    change."""
    before, bound = objective.before, objective.bound
    return excess(before, bound) > 0


def metric_text(metric: str, value: Amount | None) -> str:
    """The value of an objective's metric, with its unit; of names the first few."""
    if value is None:
        return "not known"
    if isinstance(value, tuple):
        more = [f"{len(value) - _MOST_NAMES} more"] if len(value) > _MOST_NAMES else []
        return ", ".join([*value[:_MOST_NAMES], *more]) or "none"
    if metric == "packages":
        return plural(value, "package")
    if metric.startswith("unwanted:"):
        return "present" if value else "absent"
    return format_delta(value) if metric == "growth" else format_size(value)


def metric_value(metric: str, value: Amount | None) -> Phrase:
    """The same, for a cell of a table: a size and its unit stay on one line."""
    text = metric_text(metric, value)
    if isinstance(value, tuple):
        return message(text)
    return plain(text) if metric.startswith(("packages", "unwanted")) else figure(text)


def metric_phrase(metric: str) -> Phrase:
    """The name of a metric: `installed size`, unwanted `perl`."""
    kind, _, package = metric.partition(":")
    if kind == "unwanted":
        return say.unwanted(package=package)
    return plain(KINDS[kind][1] if kind in KINDS else metric.replace("_", " "))


def objective_value(objectives: Sequence[ObjectiveResult]) -> Phrase:
    """The value of one metric on some architectures: `installed size 91.3 MB, the limit is 60 MB`.

    For a target that is due `51.3 MB, the target by 2027-03-01 is 45 MB`; for an unwanted package
    its name and the reason.
    """
    first = objectives[0]
    kind, _, package = first.metric.partition(":")
    if kind == "unwanted":
        presence = "present" if first.value else "absent"
        return say.unwanted_is(package=package, presence=presence, reason=first.reason)
    if isinstance(first.bound, tuple):
        return _not_allowed(objectives)
    listed = sorted(objectives, key=lambda o: (o.value is not None, number(o.value)))
    value = span(metric_text(o.metric, o.value) for o in listed)
    # `28 packages` names its metric already.
    metric = () if first.metric == "packages" else metric_phrase(first.metric)
    if first.bound is None:
        return say.value(metric=metric, value=value, bound="", limit="", reason=first.reason)
    limit, bound = metric_text(first.metric, first.bound), _bound_words(first)
    over = [number(o.value) - first.bound for o in listed]
    if value == limit and over[0] > 0:
        # Where value and limit round to the same text, the difference is shown.
        over_text = span(metric_text(first.metric, size) for size in over)
        return say.value_over(
            metric=metric, over=over_text, bound=bound, limit=limit, reason=first.reason
        )
    return say.value(metric=metric, value=value, bound=bound, limit=limit, reason=first.reason)


def _not_allowed(objectives: Sequence[ObjectiveResult]) -> Phrase:
    """`interpreters that are not allowed: perl`, of all architectures together."""
    names = {name for o in objectives for name in _beyond(o)}
    listed = truncated_listing([code(name) for name in sorted(names)], _MOST_NAMES, "more")
    return say.not_allowed(kind=metric_phrase(objectives[0].metric), names=listed)


def _beyond(objective: ObjectiveResult) -> tuple[str, ...]:
    if objective.value is None or objective.limit is None:
        return ()
    found = beyond(objective.value, objective.limit)
    return found if isinstance(found, tuple) else ()


def _bound_words(objective: ObjectiveResult) -> str:
    if objective.limit is not None and objective.bound == objective.limit:
        return "limit"
    return f"target by {objective.target_by}"


def violation_title(result: CheckResult) -> Phrase:
    """The first limit that the change violates, for a title, and the number of the others."""
    metric, *others = [m for one in _by_objective(newly_broken(result)) for m in _by_metric(one)]
    return say.violation_title(
        subject=_subject(metric, result),
        value=objective_value([objective for _, objective in metric]),
        objective=metric[0][1].name,
        others=len(others),
    )


_Violations = Sequence[tuple[ImageResult, ObjectiveResult]]


def _violation(violations: _Violations, result: CheckResult) -> Phrase:
    """One objective's sentence: each image and metric, architectures together."""
    first = violations[0][1]
    values_by_subject: dict[Phrase, list[Phrase]] = {}
    metrics = _by_metric(violations)
    for metric in metrics[:_MOST_VALUES]:
        subject = _subject(metric, result, emphasis=True)
        values_by_subject.setdefault(subject, []).append(objective_value([o for _, o in metric]))
    values = [
        say.values(subject=subject, values=joined(values, "; "))
        for subject, values in values_by_subject.items()
    ]
    violates = say.moves_further if was_broken(first) else say.breaks
    return violates(
        objective=first.name, values=joined(values, "; "), others=len(metrics) - _MOST_VALUES
    )


def _subject(metric: _Violations, result: CheckResult, *, emphasis: bool = False) -> Phrase:
    place = place_of_image(metric[0][0])
    everywhere = [i for i in result.images if place_of_image(i) == place]
    where = on_architectures((i.key.arch for i, _ in metric), (i.key.arch for i in everywhere))
    image = short_image(place, map(place_of_image, result.images), emphasis=emphasis)
    return say.on(image=image, where=where)


def _by_objective(violations: _Violations) -> list[_Violations]:
    """Violations by objective: two may share a name; broken anew and broken before are apart."""
    return _grouped(violations, lambda _, o: (o.name, o.id, was_broken(o)))


def _by_metric(violations: _Violations) -> list[_Violations]:
    """Violations by image, metric and limit, its architectures together."""
    return _grouped(
        violations, lambda image, o: (place_of_image(image), o.metric, o.bound, o.reason)
    )


def _grouped(
    violations: _Violations, key: Callable[[ImageResult, ObjectiveResult], object]
) -> list[_Violations]:
    found: dict[object, list[tuple[ImageResult, ObjectiveResult]]] = {}
    for image, objective in violations:
        found.setdefault(key(image, objective), []).append((image, objective))
    return list(found.values())


def limits_phrase(metric: str, limit: Amount | None, target: int | None, by: str | None) -> Phrase:
    """`60 MB`; `60 MB, 45 MB by 2027-03-01`; empty for neither."""
    limit_value = () if limit is None else metric_value(metric, limit)
    if target is None:
        return limit_value
    return say.limit_and_target(limit=limit_value, target=metric_value(metric, target), by=str(by))


def way_to_target(held: Sequence[ObjectiveResult]) -> Phrase:
    """The distance of several images from one target, and how the change moves it.

    `6 MB to go to the target, 1 MB more than before`; empty without a target, or where a value
    is not known.
    """
    ways = [(only_number(o.before), only_number(o.value), o.target) for o in held]
    left = [value - target for _, value, target in ways if None not in (value, target)]  # type: ignore[operator]  # both are there
    if not ways or len(left) < len(ways):
        return ()
    moved = [value - before for before, value, _ in ways if None not in (before, value)]  # type: ignore[operator]  # both are there
    more = less = ""
    if len(moved) == len(ways) and any(moved):
        more = _amounts(held, moved) if min(moved) >= 0 else ""
        less = _amounts(held, [-one for one in moved]) if max(moved) <= 0 else ""
    if max(left) <= 0:
        return say.target_reached(more=more, less=less)
    return say.to_go(amount=_amounts(held, [max(one, 0) for one in left]), more=more, less=less)


def _amounts(held: Sequence[ObjectiveResult], values: Iterable[int]) -> str:
    return span(metric_text(held[0].metric, value) for value in sorted(values))
