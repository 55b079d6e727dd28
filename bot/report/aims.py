"""What an objective aims at, in words, and how far it is to a target."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bot.model.verdict import ObjectiveResult
from bot.report.objectives import metric_text
from bot.report.sizes import span


def aims_text(metric: str, limit: int | None, target: int | None, by: str | None) -> str:
    """`60 MB`; `60 MB, 45 MB by 2027-03-01`; empty for neither."""
    aims = [] if limit is None else [metric_text(metric, limit)]
    if target is not None:
        aims.append(f"{metric_text(metric, target)} by {by}")
    return ", ".join(aims)


def way_text(held: Sequence[ObjectiveResult]) -> str:
    """How far several images are from one target, and what the change does to that.

    `6 MB to go to the target, 1 MB more than before`; empty without a target, or where a value
    is not known.
    """
    ways = [(o.before, o.value, o.target) for o in held]
    left = [value - target for _, value, target in ways if None not in (value, target)]  # type: ignore[operator]  # both are there
    if not ways or len(left) < len(ways):
        return ""
    metric = held[0].metric
    to_go = _amounts(metric, (max(one, 0) for one in left))
    said = f"{to_go} to go to the target" if max(left) > 0 else "the target is reached"
    moved = [value - before for before, value, _ in ways if None not in (before, value)]  # type: ignore[operator]  # both are there
    if len(moved) < len(ways) or not any(moved):
        return said
    if min(moved) >= 0:
        return f"{said}, {_amounts(metric, moved)} more than before"
    if max(moved) <= 0:
        return f"{said}, {_amounts(metric, (-one for one in moved))} less than before"
    return said


def _amounts(metric: str, values: Iterable[int]) -> str:
    return span(metric_text(metric, value) for value in sorted(values))
