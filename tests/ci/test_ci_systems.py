"""What each CI system's variables say about its run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.ci.systems import CiRun, Clone, find_run
from bot.errors import UsageError
from bot.git.history import Commit

NOWHERE = Clone()
DEFAULT = Commit("refs/remotes/origin/HEAD", "origin", "HEAD")
A, B, ZERO = "a" * 40, "b" * 40, "0" * 40
PULL = {"pull_request": {"number": 7, "base": {"ref": "main", "sha": A}, "head": {"sha": B}}}


def actions(folder: Path, event: str, payload: object, **more: str) -> dict[str, str]:
    path = folder / "event.json"
    path.write_text(json.dumps(payload))
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": event,
        "GITHUB_EVENT_PATH": str(path),
        "GITHUB_SERVER_URL": "https://github.example",
        "GITHUB_API_URL": "https://api.github.example",
        "GITHUB_REPOSITORY": "web/nginx",
        "GITHUB_SHA": B,
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_REF_NAME": "main",
        **more,
    }


def gitlab(**more: str) -> dict[str, str]:
    return {
        "GITLAB_CI": "true",
        "CI_COMMIT_SHA": B,
        "CI_API_V4_URL": "https://gitlab.example/api/v4",
        "CI_SERVER_URL": "https://gitlab.example",
        "CI_PROJECT_ID": "1",
        "CI_DEFAULT_BRANCH": "c10s",
        "CI_MERGE_REQUEST_IID": "7",
        "CI_MERGE_REQUEST_PROJECT_ID": "1",
        "CI_MERGE_REQUEST_PROJECT_URL": "https://gitlab.example/rpms/nginx",
        "CI_MERGE_REQUEST_PROJECT_PATH": "rpms/nginx",
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "c10s",
        "CI_MERGE_REQUEST_REF_PATH": "refs/merge-requests/7/head",
        **more,
    }


def test_github_a_pull_request_is_compared_at_its_head_not_at_the_merge(tmp_path: Path) -> None:
    variables = actions(tmp_path, "pull_request", PULL, GITHUB_TOKEN="t", GITHUB_SHA="c" * 40)
    run = find_run("auto", variables, NOWHERE)
    assert (run.system, run.branch) == ("github", "main")
    assert run.base == Commit(A, "origin", "refs/heads/main")
    assert run.head == Commit(B, "origin", "refs/pull/7/head")
    assert run.change is not None
    assert (run.change.repository, run.change.number, run.change.token) == ("web/nginx", 7, "t")


def test_github_a_token_of_ones_own_comes_first_and_is_shown_nowhere(tmp_path: Path) -> None:
    more = {"GITHUB_TOKEN": "job", "MINIMIZE_TOKEN": "own-secret"}
    run = find_run("github", actions(tmp_path, "pull_request", PULL, **more), NOWHERE)
    assert run.change is not None
    assert run.change.token == "own-secret"
    assert "own-secret" not in repr(run)


def test_github_a_push_is_compared_with_the_commit_before_it(tmp_path: Path) -> None:
    run = find_run("auto", actions(tmp_path, "push", {"before": A, "after": B}), NOWHERE)
    assert (run.base, run.head.revision) == (Commit(A, "origin"), B)
    assert (run.change, run.branch, run.fallback) == (None, "main", DEFAULT)


@pytest.mark.parametrize(
    ("event", "payload"),
    [("push", {"before": ZERO, "after": B}), ("schedule", {}), ("workflow_dispatch", {})],
)
def test_github_what_is_new_is_compared_with_the_default_branch(
    tmp_path: Path, event: str, payload: object
) -> None:
    run = find_run("auto", actions(tmp_path, event, payload), NOWHERE)
    assert (run.base, run.head.revision, run.branch) == (DEFAULT, B, "main")
    tag = {"GITHUB_REF": "refs/tags/v1", "GITHUB_REF_NAME": "v1"}
    assert find_run("auto", actions(tmp_path, event, payload, **tag), NOWHERE).branch is None


def test_github_a_merge_queue_says_both_commits(tmp_path: Path) -> None:
    group = {"merge_group": {"base_sha": A, "base_ref": "refs/heads/main", "head_sha": B}}
    run = find_run("auto", actions(tmp_path, "merge_group", group), NOWHERE)
    assert (run.base.revision, run.head.revision, run.branch) == (A, B, "main")


def test_github_strangers_files_are_not_evaluated_beside_secrets(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="pull_request_target"):
        find_run("auto", actions(tmp_path, "pull_request_target", PULL), NOWHERE)


@pytest.mark.parametrize("content", ["", "[]", '{"pull_request": {"number": 7}}', "\x00"])
def test_github_an_event_that_cannot_be_read_is_named(tmp_path: Path, content: str) -> None:
    variables = actions(tmp_path, "pull_request", PULL)
    (tmp_path / "event.json").write_text(content)
    with pytest.raises(UsageError, match=r"event\.json cannot be read"):
        find_run("auto", variables, NOWHERE)


def test_github_an_event_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    variables = actions(tmp_path, "pull_request", PULL)
    (tmp_path / "event.json").unlink()
    with pytest.raises(
        UsageError, match=r"event\.json cannot be read: No such file or directory\."
    ):
        find_run("auto", variables, NOWHERE)


@pytest.mark.parametrize("flag", ["FORGEJO_ACTIONS", "GITEA_ACTIONS"])
def test_forgejo_is_not_taken_for_github(tmp_path: Path, flag: str) -> None:
    more = {flag: "true", "FORGEJO_TOKEN": "f", "GITHUB_TOKEN": "g"}
    variables = actions(tmp_path, "pull_request", PULL, **more)
    del variables["GITHUB_API_URL"]
    run = find_run("auto", variables, NOWHERE)
    assert run.system == "forgejo"
    assert run.change is not None
    assert (run.change.api_url, run.change.token) == ("https://github.example/api/v1", "f")


def test_gitlab_a_merge_request_is_compared_with_its_target_branch() -> None:
    run = find_run("auto", gitlab(CI_JOB_TOKEN="j"), NOWHERE)
    assert run.base == Commit("refs/heads/c10s", "origin", "refs/heads/c10s")
    assert run.head == Commit(B, "origin", "refs/merge-requests/7/head")
    assert run.change is not None
    # The job's own token cannot write notes.
    assert run.change.token is None


def test_gitlab_a_forks_pipeline_takes_the_branch_from_the_project() -> None:
    variables = gitlab(CI_PROJECT_ID="2", CI_MERGE_REQUEST_DIFF_BASE_SHA=A)
    run = find_run("auto", variables, NOWHERE)
    assert run.base.remote == "https://gitlab.example/rpms/nginx.git"
    # Where the fork may not read the project, the merge base that GitLab names.
    assert run.fallback == Commit(A, "origin")
    own = find_run("auto", variables | {"CI_PROJECT_ID": "1"}, NOWHERE)
    assert own.fallback is None


def test_gitlab_of_a_merged_result_the_source_is_head() -> None:
    run = find_run("auto", gitlab(CI_MERGE_REQUEST_SOURCE_BRANCH_SHA=A), NOWHERE)
    assert run.head.revision == A


def test_gitlab_a_new_branch_is_compared_with_the_default_one() -> None:
    variables = {"GITLAB_CI": "true", "CI_COMMIT_SHA": B, "CI_DEFAULT_BRANCH": "c10s"}
    run = find_run("auto", {**variables, "CI_COMMIT_BEFORE_SHA": ZERO}, NOWHERE)
    assert run.base == DEFAULT
    again = find_run("auto", {**variables, "CI_COMMIT_BEFORE_SHA": A}, NOWHERE)
    assert (again.base, again.fallback) == (Commit(A, "origin"), DEFAULT)


def test_gitlab_a_number_that_is_none_is_named() -> None:
    with pytest.raises(UsageError, match="CI_MERGE_REQUEST_IID is not a number: '7; x'"):
        find_run("auto", gitlab(CI_MERGE_REQUEST_IID="7; x"), NOWHERE)


def test_jenkins_what_is_checked_out_is_head_which_may_be_its_own_merge() -> None:
    run = find_run("auto", {"JENKINS_URL": "u", "CHANGE_TARGET": "main"}, NOWHERE)
    assert run.base == Commit("refs/heads/main", "origin", "refs/heads/main")
    assert (run.head, run.branch) == (Commit("HEAD"), "main")
    branch = find_run("auto", {"JENKINS_URL": "u", "GIT_BRANCH": "origin/f42"}, NOWHERE)
    assert branch.branch == "f42"


def test_jenkins_first_build_of_a_branch_is_compared_with_the_default_one() -> None:
    first = find_run("auto", {"JENKINS_URL": "u", "BRANCH_NAME": "f42"}, NOWHERE)
    assert first.base == DEFAULT
    second = {"JENKINS_URL": "u", "BRANCH_NAME": "f42", "GIT_PREVIOUS_COMMIT": A}
    run = find_run("auto", second, NOWHERE)
    assert (run.base, run.fallback) == (Commit(A, "origin"), DEFAULT)


def test_zuul_is_found_by_its_remote_and_compared_with_what_that_had() -> None:
    run = find_run("auto", {}, Clone("rawhide", "file:///dev/null"))
    assert (run.system, run.base) == ("zuul", Commit("refs/remotes/origin/rawhide"))
    with pytest.raises(UsageError, match="here is none"):
        find_run("zuul", {}, NOWHERE)


def test_packit_takes_both_repositories(tmp_path: Path) -> None:
    variables = {
        "PACKIT_FULL_REPO_NAME": "web/nginx",
        "PACKIT_TARGET_SHA": A,
        "PACKIT_TARGET_URL": "https://h/web/nginx",
        "PACKIT_TARGET_BRANCH": "main",
        "PACKIT_SOURCE_SHA": B,
        "PACKIT_SOURCE_URL": "https://h/me/nginx",
        "PACKIT_SOURCE_BRANCH": "topic",
        "TMT_TEST_DATA": str(tmp_path),
    }
    assert find_run("auto", variables, NOWHERE) == CiRun(
        "packit",
        Commit(A, "https://h/web/nginx", "refs/heads/main"),
        Commit(B, "https://h/me/nginx", "refs/heads/topic"),
        "main",
        attachments=tmp_path,
    )


def test_packit_a_commit_or_release_is_compared_with_the_commit_before() -> None:
    variables = {"PACKIT_FULL_REPO_NAME": "web/nginx", "PACKIT_COMMIT_SHA": B}
    run = find_run("auto", variables, NOWHERE)
    assert (run.base, run.head) == (Commit(f"{B}^"), Commit(B, "origin"))
    with pytest.raises(UsageError, match="PACKIT_COMMIT_SHA, which Packit sets"):
        find_run("packit", {}, NOWHERE)


def test_an_unknown_system_is_asked_for() -> None:
    with pytest.raises(UsageError, match="No CI system was recognized") as raised:
        find_run("auto", {"HOME": "/nonexistent"}, NOWHERE)
    assert "--ci github|forgejo|gitlab|jenkins|zuul|packit" in raised.value.hint
