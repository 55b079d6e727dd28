"""The verdict of a check, by CONTRACT's rules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bot.model import Acceptance, CheckResult, ImageResult, SpecFailure, Verdict


def verdict(
    images: Iterable[ImageResult], spec_failures: Iterable[SpecFailure], surroundings_failed: bool
) -> Verdict:
    """`failure` if the change is at fault, else `neutral` if something was not evaluated.

    A head spec that is invalid or runs into its sandbox's limits fails; so do a head that is
    unsolvable where base was not, and an objective newly broken or made worse. Neutral: base was
    already unsolvable, or something around us failed.
    """
    images = tuple(images)
    if any(f.cause in ("invalid", "limit") for f in spec_failures):
        return "failure"
    if any(i.base.status == "ok" and i.head.status == "unsolvable" for i in images):
        return "failure"
    if any(o.worse for i in images for o in i.objectives):
        return "failure"
    if surroundings_failed or any(i.base.status == "unsolvable" for i in images):
        return "neutral"
    return "success"


def only_limits(
    images: Iterable[ImageResult], spec_failures: Iterable[SpecFailure], surroundings_failed: bool
) -> bool:
    """Whether the verdict is a failure that objectives alone make: such a one may be accepted."""
    images = tuple(images)
    failures = tuple(spec_failures)
    without = [replace(image, objectives=()) for image in images]
    return (
        verdict(images, failures, surroundings_failed) == "failure"
        and verdict(without, failures, surroundings_failed) != "failure"
    )


def accept(result: CheckResult, acceptance: Acceptance) -> CheckResult:
    """The result with its limits accepted; as it is where there is nothing of this to accept.

    Who accepts it again has the last word: theirs is the reason that is shown.
    """
    if not result.only_limits or result.accepted == acceptance:
        return result
    without = [replace(image, objectives=()) for image in result.images]
    return replace(result, accepted=acceptance, verdict=verdict(without, (), result.interrupted))
