"""What others say of a commit: check runs, statuses, jobs and pipelines, and when they are over."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.demo.forge.server import LocalForge
from bot.demo.forge.values import CommitStatus, Pull
from bot.forge.events import ChecksEvent
from bot.forge.github.events import parse_event as of_github
from bot.forge.gitlab.events import parse_event as of_gitlab
from bot.forge.gitlab.forge import GitLab
from bot.forge.values import CommitCheck, ForgeGoneError, IgnoredEvent, PullRequestKey
from bot.settings.forges import ForgeSettings
from tests.demo_forge.foreign_checks import report_gitlab_status

KEY = PullRequestKey("gh", "o/r", 7)
SHA = "a" * 40
REPOSITORY = {"full_name": "o/r", "id": 1}


def run(name: str, status: str = "completed", conclusion: str | None = None) -> dict:
    return {"name": name, "status": status, "conclusion": conclusion, "details_url": f"u/{name}"}


async def test_check_runs_and_statuses_are_listed_over_all_pages(forge, tiny) -> None:
    tiny.page_size = 2
    tiny.lists[f"/repos/o/r/commits/{SHA}/check-runs"] = [
        run("a", conclusion="success"),
        run("b", "in_progress"),
        run("c", conclusion="failure"),
        run("d", conclusion="skipped"),
        run("e", conclusion="action_required"),
    ]
    said = [("s", "pending"), ("t", "success"), ("u", "error")]
    statuses = [{"context": n, "state": w, "target_url": None} for n, w in said]
    tiny.answer("GET", f"/repos/o/r/commits/{SHA}/status", {"statuses": statuses})
    found = await forge.checks_of(KEY, SHA)
    assert [(c.name, c.state, c.word) for c in found] == [
        ("a", "success", "success"),
        ("b", "pending", "in_progress"),
        ("c", "failure", "failure"),
        ("d", "failure", "skipped"),
        ("e", "pending", "action_required"),
        ("s", "pending", "pending"),
        ("t", "success", "success"),
        ("u", "failure", "error"),
    ]
    assert found[0].url == "u/a"
    assert found[5].url == ""


async def test_a_commit_that_is_not_there_is_gone(forge) -> None:
    with pytest.raises(ForgeGoneError):
        await forge.checks_of(KEY, SHA)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[tuple[LocalForge, Pull, GitLab]]:
    async with LocalForge(tmp_path / "forge") as local:
        repository = local.add_repository("rpms/nginx")
        repository.git.commit("main", {"nginx.spec": "Name: nginx\n"}, "Start")
        fork = local.add_repository("jonas/nginx", parent=repository)
        fork.git.commit("topic", {"nginx.spec": "Name: nginx\n# 1\n"}, "1")
        local.set_role(repository, "minimize-bot", "write")
        pull = await local.open_pull(
            repository, "topic", user="jonas", title="t", head_repository=fork
        )
        fields = {"type": "gitlab", "api_url": local.url, "token": {"env": "X"}}
        settings = ForgeSettings.model_validate({**fields, "webhook_secrets": [{"env": "X"}]})
        gitlab = GitLab("gl", settings, token=local.token("minimize-bot"), secrets=("s3cret",))
        yield local, pull, gitlab
        await gitlab.close()


async def test_gitlabs_statuses_of_project_and_fork_and_its_pipelines(world) -> None:
    local, pull, gitlab = world
    key = PullRequestKey("gl", "rpms/nginx", pull.number)
    await report_gitlab_status(local, pull, "rpm-build:x86_64", "pending", "https://build/1")
    await report_gitlab_status(local, pull, "rpm-build:x86_64", "success", "https://build/1")
    in_fork = local.state.statuses.setdefault(pull.head_repository.id, [])
    author = local.add_user("ci")
    for number in range(130):
        one = CommitStatus(
            next(local.state.ids),
            pull.head_repository,
            pull.head_sha,
            "canceled",
            f"j{number}",
            "",
            "",
            author,
        )
        in_fork.append(one)
    found = await gitlab.checks_of(key, pull.head_sha)
    assert CommitCheck("rpm-build:x86_64", "success", "success", "https://build/1") in found
    assert CommitCheck("j129", "failure", "canceled") in found
    assert {c.state for c in found if c.name == "pipeline"} == {"success", "pending"}
    assert len({c.name for c in found}) == 132
    pull.head_repository.private = True  # nothing of it is for us to see then
    names = {c.name for c in await gitlab.checks_of(key, pull.head_sha)}
    assert names == {"rpm-build:x86_64", "pipeline"}


def test_github_tells_of_checks_that_are_over() -> None:
    data = {
        "action": "completed",
        "repository": REPOSITORY,
        "check_run": {"name": "rpm-build:x", "head_sha": SHA, "external_id": ""},
    }
    wanted = ChecksEvent("gh", "o/r", SHA, ("rpm-build:x",))
    assert of_github("gh", "check_run", data) == wanted
    own = {**data, "check_run": {"name": "minimize", "head_sha": SHA, "external_id": "c1"}}
    assert isinstance(of_github("gh", "check_run", own), IgnoredEvent)
    suite = {"action": "completed", "repository": REPOSITORY, "check_suite": {"head_sha": SHA}}
    assert of_github("gh", "check_suite", suite) == ChecksEvent("gh", "o/r", SHA)
    status = {"repository": REPOSITORY, "sha": SHA, "context": "koji", "state": "success"}
    assert of_github("gh", "status", status) == ChecksEvent("gh", "o/r", SHA, ("koji",))
    pending = of_github("gh", "status", {**status, "state": "pending"})
    assert isinstance(pending, IgnoredEvent)


def test_gitlab_tells_of_pipelines_that_are_over() -> None:
    data = {
        "object_kind": "pipeline",
        "object_attributes": {"id": 31, "status": "failed", "sha": SHA},
        "project": {"path_with_namespace": "g/s/p", "id": 3},
    }
    assert of_gitlab("gl", "pipeline", data) == ChecksEvent("gl", "g/s/p", SHA)
    running = {**data, "object_attributes": {"id": 31, "status": "running", "sha": SHA}}
    assert isinstance(of_gitlab("gl", "pipeline", running), IgnoredEvent)
