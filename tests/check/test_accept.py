"""Which failures may be accepted, and what becomes of them."""

from dataclasses import replace

from bot.check.verdict import Unevaluated, accept, not_allowed, only_limits, verdict
from bot.model.closure import SnapshotState
from bot.model.image import ImageKey
from bot.model.result import Acceptance, CheckResult, ImageResult, ObjectiveResult, Side
from bot.model.spec import SpecFailure

BY = Acceptance("maria", "worth it", "2026-11-24T00:00:00Z")
OK = Side("ok", (), packages=10, installed_size=1000, known_size=1000)
LOST = Side("unsolvable", ("nothing provides x",))
INVALID = SpecFailure("nginx.spec", "s390x", "invalid", "no Name", 1)
OVER = ObjectiveResult(
    name="small", metric="packages", before=10, value=12, limit=11, met=False, worse=True
)


def image(base: Side = OK, head: Side = OK, *objectives: ObjectiveResult) -> ImageResult:
    key = ImageKey("nginx", "minimal", "demo", "x86_64")
    return ImageResult(
        key=key,
        snapshot=SnapshotState("s", ()),
        changed=True,
        evidence="rebuilt",
        base=base,
        head=head,
        added=(),
        removed=(),
        changed_packages=(),
        objectives=objectives,
    )


def result(*images: ImageResult, failed: tuple[Unevaluated, ...] = ()) -> CheckResult:
    return CheckResult(
        base="a",
        head="b",
        merge_base="a",
        specs=(),
        images=images,
        verdict=verdict(images, failed, False),
        only_limits=only_limits(images, failed, False),
        incomplete=any(each.fault == "base" for each in failed),
    )


def test_going_over_a_limit_may_be_accepted_and_is_then_a_success() -> None:
    over = result(image(OK, OK, OVER))
    assert (over.verdict, over.only_limits) == ("failure", True)
    accepted = accept(over, BY)
    assert (accepted.verdict, accepted.accepted) == ("success", BY)
    assert accept(accepted, BY) is accepted
    other = replace(BY, user="other", reason="better")
    assert accept(accepted, other).accepted == other  # the last word counts


def test_an_image_that_cannot_be_installed_any_more_cannot_be_accepted() -> None:
    lost = result(image(OK, LOST, OVER))
    assert (lost.verdict, lost.only_limits) == ("failure", False)
    assert accept(lost, BY) == lost


def test_an_invalid_spec_cannot_be_accepted_with_the_limit_beside_it() -> None:
    broken = Unevaluated(INVALID, "change", ("head",))
    both = result(image(OK, OK, OVER), failed=(broken,))
    assert (both.verdict, both.only_limits) == ("failure", False)


def test_a_spec_that_base_could_not_evaluate_stays_neutral_beside_an_accepted_limit() -> None:
    both = result(image(OK, OK, OVER), failed=(Unevaluated(INVALID, "base", ("base", "head")),))
    assert (both.verdict, both.only_limits) == ("failure", True)
    assert accept(both, BY).verdict == "neutral"


def test_what_is_neutral_beside_the_limit_stays_neutral() -> None:
    over = result(image(LOST, LOST), image(OK, OK, OVER))
    assert over.only_limits
    assert accept(over, BY).verdict == "neutral"


def test_there_is_nothing_to_accept_of_a_success() -> None:
    fine = result(image())
    assert not fine.only_limits
    assert accept(fine, BY) == fine


def test_an_accepted_limit_of_a_change_that_nobody_allowed_still_waits() -> None:
    waiting = not_allowed(result(image(OK, OK, OVER)))
    assert (waiting.verdict, waiting.judged) == ("action_required", "failure")
    accepted = accept(waiting, BY)
    assert (accepted.verdict, accepted.judged) == ("action_required", "success")
    assert accepted.accepted == BY
    assert not_allowed(waiting) == waiting
