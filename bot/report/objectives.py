"""Sentences about objectives: their values, and which of them a change violates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from bot.model.result import CheckResult, ImageResult, ObjectiveResult
from bot.report.architecture_grouping import arch_order, on_architectures, place_of_image
from bot.report.phrase import Phrase, code, joined, name, plain, prose, strong, to_plain
from bot.report.sizes import format_delta, format_size, plural, span
from bot.report.table_cells import short_image

# The values that one objective's sentence names; the table has all.
_MOST_VALUES = 6


def newly_broken(result: CheckResult) -> tuple[tuple[ImageResult, ObjectiveResult], ...]:
    """The objectives that this change breaks or makes worse, with each image where it does."""
    ordered = sorted(result.images, key=lambda i: (place_of_image(i), arch_order(i.key.arch)))
    return tuple(
        (image, objective) for image in ordered for objective in image.objectives if objective.worse
    )


def verdict_sentences(result: CheckResult) -> tuple[Phrase, ...]:
    """A sentence for each objective that the change breaks or moves further off; then who accepted
    that, and why."""
    sentences = [
        _violation_sentence(violations, result)
        for violations in _by_objective(newly_broken(result))
    ]
    accepted = result.accepted
    if accepted is not None:
        who = (*strong("Accepted"), *plain(" for this commit by "), *name(accepted.user))
        day = plain(f" on {accepted.time[:10]}: ")
        sentences.append((*who, *day, *prose(accepted.reason, 2000)))
    return tuple(sentences)


def was_broken(objective: ObjectiveResult) -> bool:
    """Return whether the objective was beyond its limit, or a target that is due, before this
    change."""
    before, bound = objective.before, objective.bound
    return before is not None and bound is not None and before > bound


def metric_text(metric: str, value: int | None) -> str:
    """The value of an objective's metric, with its unit."""
    if value is None:
        return "not known"
    if metric == "packages":
        return plural(value, "package")
    if metric.startswith("unwanted:"):
        return "present" if value else "absent"
    return format_delta(value) if metric == "growth" else format_size(value)


def metric_phrase(metric: str) -> Phrase:
    """The name of a metric: `installed size`, unwanted `perl`."""
    if metric.startswith("unwanted:"):
        return (*plain("unwanted "), *code(metric.removeprefix("unwanted:")))
    return plain(metric.replace("_", " "))


def quoted(text: str) -> Phrase:
    """A foreign title in quotation marks."""
    left, right = "\N{LEFT DOUBLE QUOTATION MARK}", "\N{RIGHT DOUBLE QUOTATION MARK}"
    return (*plain(left), *prose(text), *plain(right))


def objective_value(objectives: Sequence[ObjectiveResult]) -> Phrase:
    """The value of one metric on some architectures: `installed size 91.3 MB, the limit is 60 MB`.

    For a target that is due `51.3 MB, the target by 2027-03-01 is 45 MB`; for an unwanted package
    its name and the reason.
    """
    first = objectives[0]
    reason = (*plain(" ("), *prose(first.reason), *plain(")")) if first.reason else ()
    if first.metric.startswith("unwanted:"):
        unwanted = first.metric.removeprefix("unwanted:")
        state = " is present" if first.value else " is absent"
        return (*code(unwanted), *plain(state), *reason)
    listed = sorted(objectives, key=lambda o: (o.value is not None, o.value or 0))
    value = span(metric_text(o.metric, o.value) for o in listed)
    if first.bound is not None:
        limit = metric_text(first.metric, first.bound)
        over = [(o.value or 0) - first.bound for o in listed]
        # Where value and limit round to the same text, the difference is shown.
        value = (
            f"{span(metric_text(first.metric, size) for size in over)} over the"
            f" {_bound_words(first)} of {limit}"
            if value == limit and over[0] > 0
            else f"{value}, the {_bound_words(first)} is {limit}"
        )
    # `28 packages` names its metric already.
    named = () if first.metric == "packages" else (*metric_phrase(first.metric), *plain(" "))
    return (*named, *plain(value), *reason)


def _bound_words(objective: ObjectiveResult) -> str:
    if objective.limit is not None and objective.bound == objective.limit:
        return "limit"
    return f"target by {objective.target_by}"


def violation_title(result: CheckResult) -> str:
    """The first limit that the change violates, for a title, and the number of the others."""
    metric, *others = [m for one in _by_objective(newly_broken(result)) for m in _by_metric(one)]
    about = (*_subject(metric, result), *plain(": "), *objective_value([o for _, o in metric]))
    more = f" and {len(others)} more" if others else ""
    return f"{to_plain(about)} ({metric[0][1].name}){more}"


_Violations = Sequence[tuple[ImageResult, ObjectiveResult]]


def _violation_sentence(violations: _Violations, result: CheckResult) -> Phrase:
    """One objective's sentence: each image and metric, architectures together."""
    first = violations[0][1]
    verb = "moves further from" if was_broken(first) else "breaks"
    values_by_subject: dict[Phrase, list[Phrase]] = {}
    metrics = _by_metric(violations)
    for metric in metrics[:_MOST_VALUES]:
        subject = (*plain("for "), *_subject(metric, result, strong=True))
        values_by_subject.setdefault(subject, []).append(objective_value([o for _, o in metric]))
    clauses = [
        (*subject, *plain(": "), *joined(values, "; "))
        for subject, values in values_by_subject.items()
    ]
    more = len(metrics) - _MOST_VALUES
    others = plain(f"; and {plural(more, 'more value')}") if more > 0 else ()
    return (*plain(f"This {verb} the objective "), *quoted(first.name), *plain(" "),
            *joined(clauses, "; "), *others, *plain("."))  # fmt: skip


def _subject(metric: _Violations, result: CheckResult, *, strong: bool = False) -> Phrase:
    place = place_of_image(metric[0][0])
    everywhere = [i for i in result.images if place_of_image(i) == place]
    where = on_architectures((i.key.arch for i, _ in metric), (i.key.arch for i in everywhere))
    named = short_image(place, map(place_of_image, result.images), strong=strong)
    return (*named, *plain(f" {where}"))


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


def limits_text(metric: str, limit: int | None, target: int | None, by: str | None) -> str:
    """`60 MB`; `60 MB, 45 MB by 2027-03-01`; empty for neither."""
    targets = [] if limit is None else [metric_text(metric, limit)]
    if target is not None:
        targets.append(f"{metric_text(metric, target)} by {by}")
    return ", ".join(targets)


def way_text(held: Sequence[ObjectiveResult]) -> str:
    """The distance of several images from one target, and how the change moves it.

    `6 MB to go to the target, 1 MB more than before`; empty without a target, or where a value
    is not known.
    """
    ways = [(o.before, o.value, o.target) for o in held]
    left = [value - target for _, value, target in ways if None not in (value, target)]  # type: ignore[operator]  # both are there
    if not ways or len(left) < len(ways):
        return ""
    metric = held[0].metric
    to_go = _amounts(metric, (max(one, 0) for one in left))
    distance = f"{to_go} to go to the target" if max(left) > 0 else "the target is reached"
    moved = [value - before for before, value, _ in ways if None not in (before, value)]  # type: ignore[operator]  # both are there
    if len(moved) < len(ways) or not any(moved):
        return distance
    if min(moved) >= 0:
        return f"{distance}, {_amounts(metric, moved)} more than before"
    if max(moved) <= 0:
        return f"{distance}, {_amounts(metric, (-one for one in moved))} less than before"
    return distance


def _amounts(metric: str, values: Iterable[int]) -> str:
    return span(metric_text(metric, value) for value in sorted(values))
