"""The sentence on whether taking out one cause is enough for the limits that a change breaks.

It says only what was measured: the whole image without the cause, solved again.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.model.amount import only_number
from bot.model.result import Added, ImageResult, ObjectiveResult, Without
from bot.report.brought import Cause, because
from bot.report.phrase import Phrase
from bot.report.sizes import plural, short_size
from bot.report.template import say, sentences


def sufficiency(image: ImageResult, causes: Sequence[Cause]) -> Phrase:
    """The way out of `causes` that is enough for `image`; empty where nothing was measured."""
    each = [one for one in (cause.without(image) for cause in causes) if one is not None]
    broken = [objective for objective in image.objectives if objective.worse]
    if not each or not broken or len(each) < len(causes):
        return ()
    whole = each[0] if len(each) == 1 else image.without[-1]
    met = [_meets(image, without, broken) for without in (*each, whole)]
    if None in met:
        return ()
    limit = "limit" if len(broken) == 1 else "limits"
    packages = all(objective.metric == "packages" for objective in broken)
    values = [_value(without, packages) for without in each]
    back = _value(whole, packages)
    if len(each) == 1:
        return (say.enough_alone if met[0] else say.not_enough_alone)(value=back, limit=limit)
    if any(met[:-1]):
        which = met.index(True)
        return say.one_is_enough(cause=because(causes[which]), value=values[which], limit=limit)
    if not met[-1]:
        return say.all_not_enough(value=back, limit=limit)
    ordered = sorted(each, key=lambda one: (one.installed_size or 0, one.packages))
    first, last = (_value(one, packages) for one in (ordered[0], ordered[-1]))
    shared = first.removesuffix(" " + last.partition(" ")[2])
    between = "or" if len(each) == 2 else "to"
    return sentences(
        say.no_one_is_enough(
            values=f"{shared} {between} {last}" if first != last else last, limit=limit
        ),
        say.all_are_enough(all="Both" if len(each) == 2 else "All of them", value=back),
    )


def _value(without: Without, packages: bool) -> str:
    if packages:
        return plural(without.packages, "package")
    return short_size(without.installed_size)


def _meets(image: ImageResult, without: Without, broken: Sequence[ObjectiveResult]) -> bool | None:
    """Return whether all limits hold for an image without a cause; null where none can be told."""
    found = [one for o in broken if (one := _meets_one(image, without, o)) is not None]
    return all(found) if found else None


def _meets_one(image: ImageResult, without: Without, objective: ObjectiveResult) -> bool | None:
    kind, _, package = objective.metric.partition(":")
    if kind == "unwanted":
        return not any(
            added.package.nevra.name == package and not _goes(added, without)
            for added in image.added
        )
    size = without.installed_size
    if kind == "growth" and size is not None and image.base.installed_size is not None:
        size -= image.base.installed_size
    values = {"packages": without.packages, "installed_size": size, "growth": size}
    value, bound = values.get(kind), only_number(objective.bound)
    return None if value is None or bound is None else value <= bound


def _goes(added: Added, without: Without) -> bool:
    lines = bool(added.leaves_with) and set(added.leaves_with) <= set(without.lines)
    found = added.generated is not None and added.generated.capability in without.generated
    return lines or found
