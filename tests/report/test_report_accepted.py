"""A result that was accepted: in JSON and back, in the comment, in the status."""

from dataclasses import replace

from bot.check.verdict import not_allowed
from bot.model.result import Acceptance
from bot.model.result_json import check_from_json, check_to_json
from bot.report.render import comment_needed, render_comment, render_nothing_any_more, status_line
from tests.report.conftest import HEAD, broken_objective, image, perl, result

BROKEN = broken_objective("small", "installed_size", 50, 91_000_000, 60_000_000)
OVER = result(
    image("x86_64", perl("x86_64"), "rebuilt", objectives=(BROKEN,)),
    verdict="failure",
    only_limits=True,
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
    assert "allows 60 MB" in text
    assert "**Accepted** for this commit by `maria` on 2026-11-24: “worth it, `@everyone" in text


def test_the_status_says_that_it_was_accepted() -> None:
    title, summary = status_line(ACCEPTED)
    assert title.startswith("Accepted by `maria`: ")
    assert "“small” allows 60 MB" in summary
    assert "**Accepted** for this commit by `maria` on 2026-11-24: “worth it, `@everyone" in summary
    assert "Accepted" not in status_line(OVER)[0]


def test_the_line_that_accepts_it_stands_where_commands_are_read() -> None:
    line = f"`/minimize accept {HEAD} REASON`"
    assert line in render_comment(OVER, chat=True)
    assert line in status_line(OVER)[1]
    assert line not in render_comment(OVER)
    assert line not in render_comment(ACCEPTED, chat=True)
    assert line not in render_comment(replace(OVER, only_limits=False), chat=True)


def test_a_change_that_nobody_allowed_says_so_first_and_with_which_line() -> None:
    waiting = not_allowed(OVER)
    title, summary = status_line(waiting)
    assert title == f"Not built: /minimize allow {HEAD}"
    for text in (summary, render_comment(waiting, chat=True)):
        assert (
            "**Not built yet**: a maintainer has to look at a change of this author first." in text
        )
        assert f"`/minimize allow {HEAD}`" in text
        assert "allows 60 MB" in text
    assert check_from_json(check_to_json(waiting)) == waiting
    assert comment_needed(waiting)


def test_a_comment_taken_back_on_a_strangers_word_says_that_it_is_one() -> None:
    taken_back = not_allowed(replace(OVER, verdict="success", only_limits=False, images=()))
    text = render_nothing_any_more(taken_back, chat=True)
    assert f"`/minimize allow {HEAD}`" in text


def test_limits_that_are_broken_furthest_come_first() -> None:
    (image,) = OVER.images
    objectives = tuple(
        broken_objective(name, "installed_size", 50, size, 60_000_000)
        for name, size in (("a little", 61_000_000), ("b most", 91_000_000), ("c", 70_000_000))
    )
    text = render_comment(replace(OVER, images=(replace(image, objectives=objectives),)))
    rows = text.partition("Limits (3 broken)")[2]
    assert rows.index("b most") < rows.index("| c |") < rows.index("a little")
