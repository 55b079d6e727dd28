"""Re-run buttons, merge queues, pushes and bots: what the dispatcher and the runs make of them."""

import threading
from dataclasses import replace

import pytest

from bot.forge.events import MergeGroupEvent, PushEvent, RerunEvent
from bot.forge.values import ForgeGoneError, PullRequestKey
from bot.store.records import NewDelivery

KEY = PullRequestKey("gh", "o/r", 7)
SPEC = {"nginx/nginx.spec": "Name: nginx\nRequires: perl\n"}


async def record(bot, event) -> tuple[str, str]:
    """What came of a delivery that carries `event`: its state and the reason."""
    plain = bot.forge.event
    bot.forge.event = lambda name, body: event
    bot.deliveries += 1
    delivery = NewDelivery("gh", "any", f"other-{bot.deliveries}", b"{}")
    (receipt,) = bot.store.add_deliveries([delivery])
    await bot.dispatcher.handle_new()
    bot.forge.event = plain
    (row,) = bot.store.rows("select state, reason from deliveries where id = ?", [receipt.id])
    return row["state"], row["reason"]


async def test_a_rerun_by_our_id_runs_the_check_again(bot) -> None:
    head = bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    (first,) = bot.checks()
    state, _ = await record(bot, RerunEvent("gh", "o/r", first.id, head, "maria"))
    assert state == "done"
    await bot.settled()
    assert [check.head_sha for check in bot.checks()] == [head, head]
    assert len({check.id for check in bot.checks()}) == 2


async def test_a_rerun_of_a_whole_suite_is_found_by_its_commit(bot) -> None:
    head = bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    state, _ = await record(bot, RerunEvent("gh", "o/r", None, head, "maria"))
    assert state == "done"
    await bot.settled()
    assert len(bot.checks()) == 2


def only_at(bot, **urls: str) -> None:
    """The forge has the pull request in these repositories alone, with these addresses."""
    there = {name.replace("_", "/"): url for name, url in urls.items()}

    async def pull_request(key: PullRequestKey):
        if key.repository not in there:
            raise ForgeGoneError("It is not there.")
        return replace(bot.forge.pull, key=key, url=there[key.repository])

    bot.forge.pull_request = pull_request


@pytest.mark.parametrize("whole_suite", [False, True])
async def test_a_rerun_finds_the_check_of_the_repositorys_old_name(bot, whole_suite: bool) -> None:
    head = bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    check = None if whole_suite else bot.checks()[0].id
    only_at(bot, o_r="https://x/new/r/7", new_r="https://x/new/r/7")
    state, _ = await record(bot, RerunEvent("gh", "new/r", check, head, "maria"))
    assert state == "done"
    await bot.settled()
    found = [(row["repository"], row["head_sha"]) for row in bot.store.rows("select * from checks")]
    assert found == [("o/r", head), ("new/r", head)]


@pytest.mark.parametrize(
    ("repository", "check"), [("o/r", "somebody-elses"), ("other/r", None), ("other/r", "own")]
)
@pytest.mark.parametrize("fork", [False, True])
async def test_a_rerun_of_what_is_not_ours_is_ignored(
    bot, repository: str, check, fork: bool
) -> None:
    head = bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    known = bot.checks()[0].id if check == "own" else check
    # Another repository may have the same commit in a pull request of the same number.
    fork_has = {"other_r": "https://x/other/r/7"} if fork else {}
    only_at(bot, o_r="https://x/o/r/7", **fork_has)
    state, reason = await record(bot, RerunEvent("gh", repository, known, head, "mallory"))
    assert state == "ignored"
    assert repository in reason
    assert len(bot.checks()) == 1


async def test_a_merge_queues_commit_gets_the_status_that_it_waits_for(bot) -> None:
    event = MergeGroupEvent(KEY, "c" * 40, "refs/heads/main")
    assert (await record(bot, event))[0] == "done"
    ((sha, report),) = bot.forge.statuses
    assert (sha, report.state) == ("c" * 40, "success")


async def test_a_push_to_a_branch_nothing_is_built_from_is_ignored_with_a_reason(bot) -> None:
    event = PushEvent("gh", "o/r", "main", "a" * 40, "b" * 40, default_branch="stable")
    state, reason = await record(bot, event)
    assert (state, reason[:4]) == ("ignored", "main")


@pytest.mark.parametrize("wanted", [False, True])
async def test_a_bots_pull_request_gets_the_status_and_the_comment_only_if_wanted(
    bot, wanted: bool
) -> None:
    own = bot.settings.forges["gh"].model_copy(update={"comment_on_bots": wanted})
    bot.settings.forges["gh"] = own
    bot.forge.pull = replace(bot.forge.pull, author="renovate[bot]", author_is_bot=True)
    bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    assert bool(bot.forge.comments) is wanted
    assert bot.forge.states()[-1] == "success"


async def test_a_forge_that_does_not_know_the_new_base_branch_yet_is_asked_again(bot) -> None:
    head = bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    now = replace(bot.forge.pull, base_ref="stable")
    behind = [bot.forge.pull, now]

    async def lagging(key: PullRequestKey):
        return behind.pop(0) if len(behind) > 1 else behind[0]

    bot.forge.pull_request = lagging
    bot.repository.git("branch", "stable", "main")
    await bot.deliver(action="edited (base)", base="stable")
    await bot.settled()
    assert [(c.head_sha, c.base_ref) for c in bot.checks()] == [(head, "main"), (head, "stable")]


async def test_the_comment_of_a_run_on_another_base_branch_is_not_written(bot) -> None:
    head = bot.push(SPEC)
    held = bot.checker.hold[head] = threading.Event()
    await bot.deliver()
    written = len(bot.forge.comments)
    bot.forge.pull = replace(bot.forge.pull, base_ref="stable")
    held.set()
    await bot.settled()
    assert len(bot.forge.comments) == written
