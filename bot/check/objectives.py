"""Evaluates objectives on one image: limits, targets, growth in one change, unwanted packages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from functools import partial

from bot.distro.objectives import ObjectiveDocument, Sizes
from bot.model.amount import beyond, excess, gained
from bot.model.closure import ClosurePair
from bot.model.image import ImageKey
from bot.model.package import Package
from bot.model.result import ImageResult, ObjectiveResult, Side

# The name and the id of the objective are set in one place, for all its metrics.
_result = partial(ObjectiveResult, name="")


def applies(objective: ObjectiveDocument, key: ImageKey) -> bool:
    """Return whether an objective applies to an image."""
    return (
        objective.workload == key.workload
        and objective.environment in (None, key.environment)
        and objective.repository in (None, key.repository)
        and (not objective.architectures or key.arch in objective.architectures)
    )


def needs_of(objectives: Iterable[ObjectiveDocument], key: ImageKey) -> tuple[str, ...]:
    """The programs and capabilities that the objectives of an image need or keep."""
    lists = (
        (*objective.needs, *objective.keep) for objective in objectives if applies(objective, key)
    )
    return tuple(dict.fromkeys(text for texts in lists for text in texts))


def evaluate_objectives(
    objectives: Iterable[ObjectiveDocument], image: ImageResult, pair: ClosurePair, today: date
) -> tuple[ObjectiveResult, ...]:
    """Evaluate each metric of the objectives of an image, before and after the change.

    `value` and `met` are null if the metric cannot be measured (unsolvable, a size unknown, a layer
    not composed). `worse` is true if the change breaks the metric, or breaks it further. A target
    is always reported; it breaks the objective if its day is before `today`.
    """
    results: list[ObjectiveResult] = []
    for objective in sorted(objectives, key=lambda o: o.name):
        if not applies(objective, image.key):
            continue
        results += (
            replace(result, name=objective.name, id=objective.id)
            for result in _of(objective, image, pair, today)
        )
    return tuple(results)


def _of(
    objective: ObjectiveDocument, image: ImageResult, pair: ClosurePair, today: date
) -> list[ObjectiveResult]:
    results = []
    for metric in ("packages", "installed_size", "layer_size"):
        before, value = _value(metric, image.base), _value(metric, image.head)
        result = _size(objective, metric, before, value, today)
        if result is not None:
            results.append(result)
    results += _surface(objective, image)
    if objective.growth is not None and image.base.status != "absent":
        results.append(_growth(objective, image))
    return results + _unwanted(objective, pair)


def _value(metric: str, side: Side) -> int | None:
    if metric == "packages":
        return side.packages
    if metric == "installed_size":
        return side.installed_size
    return side.layer.gzip if side.layer else None


def _size(
    objective: ObjectiveDocument, metric: str, before: int | None, value: int | None, today: date
) -> ObjectiveResult | None:
    """The limit and the target of one metric; null if the objective has neither."""
    limit = getattr(objective.limits, metric)
    target = getattr(objective.target.sizes if objective.target else Sizes(), metric)
    if limit is None and target is None:
        return None
    by = objective.target.by if objective.target is not None and target is not None else None
    due, day = by is not None and today > by, by.isoformat() if by is not None else None
    result = _result(metric=metric, before=before, value=value, limit=limit, met=None)
    result = replace(result, target=target, target_by=day, due=due)
    bound = result.bound
    met = None if value is None else bound is None or not excess(value, bound)
    return replace(result, met=met, worse=_is_worse(before, value, met))


def _surface(objective: ObjectiveDocument, image: ImageResult) -> list[ObjectiveResult]:
    """Each kind of attack surface that has an allow-list; unknown until headers were read."""
    results = []
    for kind, allowed in objective.limits.surface.items():
        before, value = (
            None if side.surface is None else side.surface.items(kind)
            for side in (image.base, image.head)
        )
        met = None if value is None else not beyond(value, allowed)
        # What the base has without being allowed was not brought by this change.
        brought = (
            before is not None
            and value is not None
            and gained(beyond(before, allowed), beyond(value, allowed))
        )
        worse = met is False and brought
        results.append(
            _result(metric=kind, before=before, value=value, limit=allowed, met=met, worse=worse)
        )
    return results


def _is_worse(before: int | None, value: int | None, met: bool | None) -> bool:
    """Return whether the metric is newly broken or further over; false if the side before is
    unknown."""
    return met is False and before is not None and value is not None and value > before


def _growth(objective: ObjectiveDocument, image: ImageResult) -> ObjectiveResult:
    growth = objective.growth
    assert growth is not None
    before, after = image.base.installed_size, image.head.installed_size
    if before is None or after is None:
        return _result(metric="growth", before=None, value=None, limit=growth.bytes, met=None)
    grown = after - before
    # Both parts must be exceeded; one that is not given always is.
    over_bytes = growth.bytes is None or grown > growth.bytes
    over_percent = growth.percent is None or grown * 100 > growth.percent * before
    met = not (grown > 0 and over_bytes and over_percent)
    reason = "" if growth.percent is None else f"more than {growth.percent:g} % in one change"
    result = _result(metric="growth", before=0, value=grown, limit=growth.bytes, met=met)
    return replace(result, worse=not met, reason=reason)


def _unwanted(objective: ObjectiveDocument, pair: ClosurePair) -> list[ObjectiveResult]:
    results = []
    for name, reason in sorted(objective.unwanted.items()):
        before = _count(name, pair.base.packages) if pair.base.status == "ok" else None
        value = _count(name, pair.head.packages) if pair.head.status == "ok" else None
        met = None if value is None else value == 0
        worse = _is_worse(before, value, met)
        result = _result(metric=f"unwanted:{name}", before=before, value=value, limit=0, met=met)
        results.append(replace(result, worse=worse, reason=reason or ""))
    return results


def _count(name: str, packages: Iterable[Package]) -> int:
    return sum(1 for p in packages if p.nevra.name == name)
