"""Objectives: the limit that a change exceeds, in a sentence, and all of them as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from bot.model.amount import Amount, beyond, excess, number, only_number
from bot.model.architecture import architecture_order
from bot.model.result import CheckResult, ImageResult, ObjectiveResult
from bot.model.surface import KINDS
from bot.report.blocks import Block, Detail, Section, section, table, truncated_listing
from bot.report.grouping import (
    architectures,
    image_on,
    lead_order,
    on_architectures,
    place_of_image,
)
from bot.report.phrase import Phrase, code, figure, message, plain, prose
from bot.report.sizes import count_span, format_delta, format_size, plural, span
from bot.report.template import Template, say, short_image

# The number of names that are shown; the page has all.
_MOST_NAMES = 3


def newly_broken(result: CheckResult) -> tuple[tuple[ImageResult, ObjectiveResult], ...]:
    """Return the objectives that this change breaks or makes worse, with each such image."""
    ordered = sorted(
        result.images, key=lambda i: (place_of_image(i), architecture_order(i.key.arch))
    )
    return tuple(
        (image, objective) for image in ordered for objective in image.objectives if objective.worse
    )


def was_broken(objective: ObjectiveResult) -> bool:
    """Return whether the objective's limit or due target was exceeded before this change."""
    before, bound = objective.before, objective.bound
    return excess(before, bound) > 0


def metric_text(metric: str, value: Amount | None) -> str:
    """Return the value of an objective's metric with its unit, or its first names."""
    if value is None:
        return "not known"
    if isinstance(value, tuple):
        rest = [f"{len(value) - _MOST_NAMES} more"] if len(value) > _MOST_NAMES else []
        return ", ".join([*value[:_MOST_NAMES], *rest]) or "none"
    if metric == "packages":
        return plural(value, "package")
    if metric.startswith("unwanted:"):
        return "present" if value else "absent"
    return format_delta(value) if metric == "growth" else format_size(value)


def metric_value(metric: str, value: Amount | None) -> Phrase:
    """Return the same for a table cell: a size and its unit stay on one line."""
    text = metric_text(metric, value)
    if isinstance(value, tuple):
        return message(text)
    return plain(text) if metric.startswith(("packages", "unwanted")) else figure(text)


def metric_phrase(metric: str) -> Phrase:
    """Return the name of a metric: `installed size`, unwanted `perl`."""
    kind, _, package = metric.partition(":")
    if kind == "unwanted":
        return say.unwanted(package=package)
    return plain(KINDS[kind][1] if kind in KINDS else metric.replace("_", " "))


def _not_allowed(objective: ObjectiveResult) -> Phrase:
    """Return `interpreters that are not allowed: perl`."""
    items = beyond(objective.value or (), objective.limit or ())
    names = items if isinstance(items, tuple) else ()
    listed = truncated_listing([code(name) for name in sorted(names)], _MOST_NAMES, "more")
    return say.not_allowed(kind=metric_phrase(objective.metric), names=listed)


def limit_sentence(result: CheckResult, *, short: bool = False) -> Phrase:
    """Return the most important limit that the change exceeds: `“nginx stays small” allows 70 MB.`

    Sizes are more important than numbers of packages, then growth, then unwanted packages, then the
    attack surface. Of several images the one furthest beyond it is named, and the others are
    counted unless it is `short`.
    """
    violations = sorted(newly_broken(result), key=lambda violation: _rank(violation[1]))
    if not violations:
        return _size_limit_met(result)
    image, worst = worst_violation(result)
    same = [
        violation
        for violation in violations
        if (violation[1].name, violation[1].metric) == (worst.name, worst.metric)
    ]
    arches = [i.key.arch for i, _ in same if place_of_image(i) == place_of_image(image)]
    checked = [i.key.arch for i in result.images if place_of_image(i) == place_of_image(image)]
    several = len({place_of_image(i) for i in result.images if i.changed or i.objectives}) > 1
    return say.limit(
        allows=allows(worst),
        image=short_image(place_of_image(image), map(place_of_image, result.images), emphasis=True)
        if several
        else (),
        value=metric_text(worst.metric, worst.value) if several else "",
        where="" if set(arches) == set(checked) else on_architectures(arches, checked),
        beyond=() if short else _other_violations(result, image, violations),
        before="before" if was_broken(worst) else "",
    )


def _other_violations(
    result: CheckResult,
    named: ImageResult,
    violations: Iterable[tuple[ImageResult, ObjectiveResult]],
) -> Phrase:
    """Return the one other image that exceeds a limit, or the number of them."""
    others = sorted({place_of_image(image) for image, _ in violations} - {place_of_image(named)})
    if len(others) != 1:
        return say.more_beyond_too(others=len(others)) if others else ()
    (other,) = others
    places = map(place_of_image, result.images)
    return say.beyond_too(other=short_image(other, places, emphasis=True))


def worst_violation(result: CheckResult) -> tuple[ImageResult, ObjectiveResult]:
    """Return the image and the limit that the headline names; ValueError if none is exceeded.

    Of its architectures it is the built one, else the first.
    """
    violations = newly_broken(result)
    first = min((objective for _, objective in violations), key=_rank)
    same = [violation for violation in violations if _rank(violation[1]) == _rank(first)]
    image, worst = max(same, key=lambda violation: _over(violation[1]))
    alike = [
        violation
        for violation in same
        if place_of_image(violation[0]) == place_of_image(image) and violation[1].name == worst.name
    ]
    return min(alike, key=lambda violation: lead_order(violation[0]))


def _size_limit_met(result: CheckResult) -> Phrase:
    """Return the limit of its size that one image keeps; empty for several."""
    by_limit = {
        (place_of_image(image), o.name, o.limit): o
        for image in result.images
        if image.changed
        for o in image.objectives
        if o.metric == "installed_size" and o.limit is not None and o.met
    }
    if len(by_limit) != 1 or len({place_of_image(image) for image in result.images}) > 1:
        return ()
    (objective,) = by_limit.values()
    limit = metric_text(objective.metric, objective.limit)
    return say.within(limit=limit, objective=objective.name)


def _rank(objective: ObjectiveResult) -> int:
    kinds = ("installed_size", "layer_size", "packages", "growth", "unwanted")
    kind = objective.metric.partition(":")[0]
    return kinds.index(kind) if kind in kinds else len(kinds)


def _over(objective: ObjectiveResult) -> int:
    return excess(objective.value, objective.bound)


def allows(objective: ObjectiveResult) -> Phrase:
    """Return `“nginx stays small” allows 70 MB`, with the excess if both figures look the same."""
    kind, _, package = objective.metric.partition(":")
    if kind == "unwanted":
        return say.forbids(objective=objective.name, package=package, reason=objective.reason)
    bound = objective.bound
    if isinstance(bound, tuple):
        return say.objects(objective=objective.name, names=_not_allowed(objective))
    if bound is None:
        return say.forbids_growth(objective=objective.name, reason=objective.reason)
    limit, value = metric_text(kind, bound), metric_text(kind, objective.value)
    over = metric_text(kind, _over(objective)) if kind != "growth" and limit == value else ""
    if objective.limit is None or bound < number(objective.limit):
        by = str(objective.target_by)
        return say.wanted_by(objective=objective.name, limit=limit, by=by, over=over)
    scope = {"layer_size": " to pull", "growth": " in one change"}.get(kind, "")
    return say.allows(objective=objective.name, limit=limit, scope=scope, over=over)


def limits(result: CheckResult, detail: Detail) -> Section | None:
    """Return all objectives of the checked images, folded, those that the change violates first."""
    blocks = limits_table(result, detail)
    violated = len({(place_of_image(i), o.name, o.metric) for i, o in newly_broken(result)})
    title = f"Limits ({violated} broken)" if violated else "Limits"
    return section(title, blocks, folded=True)


def limits_table(result: CheckResult, detail: Detail) -> list[Block]:
    """Return a row for each metric of each objective and image, its architectures together."""
    values: dict[tuple[object, ...], list[tuple[ImageResult, ObjectiveResult]]] = {}
    for image in result.images:
        for o in image.objectives:
            key = (not o.worse, place_of_image(image), o.name, o.metric, o.met)
            values.setdefault(key, []).append((image, o))
    one_place = len({key[1] for key in values}) == 1
    lines = []
    for (_, place, _, metric, _), members in sorted(values.items(), key=_worst_first):
        members.sort(key=lambda m: architecture_order(m[0].key.arch))
        objective = members[0][1]
        checked = [i.key.arch for i in result.images if place_of_image(i) == place]
        arches = architectures([i.key.arch for i, _ in members], checked)
        where = plain(arches) if one_place else image_on(place_of_image(members[0][0]), arches)
        bounds = limits_phrase(
            objective.metric, objective.limit, objective.target, objective.target_by
        )
        lines.append(
            (
                prose(objective.name),
                where,
                metric_phrase(str(metric)),
                say.before_and_after(
                    before=_values(members, lambda o: o.before),
                    after=_values(members, lambda o: o.value),
                ),
                bounds,
                _state(objective)(
                    # The reason for an unwanted package is left out where the package is not there.
                    reason="" if objective.met else objective.reason,
                    way=way_to_target([o for _, o in members]),
                ),
            )
        )
    place_title = "Architectures" if one_place else "Image"
    head = ("Objective", place_title, "Metric", "Before and after", "Limit, target", "State")
    return table(head, lines, {3, 4}, detail.rows, "objective")


def _worst_first(
    row: tuple[tuple[object, ...], Sequence[tuple[ImageResult, ObjectiveResult]]],
) -> tuple[object, ...]:
    """Return the sort key of limits: exceeded ones first, by how far."""
    key, members = row
    over = max((_part_over(o) for _, o in members), default=0.0) if members[0][1].worse else 0.0
    return not members[0][1].worse, -over, str(key)


def _part_over(objective: ObjectiveResult) -> float:
    """Return the excess as a part of the limit, so that bytes and packages are comparable."""
    return _over(objective) / max(only_number(objective.bound) or 1, 1)


def _values(
    members: Sequence[tuple[ImageResult, ObjectiveResult]],
    which: Callable[[ObjectiveResult], Amount | None],
) -> str:
    values = [(which(o), o.metric) for _, o in members]
    if any(value is None for value, _ in values):
        return "not known"
    if members[0][1].metric == "packages":
        return count_span(number(value) for value, _ in values)
    ordered = sorted(values, key=lambda v: number(v[0]))
    return span(metric_text(metric, value) for value, metric in ordered)


def _state(objective: ObjectiveResult) -> Template:
    if objective.met is None:
        return say.not_measured
    if objective.met:
        return say.met
    if objective.worse:
        return say.further_from_it if was_broken(objective) else say.broken_by_this
    return say.broken_before if was_broken(objective) else say.broken_now


def limits_phrase(metric: str, limit: Amount | None, target: int | None, by: str | None) -> Phrase:
    """`60 MB`; `60 MB, 45 MB by 2027-03-01`; empty for neither."""
    limit_value = () if limit is None else metric_value(metric, limit)
    if target is None:
        return limit_value
    return say.limit_and_target(limit=limit_value, target=metric_value(metric, target), by=str(by))


def way_to_target(results: Sequence[ObjectiveResult]) -> Phrase:
    """Return the distance of several images from one target, and how the change moves it.

    `6 MB to go to the target, 1 MB more than before`; empty without a target, or where a value is
    unknown.
    """
    ways = [(only_number(o.before), only_number(o.value), o.target) for o in results]
    distances = [value - target for _, value, target in ways if None not in (value, target)]  # type: ignore[operator]  # both are there
    if not ways or len(distances) < len(ways):
        return ()
    moved = [value - before for before, value, _ in ways if None not in (before, value)]  # type: ignore[operator]  # both are there
    increase = decrease = ""
    if len(moved) == len(ways) and any(moved):
        increase = _amounts(results, moved) if min(moved) >= 0 else ""
        decrease = _amounts(results, [-move for move in moved]) if max(moved) <= 0 else ""
    if max(distances) <= 0:
        return say.target_reached(more=increase, less=decrease)
    return say.to_go(
        amount=_amounts(results, [max(distance, 0) for distance in distances]),
        more=increase,
        less=decrease,
    )


def _amounts(results: Sequence[ObjectiveResult], values: Iterable[int]) -> str:
    return span(metric_text(results[0].metric, value) for value in sorted(values))
