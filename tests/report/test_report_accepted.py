"""A result that was accepted: in JSON and back, in the comment, in the status."""

from dataclasses import replace

from bot.model.closure import SnapshotState as State
from bot.model.image import ImageKey
from bot.model.result import (
    Acceptance,
    CheckResult,
    ImageResult,
    Side,
    check_from_json,
    check_to_json,
)
from bot.report.render import render_comment, status_line
from tests.report.conftest import broken_objective

OVER = CheckResult(
    base="a" * 40,
    head="b" * 40,
    merge_base="a" * 40,
    specs=("nginx.spec",),
    verdict="failure",
    only_limits=True,
    images=(
        ImageResult(
            key=ImageKey("nginx", "minimal", "demo", "x86_64"),
            snapshot=State("s", ()),
            changed=True,
            evidence="rebuilt",
            base=Side("ok", (), packages=10, installed_size=50_000_000, known_size=50_000_000),
            head=Side("ok", (), packages=11, installed_size=91_000_000, known_size=91_000_000),
            objectives=(broken_objective("small", "installed_size", 50, 91_000_000, 60_000_000),),
        ),
    ),
)
ACCEPTED = replace(
    OVER,
    verdict="success",
    accepted=Acceptance("maria", "worth it, @everyone <!-- x -->", "2026-11-24T00:00:00Z"),
)


def test_an_acceptance_goes_through_json_and_back() -> None:
    value = check_to_json(ACCEPTED)
    assert value["accepted"] == {
        "user": "maria",
        "reason": "worth it, @everyone <!-- x -->",
        "time": "2026-11-24T00:00:00Z",
    }
    assert value["only_limits"] is True
    assert check_from_json(value) == ACCEPTED
    assert check_to_json(OVER)["accepted"] is None
    del value["only_limits"], value["accepted"]
    assert check_from_json(value).accepted is None


def test_the_comment_says_who_accepted_it_when_and_why_and_still_what_is_over() -> None:
    text = render_comment(ACCEPTED)
    assert "the limit is 60 MB" in text
    assert "**Accepted** for this commit by maria on 2026-11-24: worth it, `@everyone" in text


def test_the_status_says_that_it_was_accepted() -> None:
    title, summary = status_line(ACCEPTED)
    assert title.startswith("Accepted by maria: ")
    assert "This breaks the objective “small” for **nginx** on x86_64" in summary
    assert "**Accepted** for this commit by maria on 2026-11-24: worth it, `@everyone" in summary
    assert "Accepted" not in status_line(OVER)[0]
