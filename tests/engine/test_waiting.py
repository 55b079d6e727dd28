"""Builds that somebody else makes: waited for durably, woken by hooks, and what is said of them."""

import asyncio
import json
import re

import pytest
from markdown_it import MarkdownIt

from bot.build.external import ExternalPlace
from bot.build.service_builds import BuildLinks
from bot.check.external import ExternalPlan, ExternalProgress
from bot.engine.outcome import RetryPolicy
from bot.engine.waiting import combined_status, waiting_title
from bot.forge.values import CommitCheck, ForgeError, ForgeGoneError, ForgeRefusedError
from bot.model.result_json import check_from_json
from bot.store.records import NewDelivery

SPEC = {"nginx/nginx.spec": "Name: nginx\nRequires: perl\n"}
GLOB = "rpm-build:*x86_64"
NAME = "rpm-build:fedora-x86_64"


def plan(seconds: float = 600.0) -> ExternalPlan:
    place = ExternalPlace("d", "x86_64", "https://b/", ("nginx",))
    return ExternalPlan(GLOB, seconds, (place,))


def is_now(bot, word: str, name: str = NAME) -> None:
    state = {"success": "success", "pending": "pending"}.get(word, "failure")
    bot.forge.checks = [CommitCheck(name, state, word, "https://b/log")]


async def tell(bot, *names: str, sha: str | None = None) -> tuple[str, str]:
    """A hook says that checks are over; what became of the delivery."""
    bot.deliveries += 1
    body = {"sha": sha or bot.forge.pull.head_sha, "names": names}
    new = NewDelivery("gh", "status", f"guid-{bot.deliveries}", json.dumps(body).encode())
    (receipt,) = bot.store.add_deliveries([new])
    await bot.dispatcher.handle_new()
    (row,) = bot.store.rows("select state, reason from deliveries where id = ?", [receipt.id])
    return row["state"], row["reason"]


@pytest.fixture
def waiting(bot):
    """A bot whose changes are built elsewhere, and nothing is there yet."""
    bot.checker.external = plan()
    bot.checker.there = [True]
    return bot


async def until_it_waits(bot) -> None:
    await bot.until(lambda: any("waits for" in r.title for _, r in bot.forge.statuses))


def result(bot):
    return check_from_json(bot.store.check(bot.checks()[-1].id).result)


def slow(bot) -> None:
    """Looks far apart: what wakes a run then is the hook."""
    bot.engine._workflows.retry_policy = RetryPolicy(3, 30.0)


async def test_the_build_is_waited_for_then_taken_in_one_comment(waiting) -> None:
    is_now(waiting, "pending")
    # An author without any role: it is not us who build.
    waiting.forge.roles["ann"] = "none"
    head = waiting.push(SPEC)
    await waiting.deliver()
    await until_it_waits(waiting)
    assert waiting.checker.calls == [("predict", head)]
    (_, said) = waiting.forge.statuses[-1]
    assert said.state == "pending"
    assert GLOB in said.title
    assert "in_progress" not in said.summary
    assert NAME.replace("-", "") in said.summary.replace("-", "").replace("\\", "").replace("`", "")
    is_now(waiting, "success")
    await waiting.settled()
    assert waiting.checker.calls[-2:] == [("locate", GLOB), ("finish", head)]
    assert waiting.forge.states(head)[-1] == "success"
    assert len({body for _, body in waiting.forge.comments}) == 2  # predicted, then final
    assert waiting.checks()[-1].stage == "final"


async def test_a_hook_wakes_the_run_that_waits_for_that_check_and_no_other(waiting) -> None:
    slow(waiting)
    waiting.push(SPEC)
    await waiting.deliver()
    await until_it_waits(waiting)
    looks = waiting.forge.looks
    is_now(waiting, "success")
    assert (await tell(waiting, "tests"))[0] == "ignored"
    assert (await tell(waiting, NAME, sha="b" * 40))[0] == "ignored"
    await asyncio.sleep(0.5)
    assert waiting.forge.looks == looks
    state, reason = await tell(waiting, NAME)
    assert state == "done"
    assert "looks at the check" in reason
    await waiting.settled()  # within a minute, when the pause alone is four
    assert waiting.checks()[-1].stage == "final"
    assert (await tell(waiting, NAME))[0] == "ignored"  # nobody waits any more


async def test_a_hook_that_names_no_check_wakes_too(waiting) -> None:
    slow(waiting)
    waiting.push(SPEC)
    await waiting.deliver()
    await until_it_waits(waiting)
    is_now(waiting, "success")
    assert (await tell(waiting))[0] == "done"
    await waiting.settled()


async def test_a_failed_build_leaves_the_prediction_and_says_so_with_a_link(waiting) -> None:
    is_now(waiting, "failure")
    head = waiting.push(SPEC)
    await waiting.deliver()
    await waiting.settled()
    assert ("finish", head) not in waiting.checker.calls
    document = result(waiting)
    assert document.stage == "final"
    assert document.images[0].evidence == "predicted"
    (problem,) = document.problems
    assert "The external build failed, so the figures are still predictions" in problem
    assert [(b.outcome, b.log) for b in document.builds] == [("head-failed", "https://b/log")]
    assert "https://b/log" in waiting.forge.comments[-1][1]
    assert waiting.forge.states(head)[-1] == "success"  # the prediction's own verdict


async def test_after_the_deadline_the_prediction_stands_and_says_so(waiting) -> None:
    waiting.checker.external = plan(seconds=0.3)
    is_now(waiting, "pending")
    head = waiting.push(SPEC)
    await waiting.deliver()
    await waiting.settled()
    assert ("finish", head) not in waiting.checker.calls
    (problem,) = result(waiting).problems
    assert "was not there by" in problem
    assert NAME in problem
    assert result(waiting).builds == ()
    assert waiting.forge.states(head)[-1] == "success"


async def test_no_check_at_all_by_the_deadline(waiting) -> None:
    waiting.checker.external = plan(seconds=0.2)
    waiting.push(SPEC)
    await waiting.deliver()
    await waiting.settled()
    (problem,) = result(waiting).problems
    assert f"there is no check {GLOB} yet" in problem


async def test_a_green_check_whose_repository_is_not_written_yet_is_waited_for(waiting) -> None:
    is_now(waiting, "success")
    waiting.checker.there = [False, False, True]
    head = waiting.push(SPEC)
    await waiting.deliver()
    await waiting.settled()
    assert waiting.checker.calls == [
        ("predict", head),
        *[("locate", GLOB)] * 3,
        ("finish", head),
    ]
    assert any("Nothing is at" in r.summary for _, r in waiting.forge.statuses)


async def test_what_is_there_in_part_is_taken_at_the_deadline(waiting, monkeypatch) -> None:
    def half(wanted: ExternalPlan) -> ExternalProgress:
        return ExternalProgress(wanted.places, ("aarch64 is missing.",))

    monkeypatch.setattr(waiting.checker, "locate", half)
    waiting.checker.external = plan(seconds=0.3)
    is_now(waiting, "success")
    head = waiting.push(SPEC)
    await waiting.deliver()
    await waiting.settled()
    assert ("finish", head) in waiting.checker.calls


def of_service(seconds: float = 600.0) -> ExternalPlan:
    place = ExternalPlace("d", "x86_64", "https://k/koji", ("nginx",), service="k")
    return ExternalPlan(GLOB, seconds, (place,), "a" * 40)


TASK = "https://k/koji/taskinfo?taskID=5"


@pytest.fixture
def seen(waiting, monkeypatch) -> list[BuildLinks]:
    """The links that the looks and the final result go by."""
    seen: list[BuildLinks] = []
    locate, finish = waiting.checker.locate, waiting.checker.finish
    waiting.checker.external = of_service()
    monkeypatch.setattr(waiting.checker, "locate", lambda p: (seen.append(p.links), locate(p))[1])

    def finish_with(job, git, others=()):
        seen.append(job.links)
        return finish(job, git, others)

    monkeypatch.setattr(waiting.checker, "finish", finish_with)
    return seen


@pytest.mark.parametrize("word", ["pending", "success"])
async def test_build_that_a_check_links_to_is_taken_whatever_the_check_waits_for(
    waiting, seen: list[BuildLinks], word: str
) -> None:
    state = "pending" if word == "pending" else "success"
    waiting.forge.checks = [
        CommitCheck(NAME, state, word, TASK),
        CommitCheck("tests", "success", "success", TASK.replace("5", "6")),
    ]
    waiting.forge.others_comments = ["https://k/koji/taskinfo?taskID=7"]
    waiting.push(SPEC)
    await waiting.deliver()
    await waiting.settled()
    assert seen == [BuildLinks((TASK,))] * 2
    assert result(waiting).stage == "final"


async def test_build_that_a_comment_links_to_is_looked_for_where_no_check_has_a_link(
    waiting, seen: list[BuildLinks]
) -> None:
    waiting.forge.others_comments = [f"scratch build: {TASK}", "https://evil.org/koji/x"]
    waiting.push(SPEC)
    await waiting.deliver()
    await waiting.settled()
    assert seen == [BuildLinks((), (TASK,))] * 2


async def test_build_that_failed_elsewhere_leaves_the_prediction_with_its_reason(
    waiting, seen: list[BuildLinks], monkeypatch
) -> None:
    why = "Task 5 of https://k/koji failed: BuildError: no"
    monkeypatch.setattr(waiting.checker, "locate", lambda _: ExternalProgress((), (), why))
    waiting.forge.checks = [CommitCheck(NAME, "pending", "pending", TASK)]
    waiting.push(SPEC)
    await waiting.deliver()
    await waiting.settled()
    (problem,) = result(waiting).problems
    assert problem == f"The external build failed, so the figures are still predictions: {why}."
    assert [(b.outcome, b.log) for b in result(waiting).builds] == [("head-failed", TASK)]
    assert seen == []


async def test_a_forge_that_is_away_is_asked_again_and_one_that_refuses_is_told(waiting) -> None:
    is_now(waiting, "success")
    waiting.forge.fail["checks_of"] = [ForgeError("away"), ForgeError("away")]
    waiting.push(SPEC)
    await waiting.deliver()
    await waiting.settled()
    assert waiting.checks()[-1].stage == "final"
    assert result(waiting).images[0].evidence == "rebuilt"
    waiting.forge.fail["checks_of"] = [ForgeRefusedError("No permission.", "Give it.")]
    waiting.push({"nginx/nginx.spec": "Name: nginx\nRequires: python3\n"})
    await waiting.deliver()
    await waiting.settled()
    assert "No permission" in result(waiting).problems[0]
    assert result(waiting).verdict == "neutral"
    waiting.forge.fail["checks_of"] = [ForgeGoneError("The repository is gone.")]
    waiting.push({"nginx/nginx.spec": "Name: nginx\nRequires: ruby\n"})
    await waiting.deliver()
    await waiting.settled()
    assert waiting.checks()[-1].stage == "stopped"


async def test_a_newer_head_ends_the_waiting_at_once(waiting) -> None:
    slow(waiting)
    first = waiting.push(SPEC)
    await waiting.deliver()
    await until_it_waits(waiting)
    is_now(waiting, "success")
    second = waiting.push({"nginx/nginx.spec": "Name: nginx\nRequires: python3\n"})
    await waiting.deliver()
    await waiting.settled()
    await waiting.until(lambda: waiting.forge.states(first)[-1] == "neutral")
    assert [c.stage for c in waiting.checks()] == ["stopped", "final"]
    assert ("finish", first) not in waiting.checker.calls
    assert ("finish", second) in waiting.checker.calls
    # Nothing of it is left asleep.
    assert waiting.engine._workflows is not None
    await waiting.until(
        lambda: not [t for t in asyncio.all_tasks() if "recv" in repr(t.get_coro())]
    )


async def test_who_waits_holds_no_build_slot(tmp_path) -> None:
    from tests.engine.conftest import Bot

    bot = Bot(tmp_path, builds=1, predictions=1)
    await bot.engine.launch()
    try:
        bot.checker.external, bot.checker.there = plan(), [True]
        slow(bot)
        bot.push(SPEC)
        await bot.deliver()
        await until_it_waits(bot)
        # Another pull request's head is predicted and rebuilt meanwhile, with one slot of each.
        bot.checker.external = None
        await start_other(bot)
        await bot.until(lambda: bot.store.check("other").stage == "final")
        assert bot.checks()[-1].open
        bot.show(bot.forge.pull.head_sha, open=False)
        await bot.deliver("stop")
        assert not bot.checks()[-1].open
    finally:
        await bot.close()


async def start_other(bot) -> None:
    from bot.engine.job import CheckJob
    from bot.store.records import CheckRecord

    pull = bot.forge.pull
    common = {"forge": "gh", "repository": "o/r", "number": 8, "head_sha": pull.head_sha}
    bot.store.add_check(CheckRecord(id="other", **common))
    job = CheckJob(
        id="other", base_ref="main", base_sha=pull.base_sha, author="ann", private=False, **common
    )
    await bot.engine.start_check(job)


@pytest.mark.parametrize(
    ("words", "state"),
    [
        ([], "waiting"),
        (["success"], "passed"),
        (["success", "pending"], "waiting"),
        (["success", "pending", "failure"], "failed"),
        (["skipped"], "failed"),
    ],
)
def test_several_checks_stand_together(words: list[str], state: str) -> None:
    states = {"success": "success", "pending": "pending"}
    checks = [
        CommitCheck(f"rpm-build:{n}-x86_64", states.get(w, "failure"), w)
        for n, w in enumerate(words)
    ]
    others = [CommitCheck("minimize", "failure", "failure"), CommitCheck("t", "failure", "failure")]
    assert combined_status([*checks, *others], GLOB).state == state


def test_our_own_status_is_never_waited_for() -> None:
    assert combined_status([CommitCheck("minimize", "success", "success")], "*").state == "waiting"


async def test_names_of_checks_do_nothing_in_a_status(waiting) -> None:
    hostile = "rpm-build:@everyone <img src=x> [l](https://evil) x86_64"
    is_now(waiting, "pending", hostile)
    waiting.push(SPEC)
    await waiting.deliver()
    await until_it_waits(waiting)
    acts_as_nothing(waiting.forge.statuses[-1][1].summary)
    is_now(waiting, "failure", hostile)
    await waiting.settled()
    acts_as_nothing(waiting.forge.comments[-1][1])


def acts_as_nothing(markdown: str) -> None:
    """The hostile name is there, and only as text in code."""
    html = MarkdownIt().enable("table").render(markdown)
    assert "@everyone" in html
    assert "<img" not in html
    assert 'href="https://evil' not in html
    assert "@everyone" not in re.sub(r"<code>.*?</code>", "", html)


def test_what_is_waited_for_is_not_what_is_cut_from_a_long_title() -> None:
    title = waiting_title("nginx: " + "long " * 40, ExternalPlan("rpm-build:*", 60.0, ()))
    assert len(title) <= 140
    assert title.endswith("; waits for rpm-build:*")
