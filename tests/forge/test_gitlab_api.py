"""GitLab's REST API through python-gitlab, against the local forge, which refuses what GitLab's
documentation does not know: unknown paths, parameters and fields."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.demo.forge.values import Pipeline, Pull, Repository
from bot.forge.gitlab.client import GitLabClient
from bot.forge.gitlab.forge import GitLab
from bot.forge.rate_limit import requested_wait
from bot.forge.values import (
    ForgeError,
    ForgeRefusedError,
    PullRequestEvent,
    PullRequestKey,
    StatusReport,
)
from bot.report.render import COMMENT_MARKER as MARKER
from tests.forge.conftest import REFUSALS
from tests.forge.gitlab_world import PATH, World, gitlab_world, settings_of


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with gitlab_world(tmp_path) as made:
        yield made


async def test_a_merge_request_of_a_nested_group_as_it_is_now(world: World) -> None:
    pull = await world.gitlab.pull_request(world.key)
    assert (pull.title, pull.author, pull.open, pull.draft) == ("Move", "jonas", True, False)
    assert (pull.head_sha, pull.base_ref) == (world.pull.head_sha, "main")
    assert pull.head_repository == PATH
    assert not pull.private
    # The branch's tip, not where the merge request began.
    tip = world.repository.git.commit("main", {"other": "x"}, "Go on")
    assert (await world.gitlab.pull_request(world.key)).base_sha == tip
    world.repository.private = True
    assert (await world.gitlab.pull_request(world.key)).private


async def test_a_merge_request_of_a_bot_is_known_as_one(world: World) -> None:
    world.local.add_user("renovate", "Bot")
    pull = await world.local.open_pull(world.repository, "topic", user="renovate", title="Bump")
    key = PullRequestKey("gl", PATH, pull.number)
    assert (await world.gitlab.pull_request(key)).author_is_bot
    assert not (await world.gitlab.pull_request(world.key)).author_is_bot


async def test_a_service_account_with_a_name_of_its_own_is_known_as_a_bot(world: World) -> None:
    world.local.add_user("releng", "Bot")
    assert await world.gitlab.is_bot(world.key, "releng")
    assert await world.gitlab.is_bot(world.key, "RelEng")
    assert not await world.gitlab.is_bot(world.key, "jonas")
    assert not await world.gitlab.is_bot(world.key, "nobody-here")


async def test_changed_files_with_the_old_path_of_a_renamed_one(world: World) -> None:
    files = await world.gitlab.changed_files(world.key)
    assert [(f.path, f.old_path) for f in files] == [
        ("a.patch", None),
        ("web/nginx.spec", "nginx.spec"),
    ]


async def test_changed_files_are_read_over_all_pages(world: World) -> None:
    many = {f"f{n:03}": "x" for n in range(250)}
    await world.local.push(world.repository, "topic", many, "More", user="jonas")
    assert len(await world.gitlab.changed_files(world.key)) == 252
    assert len(world.requests_of("GET", "/diffs")) == 3


async def test_our_note_is_found_over_all_pages_and_a_strangers_never(world: World) -> None:
    for _ in range(120):
        await world.local.comment(world.pull, f"{MARKER} not ours", user="jonas")
    assert await world.gitlab.find_comment(world.key, MARKER) is None
    made = await world.gitlab.put_comment(world.key, MARKER, f"{MARKER} first")
    again = await world.gitlab.put_comment(world.key, MARKER, f"{MARKER} second")
    assert again.id == made.id
    found = await world.gitlab.find_comment(world.key, MARKER)
    assert found is not None
    assert found.body == f"{MARKER} second"
    assert found.url.endswith(f"/{PATH}/-/merge_requests/1#note_{made.id}")
    assert len(world.requests_of("POST", "/notes")) == 1


async def test_the_same_text_is_not_written_again(world: World) -> None:
    for _ in range(2):
        await world.gitlab.put_comment(world.key, MARKER, MARKER)
    assert world.requests_of("PUT", "/notes") == []


async def test_of_many_runs_at_once_one_note_stays(world: World) -> None:
    texts = [f"{MARKER} {n}" for n in range(6)]
    await asyncio.gather(*(world.gitlab.put_comment(world.key, MARKER, t) for t in texts))
    (kept,) = world.local.state.comments_of(world.pull)
    assert kept.body in texts


async def test_a_status_is_set_once_and_moves_on(world: World) -> None:
    sha = world.pull.head_sha
    said = []
    for state, title in (
        ("pending", "Working"),
        ("pending", "Working"),
        ("pending", "Still working"),
        ("pending", "Nearly there"),
        ("success", "3 images change"),
        ("success", "3 images change"),
    ):
        report = StatusReport("c1", state, title, url="https://m/checks/c1")
        await world.gitlab.set_status(world.key, sha, report)
        said.append(world.statuses()[-1])
    assert said == [
        ("pending", "Working"),
        ("pending", "Working"),
        ("running", "Still working"),
        ("running", "Still working"),  # GitLab moves on no further, which is no error
        ("success", "3 images change"),
        ("success", "3 images change"),
    ]
    assert len(world.statuses()) == 1
    assert len(world.requests_of("POST", "/statuses/")) == 4
    await world.gitlab.set_status(world.key, sha, StatusReport("c2", "neutral", "mirror " * 60))
    state, text = world.statuses()[-1]
    assert state == "success"
    assert text is not None
    assert text.startswith("not evaluated: mirror")
    assert len(text) == 255


@pytest.fixture
async def fork(world: World) -> tuple[Repository, PullRequestKey, Pull]:
    repository = world.local.add_repository("jonas/nginx", parent=world.repository)
    repository.git.commit("mine", {"nginx.spec": "x"}, "Mine", start="main")
    pull = await world.local.open_pull(
        world.repository, "mine", user="jonas", title="t", head_repository=repository
    )
    return repository, PullRequestKey("gl", PATH, pull.number), pull


def run_pipeline(world: World, number: int, ref: str) -> None:
    sha = world.pull.head_sha
    made = Pipeline(number, world.repository, sha, ref, "running", f"https://ci/{number}")
    world.local.state.pipelines.append(made)


def in_pipelines(world: World) -> list[tuple[int | None, str]]:
    made = world.local.state.statuses.get(world.repository.id, [])
    return [(status.pipeline, status.state) for status in made]


async def test_the_status_goes_to_the_merge_requests_own_pipeline_and_stays_there(world) -> None:
    sha, own = world.pull.head_sha, f"refs/merge-requests/{world.pull.number}/head"
    run_pipeline(world, 5, "topic")
    run_pipeline(world, 6, own)
    for title in ("Working", "Still working", "Nearly there"):
        await world.gitlab.set_status(world.key, sha, StatusReport("c", "pending", title))
    run_pipeline(world, 7, own)  # somebody runs it again
    await world.gitlab.set_status(world.key, sha, StatusReport("c", "success", "Fine"))
    assert in_pipelines(world) == [(6, "success")]


async def test_a_status_from_before_the_pipeline_ends_with_it(world) -> None:
    sha, own = world.pull.head_sha, f"refs/merge-requests/{world.pull.number}/head"
    await world.gitlab.set_status(world.key, sha, StatusReport("c", "pending", "Working"))
    run_pipeline(world, 6, own)
    await world.gitlab.set_status(world.key, sha, StatusReport("c", "failure", "Large"))
    assert in_pipelines(world) == [(None, "failed"), (6, "failed")]


async def test_the_status_of_a_fork_that_takes_none_goes_into_the_comment(world, fork) -> None:
    _, key, pull = fork

    def bodies() -> list[str]:
        return [c.body for c in world.local.state.comments_of(pull)]

    await world.gitlab.set_status(key, pull.head_sha, StatusReport("c", "pending", "Working"))
    assert bodies() == []  # nothing to say yet
    await world.gitlab.put_comment(key, MARKER, f"{MARKER}\nIt grows.\n")
    (body,) = bodies()
    assert "**Status `minimize`**" in body
    assert "is running: `Working`" in body
    hostile = "3 images,` @all\n[x](http://evil) <b>"
    report = StatusReport("c", "failure", hostile, url="https://m/checks/c")
    await world.gitlab.set_status(key, pull.head_sha, report)
    (body,) = bodies()
    assert "is running" not in body
    assert "failed: `3 images,' @all [x](http://evil) <b>`" in body
    assert "([details](https://m/checks/c))" in body
    assert body.endswith(f"{MARKER}\nIt grows.\n")
    # A later text keeps the line, whoever writes it.
    other = GitLab(
        "gl", settings_of(world.local.url), token=world.local.token("minimize-bot"), secrets=()
    )
    await other.put_comment(key, MARKER, f"{MARKER}\nIt shrinks.\n")
    await other.close()
    (body,) = bodies()
    assert "failed: `3 images" in body
    assert "It shrinks." in body
    # An older head's status is nobody's business here.
    await world.gitlab.set_status(key, "0" * 40, StatusReport("c", "failure", "Old"))
    assert "Old" not in bodies()[0]
    assert world.statuses() == []


async def test_a_failed_status_of_a_fork_makes_a_comment_and_a_success_does_not(
    world, fork
) -> None:
    _, key, pull = fork
    await world.gitlab.set_status(key, pull.head_sha, StatusReport("c", "success", "Fine"))
    assert world.local.state.comments_of(pull) == []
    await world.gitlab.set_status(key, pull.head_sha, StatusReport("c", "failure", "Over limit"))
    (comment,) = world.local.state.comments_of(pull)
    assert "failed: `Over limit`" in comment.body
    assert MARKER in comment.body


async def test_a_fork_that_lets_us_has_the_status_itself(world, fork) -> None:
    repository, key, pull = fork
    world.local.set_role(repository, "minimize-bot", "write")
    await world.gitlab.set_status(key, pull.head_sha, StatusReport("c", "success", "Fine"))
    assert world.statuses(repository) == [("success", "Fine")]
    assert world.local.state.comments_of(pull) == []


async def test_a_status_refused_in_our_own_project_is_told(world: World) -> None:
    world.local.set_role(world.repository, "minimize-bot", "triage")
    with pytest.raises(ForgeRefusedError, match="Developer"):
        await world.gitlab.set_status(
            world.key, world.pull.head_sha, StatusReport("c", "success", "Fine")
        )


@pytest.mark.parametrize(
    ("given", "role"),
    [
        ("read", "read"),
        ("triage", "triage"),
        ("write", "write"),
        ("maintain", "maintain"),
        ("admin", "admin"),
    ],
)
async def test_roles_by_access_level(world: World, given: str, role: str) -> None:
    world.local.set_role(world.repository, "maria", given)
    assert await world.gitlab.role_of(world.key, "Maria") == role
    assert world.requests_of("GET", "/members/all/")  # inherited members included


async def test_a_stranger_reads_what_is_public_and_nobody_is_nobody(world: World) -> None:
    world.local.add_user("stranger")
    assert await world.gitlab.role_of(world.key, "stranger") == "read"
    assert await world.gitlab.role_of(world.key, "../../nobody?x=1") == "none"
    world.repository.private = True
    assert await world.gitlab.role_of(world.key, "stranger") == "none"


async def test_a_reaction_is_put_once(world: World) -> None:
    comment = await world.local.comment(world.pull, "/minimize check", user="jonas")
    for _ in range(2):
        await world.gitlab.react(world.key, str(comment.id), "+1")
    await world.gitlab.react(world.key, str(comment.id), "eyes")
    assert [r.content for r in comment.reactions] == ["+1", "eyes"]


async def test_where_the_commits_are_forks_too_without_a_secret_in_the_url(world: World) -> None:
    source = await world.gitlab.source(world.key, "main")
    assert source.url == f"{world.local.url}/{PATH}.git"
    assert source.refs == ("refs/merge-requests/1/head", "refs/heads/main")
    assert source.credential is not None
    assert source.credential.secret not in repr(source)


async def test_a_renamed_project_is_found_by_its_old_path_and_by_its_id(world: World) -> None:
    old = PullRequestKey("gl", "rpms/nginx", world.pull.number)
    assert (await world.gitlab.pull_request(old)).title == "Move"
    # Writes go to the id: GitLab redirects only reading.
    await world.gitlab.put_comment(old, MARKER, MARKER)
    await world.gitlab.set_status(old, world.pull.head_sha, StatusReport("c", "success", "Fine"))
    assert (await world.gitlab.source(old, "main")).url.endswith(f"/{PATH}.git")
    await world.gitlab.changed_files(world.key)
    world.repository.gitlab_path = "elsewhere/deep/down/nginx"
    assert (await world.gitlab.pull_request(world.key)).title == "Move"


async def test_the_delivery_names_the_project_so_that_nobody_asks_for_it(world: World) -> None:
    world.local.gitlab.add_hook("http://127.0.0.1:9/webhook/gitlab", "s3cret", place="rpms")
    made = await world.local.pull_event(world.pull, "reopened", user="jonas")
    headers = {name.lower(): value for name, value in made[0].headers.items()}
    delivery = world.gitlab.accept(headers, made[0].body)
    event = world.gitlab.event(delivery.event, delivery.body)
    assert isinstance(event, PullRequestEvent)
    assert event.key == world.key
    await world.gitlab.changed_files(event.key)
    assert [path for _, path, _ in world.local.requests if "%2F" in path] == []


async def test_a_rate_limit_is_waited_for_and_a_long_one_is_left_to_the_engine(world) -> None:
    world.local.fail_next("/diffs", 429, headers={"Retry-After": "7"})
    await world.gitlab.changed_files(world.key)
    assert world.waits == [7.0]
    world.local.fail_next("/diffs", 429, headers={"Retry-After": "600"})
    with pytest.raises(ForgeError, match="limits further requests") as caught:
        await world.gitlab.changed_files(world.key)
    assert caught.value.wait == 600
    assert world.waits == [7.0]


async def test_a_broken_forge_is_asked_again_for_reading_but_not_for_writing(world) -> None:
    world.local.fail_next("/diffs", 502, times=2)
    await world.gitlab.changed_files(world.key)
    assert len(world.waits) == 2
    world.local.fail_next("/notes", 502, method="POST")
    with pytest.raises(ForgeError, match="GitLab failed"):
        await world.gitlab.put_comment(world.key, MARKER, MARKER)
    assert len(world.requests_of("POST", "/notes")) == 1


async def test_an_edit_that_failed_is_left_to_who_looks_at_the_head_again(world: World) -> None:
    await world.gitlab.put_comment(world.key, MARKER, MARKER)
    for status, headers in ((502, {}), (429, {"Retry-After": "7"})):
        world.local.fail_next("/notes", status, method="PUT", headers=headers)
        with pytest.raises(ForgeError):
            await world.gitlab.put_comment(world.key, MARKER, f"{MARKER} new")
    assert world.waits == []


@pytest.mark.parametrize(("status", "error"), REFUSALS)
async def test_what_is_gone_and_what_is_refused_are_told_apart(world, status, error) -> None:
    world.local.fail_next("/merge_requests/1", status, message="said why", times=9)
    with pytest.raises(error, match="said why"):
        await world.gitlab.pull_request(world.key)
    assert world.waits == []


async def test_an_archived_project_refuses_and_the_sentence_says_so(world: World) -> None:
    world.repository.archived = True
    with pytest.raises(ForgeRefusedError, match="archived"):
        await world.gitlab.put_comment(world.key, MARKER, MARKER)


async def test_nobody_there_is_the_forges_fault(world: World) -> None:
    async def sleep(seconds: float) -> None:
        world.waits.append(seconds)

    client = GitLabClient("http://127.0.0.1:9", "t", sleep)
    gitlab = GitLab("gl", settings_of("http://127.0.0.1:9"), token="t", secrets=(), client=client)
    with pytest.raises(ForgeError, match="cannot be reached"):
        await gitlab.pull_request(world.key)
    await gitlab.close()
    assert len(world.waits) == 3


@pytest.mark.parametrize(
    ("headers", "low", "high"),
    [
        ({"retry-after": "5"}, 5, 5),
        ({"ratelimit-reset": "1"}, 1, 1),
        ({"retry-after": "soon"}, 60, 60),
        ({}, 60, 60),
    ],
)
def test_how_long_a_429_asks_to_wait(headers: dict, low: float, high: float) -> None:
    assert low <= (requested_wait(429, headers) or 0) <= high
