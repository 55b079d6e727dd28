"""The verdict of a check, by CONTRACT's rules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bot.check.fault import Unevaluated
from bot.model.result import Acceptance, CheckResult, ImageResult, Verdict


def verdict(
    images: Iterable[ImageResult], unevaluated: Iterable[Unevaluated], unknown: bool
) -> Verdict:
    """Return `failure` if the change is at fault, else `neutral` if something was not evaluated.

    A spec that the change makes invalid or run into its sandbox's limits fails; so do a head that
    is unsolvable where base was not, and an objective newly broken or made worse. Neutral: base
    was already unsolvable or not evaluable, a macro stayed unexpanded, or more is `unknown`:
    something around us failed, or an image could not be judged.
    """
    images, unevaluated = tuple(images), tuple(unevaluated)
    if any(each.fault == "change" for each in unevaluated):
        return "failure"
    if any(i.base.status != "unsolvable" and i.head.status == "unsolvable" for i in images):
        return "failure"
    if any(o.worse for i in images for o in i.objectives):
        return "failure"
    unsolvable = any(i.base.status == "unsolvable" for i in images)
    if unknown or unevaluated or unsolvable:
        return "neutral"
    return "success"


def only_limits(
    images: Iterable[ImageResult], unevaluated: Iterable[Unevaluated], unknown: bool
) -> bool:
    """Return true for a failure that objectives alone make: such a one may be accepted."""
    images, unevaluated = tuple(images), tuple(unevaluated)
    without = [replace(image, objectives=()) for image in images]
    return (
        verdict(images, unevaluated, unknown) == "failure"
        and verdict(without, unevaluated, unknown) != "failure"
    )


def accept(result: CheckResult, acceptance: Acceptance) -> CheckResult:
    """The result with its limits accepted; as it is where there is nothing of this to accept.

    Who accepts it again has the last word: theirs is the reason that is shown.
    """
    if not result.only_limits or result.accepted == acceptance:
        return result
    without = [replace(image, objectives=()) for image in result.images]
    unknown = result.interrupted or result.incomplete
    return replace(result, accepted=acceptance, verdict=verdict(without, (), unknown))
