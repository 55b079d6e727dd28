"""A commit with several checks of ours, and the Re-run button on a merge queue's commit."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.demo.forge.server import LocalForge
from bot.engine.database import prepared_url
from bot.engine.dispatcher import answer_merge_group
from bot.engine.outbox import Outbox
from bot.engine.publishing import Publisher
from bot.engine.reconciler import Reconciler
from bot.engine.results import open_results
from bot.forge.events import MergeGroupEvent, RerunEvent
from bot.forge.github.events import parse_event
from bot.forge.github.forge import GitHub
from bot.forge.values import IgnoredEvent, PullRequestKey, StatusReport
from bot.store.store import open_store
from tests.engine.conftest import settings_in
from tests.forges import forge_on

KEY = PullRequestKey("gh", "rpms/nginx", 7)
SHA = "c" * 40
QUEUE = f"gh-readonly-queue/release/1.x/pr-104-{'b' * 40}"
GROUP = PullRequestKey("gh", "rpms/nginx", 104)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[tuple[LocalForge, GitHub, str]]:
    async with LocalForge(tmp_path / "forge") as local:
        repository = local.add_repository("rpms/nginx")
        sha = repository.git.commit("main", {"nginx.spec": "Name: nginx\n"}, "Start")
        forge = forge_on(local, "github", repository, "gh")
        yield local, forge, sha
        await forge.close()


async def test_check_runs_of_an_earlier_release_are_all_ended(world) -> None:
    local, forge, sha = world
    (app,) = {one.app.slug: one.app for one in local.state.installations}.values()
    (repository,) = local.state.repositories.values()
    for _ in range(2):
        local.state.add_check_run(repository, app, sha, "minimize").status = "in_progress"
    await forge.set_status(KEY, sha, StatusReport("second", "success", "fine"))
    found = [(run.conclusion, run.fields["external_id"]) for run in local.state.check_runs]
    assert found == [("success", "second")] * 2


async def test_a_merge_groups_rerun_is_written_again_and_a_repeat_is_not(world, tmp_path) -> None:
    local, forge, sha = world
    settings = settings_in(tmp_path)
    outbox = Outbox(prepared_url(settings), "tester")
    store = open_store(tmp_path)
    publisher = Publisher(outbox, open_results(settings, store), settings)
    reconciler = Reconciler(outbox, {"gh": forge}, settings)
    group = MergeGroupEvent(KEY, sha, "refs/heads/main")
    again = MergeGroupEvent(KEY, sha, "refs/heads/main", again=True)
    for event, delivery in ((group, "1"), (group, "1"), (again, "2"), (again, "2"), (again, "3")):
        await answer_merge_group(publisher, event, delivery)
        await reconciler.reconcile()
    outbox.close()
    store.close()
    # GitHub waits for a write after Re-run; a repeat is none.
    assert [run.conclusion for run in local.state.check_runs] == ["success"]
    writes = [m for m, path, _ in local.requests if m != "GET" and "/check-runs" in path]
    assert writes == ["POST", "PATCH", "PATCH"]


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
