"""A commit with several checks of ours, and the Re-run button on a merge queue's commit."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.demo.forge.server import LocalForge
from bot.engine.dispatcher import answer_merge_group
from bot.forge.events import MergeGroupEvent, RerunEvent
from bot.forge.github.app import AppAuth
from bot.forge.github.events import parse_event
from bot.forge.github.forge import GitHub
from bot.forge.values import IgnoredEvent, PullRequestKey, StatusReport
from bot.settings.forges import ForgeSettings

KEY = PullRequestKey("gh", "rpms/nginx", 7)
SHA = "c" * 40
QUEUE = f"gh-readonly-queue/release/1.x/pr-104-{'b' * 40}"
GROUP = PullRequestKey("gh", "rpms/nginx", 104)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[tuple[LocalForge, GitHub, str]]:
    async with LocalForge(tmp_path / "forge") as local:
        repository = local.add_repository("rpms/nginx")
        sha = local.commit(repository, "main", {"nginx.spec": "Name: nginx\n"}, "Start")
        app = local.add_app("minimize")
        local.install(app, "rpms")
        settings = {"type": "github", "api_url": local.api_url, "webhook_secrets": [{"env": "X"}]}
        fields = ForgeSettings.model_validate({**settings, "token": {"env": "X"}})
        named = (str(app.id), app.private_key)
        forge = GitHub("gh", fields, auth=AppAuth(), secrets=(), app=named)
        yield local, forge, sha
        await forge.close()


async def test_an_earlier_check_of_a_commit_is_ended_and_not_made_again(world) -> None:
    local, forge, sha = world
    for check in ("first", "second"):
        await forge.set_status(KEY, sha, StatusReport(check, "pending", "working"))
    await forge.set_status(KEY, sha, StatusReport("first", "neutral", "superseded"))
    await forge.set_status(KEY, sha, StatusReport("second", "success", "fine"))
    found = [(run.fields["external_id"], run.conclusion) for run in local.state.check_runs]
    assert found == [("first", "neutral"), ("second", "success")]


async def test_a_merge_groups_rerun_gets_a_new_status_and_a_repeat_none(world) -> None:
    local, forge, sha = world
    group = MergeGroupEvent(KEY, sha, "refs/heads/main")
    again = MergeGroupEvent(KEY, sha, "refs/heads/main", again=True)
    for event, delivery in ((group, "1"), (group, "1"), (again, "2"), (again, "2"), (again, "3")):
        await answer_merge_group(forge, event, delivery)
    # GitHub waits for a new run after Re-run, and knows it by its id; a repeat is none.
    assert [run.conclusion for run in local.state.check_runs] == ["success"] * 3
    assert len({run.fields["external_id"] for run in local.state.check_runs}) == 3


def rerequested(kind: str, **fields: object) -> dict:
    suite = {"head_branch": QUEUE, "head_sha": SHA}
    about = suite if kind == "check_suite" else {"head_sha": SHA, "check_suite": suite}
    repository = {"full_name": "rpms/nginx", "id": 1}
    return {"action": "rerequested", kind: {**about, **fields}, "repository": repository}


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("check_suite", {}),
        ("check_run", {"external_id": f"merge-group-{SHA}"}),
        ("check_run", {"external_id": f"merge-group-{SHA}-after-another"}),
    ],
)
def test_a_rerun_on_a_queues_commit_asks_for_its_status_again(kind: str, fields: dict) -> None:
    expected = MergeGroupEvent(GROUP, SHA, "refs/heads/release/1.x", again=True)
    assert parse_event("gh", kind, rerequested(kind, **fields)) == expected


@pytest.mark.parametrize(
    "fields",
    [
        {"external_id": "somebody-elses"},
        {"external_id": f"merge-group-{SHA}", "check_suite": {"head_branch": "topic"}},
        {"external_id": f"merge-group-{SHA}", "check_suite": None},
    ],
)
def test_a_rerun_of_another_run_is_none_of_the_queues(fields: dict) -> None:
    event = parse_event("gh", "check_run", rerequested("check_run", **fields))
    assert isinstance(event, RerunEvent)
    plain = parse_event("gh", "check_run", rerequested("check_run", external_id=""))
    assert isinstance(plain, IgnoredEvent)
