"""A pull request's way through the engine: comments, statuses, and what goes wrong on the way."""

import asyncio
import threading
import time

import pytest
from dbos import DBOS

from bot.engine.compute_process import ProcessEndedError
from bot.engine.job import CheckJob
from bot.engine.publishing import QUEUED
from bot.errors import ChangeError, SurroundingsError
from bot.forge.values import ForgeDeniedError, ForgeError, ForgeGoneError, ForgeRefusedError
from bot.report.render import COMMENT_MARKER
from bot.store.records import CheckRecord

SPEC = {"nginx/nginx.spec": "Name: nginx\nRequires: perl\n"}


async def test_a_spec_change_is_predicted_then_rebuilt_in_one_comment(bot) -> None:
    head = bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    assert bot.checker.calls == [("predict", head), ("finish", head)]
    assert len(bot.forge.comments) == 2
    assert all(COMMENT_MARKER in body for _, body in bot.forge.comments)
    assert bot.forge.states(head) == ["pending", "pending", "success"]
    (check,) = bot.checks()
    assert (check.stage, check.verdict, check.title) == ("final", "success", "Add perl")
    assert check.predicted is not None
    assert check.finished is not None
    assert bot.forge.statuses[-1][1].url == f"https://min.example/checks/{check.id}"
    assert bot.store.check(check.id).result["stage"] == "final"
    assert bot.observed == [("predicted", check.id), ("finished", check.id)]
    assert bot.store.comment("gh", "o/r", 7).check_id == check.id


async def test_a_change_beside_no_spec_gets_a_status_and_no_comment(bot) -> None:
    head = bot.push({"README": "other\n", "docs/a.md": "x"})
    await bot.deliver()
    await bot.settled()
    assert bot.forge.comments == []
    assert bot.checker.calls == []
    assert bot.forge.states(head) == ["pending", "success"]
    assert bot.forge.statuses[-1][1].title == "No spec file changed"
    assert bot.checks()[0].stage == "final"


async def test_the_repositorys_own_file_alone_is_looked_at(bot) -> None:
    bot.checker.changed = False
    head = bot.push({".minimize.yaml": "architectures: [x86_64]\n"})
    await bot.deliver()
    await bot.settled()
    assert ("predict", head) in bot.checker.calls
    assert bot.forge.comments == []


async def test_a_document_that_says_what_an_image_asks_for_is_checked(bot) -> None:
    head = bot.push({"configs/web.yaml": "document: feedback-pipeline-workload\n"})
    await bot.deliver()
    await bot.settled()
    assert ("predict", head) in bot.checker.calls
    other = bot.push({"configs/web.yaml": "document: another\n"})
    await bot.deliver()
    await bot.settled()
    assert ("predict", other) not in bot.checker.calls


async def test_a_patch_beside_a_spec_is_checked(bot) -> None:
    head = bot.push({"nginx/fix.patch": "p"})
    await bot.deliver()
    await bot.settled()
    assert ("predict", head) in bot.checker.calls


async def test_no_comment_while_no_image_changes_and_an_earlier_one_is_taken_back(bot) -> None:
    bot.checker.changed = False
    bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    assert bot.forge.comments == []
    bot.checker.changed = True
    bot.push({"nginx/nginx.spec": "Name: nginx\nRequires: python3\n"})
    await bot.deliver()
    await bot.settled()
    before = len(bot.forge.comments)
    assert before == 2
    bot.checker.changed = False
    bot.push({"nginx/nginx.spec": "Name: nginx\n# nothing\n"})
    await bot.deliver()
    await bot.settled()
    assert len(bot.forge.comments) > before
    whole, taken_back = bot.forge.comments[before - 1][1], bot.forge.comments[-1][1]
    shown = [line for line in taken_back.split("\n") if line and not line.startswith("<")]
    assert shown == ["### No image changes any more."]
    assert not set(taken_back.split("\n")) & {li for li in whole.split("\n") if "nginx" in li}
    bot.checker.changed = True
    bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    again = bot.forge.comments[-1][1].split("\n")
    assert again[:2] == whole.split("\n")[:2]
    assert len(again) == len(whole.split("\n"))


async def test_a_newer_head_takes_the_place_of_an_older_run(bot) -> None:
    first = bot.push(SPEC)
    bot.checker.hold[first] = threading.Event()
    await bot.deliver()
    await bot.until(lambda: ("predict", first) in bot.checker.calls)
    second = bot.push({"nginx/nginx.spec": "Name: nginx\nRequires: python3\n"})
    await bot.deliver()
    await bot.settled()
    await bot.until(lambda: "neutral" in bot.forge.states(first))
    old, new = bot.checks()
    assert (old.stage, new.stage) == ("stopped", "final")
    assert second[:12] in old.problem
    assert {head for head, _ in bot.forge.comments} == {second}
    assert bot.forge.states(second)[-1] == "success"


async def test_an_older_delivery_that_comes_late_starts_nothing_old(bot) -> None:
    first = bot.push(SPEC)
    second = bot.push({"nginx/nginx.spec": "Name: nginx\nRequires: python3\n"})
    await bot.deliver(head=second)
    await bot.deliver(head=first)
    await bot.settled()
    assert [c.head_sha for c in bot.checks()] == [second]
    assert {head for _, head in bot.checker.calls} == {second}


async def test_a_force_push_there_and_back_is_checked_again(bot) -> None:
    first = bot.push(SPEC)
    bot.checker.hold[first] = threading.Event()
    await bot.deliver()
    second = bot.push({"nginx/nginx.spec": "Name: nginx\nRequires: python3\n"})
    bot.checker.hold[second] = threading.Event()
    await bot.deliver()
    bot.checker.hold[first].set()
    bot.show(first)
    await bot.deliver()
    await bot.settled()
    assert [c.stage for c in bot.checks()] == ["stopped", "stopped", "final"]
    assert bot.forge.comments[-1][0] == first
    assert bot.forge.states(first)[-1] in ("success", "neutral")
    await bot.until(lambda: bot.forge.states(first).count("success") == 1)


async def test_closing_stops_the_run_and_says_so(bot) -> None:
    head = bot.push(SPEC)
    bot.checker.hold[head] = threading.Event()
    await bot.deliver()
    await bot.until(lambda: ("predict", head) in bot.checker.calls)
    bot.show(head, open=False)
    await bot.deliver("stop")
    assert bot.store.open_checks() == []
    assert bot.computing.ended == [bot.checks()[0].id]
    await bot.until(lambda: bot.forge.states(head)[-1] == "neutral")
    bot.checker.hold[head].set()
    assert bot.forge.comments == []


async def test_ready_for_review_does_not_repeat_what_is_done(bot) -> None:
    bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    await bot.deliver(action="ready_for_review")
    assert len(bot.checks()) == 1
    await bot.deliver(action="reopened")
    assert len(bot.checks()) == 2


async def test_trouble_around_us_is_tried_again_and_then_neutral(bot) -> None:
    away = SurroundingsError("The mirror is away.", "Wait for it.")
    bot.checker.predicting = [away]
    head = bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    assert bot.forge.states(head)[-1] == "success"
    bot.checker.predicting = [away] * 10
    head = bot.push({"nginx/nginx.spec": "Name: nginx\n# again\n"})
    await bot.deliver()
    await bot.settled()
    assert bot.checker.calls.count(("predict", head)) == 3
    state = bot.forge.statuses[-1][1]
    assert (state.state, state.title) == ("neutral", "The mirror is away.")
    assert bot.checks()[-1].verdict == "neutral"


async def test_a_fault_of_the_change_is_not_tried_again(bot) -> None:
    bot.checker.predicting = [ChangeError("It is too large: <b>@all</b>.")]
    head = bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    assert bot.checker.calls == [("predict", head)]
    assert bot.forge.states(head)[-1] == "neutral"
    # The text of a check run is Markdown.
    assert bot.forge.statuses[-1][1].summary == "It is too large: `<b>@all</b>`."


async def test_what_ends_its_process_twice_is_ended_in_words(bot) -> None:
    bot.checker.predicting = [ProcessEndedError("The process was ended by SIGSEGV.")] * 10
    head = bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    assert bot.checker.calls == [("predict", head)] * 2
    state = bot.forge.statuses[-1][1]
    assert (state.state, state.title) == ("neutral", "The process was ended by SIGSEGV.")
    assert "It happened twice, so it is not tried again." in state.summary


@pytest.mark.parametrize(("role", "queue"), [("write", "checks"), ("none", "strangers")])
async def test_a_strangers_check_waits_with_those_of_strangers(bot, role, queue) -> None:
    bot.forge.roles["ann"] = role
    bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    (run,) = await DBOS.list_workflows_async(workflow_ids=[bot.checks()[0].id])
    assert run.queue_name == queue


async def test_a_mistake_of_our_own_has_a_number_in_status_and_log(bot, caplog) -> None:
    bot.checker.predicting = [ZeroDivisionError("oops")]
    bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    title = bot.forge.statuses[-1][1].title
    number = title.rpartition("error ")[2].removesuffix(").")
    assert len(number) == 8
    logged = next(r for r in caplog.records if number in r.getMessage())
    assert logged.exc_info is not None
    assert bot.checks()[0].verdict == "neutral"


async def test_an_author_without_a_role_is_predicted_and_not_built(bot) -> None:
    bot.forge.roles["ann"] = "read"
    head = bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    assert bot.checker.calls == [("predict", head)]
    assert len(bot.forge.comments) == 1
    last = bot.forge.statuses[-1][1]
    assert last.state == "action_required"
    record = bot.store.check(bot.checks()[0].id)
    assert (record.stage, record.result["stage"]) == ("final", "final")
    assert "`ann` has the role read" in record.result["notes"][0]


async def test_where_the_build_fails_the_prediction_stands_and_says_so(bot) -> None:
    bot.checker.building = [ChangeError("No buildroot.")]
    bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    last = bot.forge.statuses[-1][1]
    assert last.state == "neutral"
    record = bot.store.check(bot.checks()[0].id)
    assert record.result["problems"] == [
        "The figures are still predictions, the rebuild failed: No buildroot."
    ]
    assert len(bot.forge.comments) == 2
    assert "No buildroot." in bot.forge.comments[-1][1]


async def test_what_needs_no_build_ends_with_the_prediction(bot) -> None:
    bot.checker.worth_building = False
    head = bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    assert bot.forge.states(head) == ["pending", "success"]


@pytest.mark.parametrize("changed", [True, False])
async def test_a_strangers_change_is_never_green_whatever_is_predicted(bot, changed) -> None:
    bot.forge.roles["ann"] = "read"
    bot.checker.changed = changed
    head = bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    assert bot.forge.states(head) == ["pending", "action_required"]
    assert bot.forge.statuses[-1][1].title == f"Not built: /minimize allow {head}"
    check = bot.store.check(bot.checks()[0].id)
    assert check.verdict == "action_required"
    assert check.result["verdict"] == "action_required"
    assert check.result["predicted_verdict"] == "success"
    assert bool(bot.forge.comments) is changed


@pytest.mark.parametrize("role", ["read", "write"])
async def test_a_large_prediction_is_read_only_of_who_is_trusted(bot, role: str) -> None:
    bot.forge.roles["ann"] = role
    bot.computing.large = True
    head = bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    # The build's result is asked about too: what somebody else builds is a stranger's.
    assert bot.computing.accepted == ([True, True] if role == "write" else [False])
    assert (("finish", head) in bot.checker.calls) is (role == "write")


async def test_a_strangers_change_to_no_file_that_is_read_is_a_success(bot) -> None:
    bot.forge.roles["ann"] = "read"
    head = bot.push({"README": "new\n"})
    await bot.deliver()
    await bot.settled()
    bot.checker.read = False
    beside = bot.push({"nginx/README": "new\n"}, "other")
    await bot.deliver()
    await bot.settled()
    assert bot.forge.states(head)[-1] == bot.forge.states(beside)[-1] == "success"
    assert ("predict", beside) in bot.checker.calls


@pytest.mark.parametrize("known", ["delivery", "forge", "neither"])
async def test_the_pusher_of_the_head_must_be_trusted_too(bot, known: str) -> None:
    bot.forge.roles["eve"] = "read"
    head = bot.push(SPEC)
    if known == "forge":
        bot.forge.pushers[head] = "eve"
    await bot.deliver(**{"pusher": "eve"} if known == "delivery" else {})
    await bot.settled()
    trusted = known == "neither"
    assert bot.forge.states(head)[-1] == ("success" if trusted else "action_required")
    assert (("finish", head) in bot.checker.calls) is trusted
    # A check that a comment asks for knows it too.
    await bot.comment("/minimize check", "ann")
    await bot.settled()
    assert bot.forge.states(head)[-1] == ("success" if trusted else "action_required")


async def test_a_run_that_began_before_the_pusher_was_known_begins_again(bot) -> None:
    bot.forge.roles["eve"] = "read"
    head = bot.push(SPEC)
    bot.checker.hold[head] = threading.Event()
    await bot.deliver()
    await bot.deliver(pusher="eve", action="synchronize")
    bot.checker.hold[head].set()
    await bot.settled()
    assert [check.stage for check in bot.checks()] == ["stopped", "final"]
    assert bot.forge.states(head)[-1] == "action_required"
    assert ("finish", head) not in bot.checker.calls


async def test_a_strangers_run_that_fails_is_not_neutral(bot) -> None:
    bot.forge.roles["ann"] = "read"
    bot.checker.predicting = [ChangeError("The mirror list is wrong.")]
    head = bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    assert bot.forge.states(head) == ["pending", "action_required"]
    assert "The mirror list is wrong." in bot.forge.statuses[-1][1].summary
    assert bot.checks()[0].verdict == "action_required"


@pytest.mark.parametrize("by", ["cancel", "push", "close"])
async def test_a_strangers_run_that_is_stopped_is_not_neutral(bot, by: str) -> None:
    bot.forge.roles["ann"] = "read"
    head = bot.push(SPEC)
    bot.checker.hold[head] = threading.Event()
    await bot.deliver()
    await bot.until(lambda: ("predict", head) in bot.checker.calls)
    if by == "cancel":
        await bot.comment("/minimize cancel", "ann")
    elif by == "close":
        await bot.deliver("stop")
    else:
        bot.push({**SPEC, "more": "x"})
        await bot.deliver()
    bot.checker.hold[head].set()
    await bot.until(lambda: bot.forge.states(head)[-1] == "action_required")
    await bot.settled()
    assert "neutral" not in bot.forge.states(head)


async def test_where_building_is_off_allow_accepts_the_prediction(stopped_bot) -> None:
    bot = stopped_bot
    off = bot.settings.build.model_copy(update={"enabled": False})
    bot.settings = bot.settings.model_copy(update={"build": off})
    bot.make()
    await bot.engine.launch()
    bot.forge.roles["ann"] = "read"
    head = bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    assert bot.forge.states(head)[-1] == "action_required"
    await bot.comment("/minimize allow SHA")
    await bot.settled()
    assert bot.forge.states(head)[-1] == "success"
    assert ("finish", head) not in bot.checker.calls


async def test_a_push_between_prediction_and_comment_writes_no_comment(bot) -> None:
    head = bot.push(SPEC)
    bot.checker.hold[head] = threading.Event()
    await bot.deliver()
    await bot.until(lambda: ("predict", head) in bot.checker.calls)
    bot.show("f" * 40)
    bot.checker.hold[head].set()
    await bot.settled()
    assert bot.forge.comments == []
    assert bot.forge.states(head)[-1] == "success"


async def test_a_forge_that_is_away_postpones_the_delivery(bot) -> None:
    bot.push(SPEC)
    bot.forge.fail["pull_request"] = [ForgeError("away"), ForgeError("away", "", 77)]
    await bot.deliver()
    assert bot.checks() == []
    assert bot.store.delivery_counts() == {"new": 1}
    assert bot.store.new_deliveries() == []  # not due yet


@pytest.mark.parametrize(
    "error", [ForgeGoneError("gone"), ForgeRefusedError("refused"), ForgeDeniedError("denied")]
)
async def test_what_is_gone_is_given_up_after_days_while_the_forge_answers(bot, error) -> None:
    bot.push(SPEC)
    bot.forge.fail["pull_request"] = [error] * 10
    await bot.deliver()
    over = "new" if isinstance(error, ForgeDeniedError) else "failed"
    for misses, answers, state in ((1, True, "new"), (9, False, "new"), (9, True, over)):
        with bot.store.writing() as db:
            db.execute("update deliveries set due = 0, attempts = 30, misses = ?", [misses])
        answered = time.monotonic() - (0 if answers else 100_000)
        bot.dispatcher._answer_times.update(dict.fromkeys(bot.dispatcher._forges, answered))
        await bot.dispatcher.handle_new()
        assert bot.store.delivery_counts() == {state: 1}


async def test_a_forge_that_is_away_is_asked_again_within_seconds_and_without_end(bot) -> None:
    bot.push(SPEC)
    bot.forge.fail["pull_request"] = [ForgeError("away")]
    await bot.deliver()
    with bot.store.writing() as db:
        db.execute("update deliveries set due = 0, attempts = 30")
    bot.forge.fail["pull_request"] = [ForgeError("away")]
    await bot.dispatcher.handle_new()
    (row,) = bot.store.rows("select state, due from deliveries")
    assert row["state"] == "new"
    assert row["due"] - time.time() < 21


async def test_a_comment_that_is_refused_holds_up_no_status_and_is_written_later(bot) -> None:
    bot.forge.fail["put_comment"] = [ForgeRefusedError("no permission")] * 2
    head = bot.push(SPEC)
    await bot.deliver()
    await bot.until(lambda: bot.forge.states(head)[-1:] == ["success"])
    await bot.settled()
    assert {one for one, _ in bot.forge.comments} == {head}


async def test_a_delivery_handled_again_after_a_crash_starts_nothing_twice(bot) -> None:
    head = bot.push(SPEC)
    await bot.deliver()
    with bot.store.writing() as db:  # as if the crash came before it was settled
        db.execute("update deliveries set state = 'new'")
    await bot.dispatcher.handle_new()
    await bot.settled()
    assert len(bot.checks()) == 1
    assert bot.checker.calls.count(("predict", head)) == 1


async def test_a_check_that_waits_for_its_turn_says_so_until_it_has_it(bot) -> None:
    engine = bot.settings.engine.model_copy(update={"predictions": 1})
    object.__setattr__(bot.settings, "engine", engine)
    bot.store.add_check(
        CheckRecord("other", "gh", "o/other", 1, "c" * 40, created="2026-11-24T00:00:00Z")
    )
    head = bot.push(SPEC)
    bot.checker.hold[head] = threading.Event()
    await bot.deliver()
    await bot.until(lambda: QUEUED in [r.title for _, r in bot.forge.statuses])
    bot.checker.hold[head].set()
    await bot.until(lambda: bot.forge.states(head)[-1] == "success")
    await bot.publisher.queued(CheckJob("late", "gh", "o/r", 7, "main", "b" * 40, head, "ann"))
    await asyncio.sleep(0.3)
    assert bot.forge.states(head)[-1] == "success"


async def test_a_check_that_has_its_turn_at_once_does_not_say_that_it_waits(bot) -> None:
    bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    assert QUEUED not in [r.title for _, r in bot.forge.statuses]
