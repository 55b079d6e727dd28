"""`minimize check --ci` in a simulated runner of each system: clone, variables, files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bot.cli.ci import fetched_from
from bot.git.history import Commit
from bot.report.render import CI_MARKER
from tests.check.tiny import TOOL, Bench, documented, workload
from tests.ci.change_request_server import ChangeRequestServer, serving

GROWN = TOOL.replace("Requires: base\n", "Requires: base\nRequires: perl\n")


@pytest.fixture
def bench(tmp_path: Path, tiny_repositories: Path) -> Bench:
    """An upstream whose topic adds `Requires: perl`, and main has gone on since."""
    made = documented(tmp_path, tiny_repositories, web=workload("tool"))
    made.start({"tool.spec": TOOL, "data.txt": "data\n"})
    made.git("checkout", "--quiet", "-b", "topic")
    made.commit({"tool.spec": GROWN})
    made.git("update-ref", "refs/pull/7/head", "topic")
    made.git("update-ref", "refs/merge-requests/7/head", "topic")
    made.git("checkout", "--quiet", "main")
    made.commit({"other.txt": "later\n"})
    return made


def revision(bench: Bench, name: str) -> str:
    done = subprocess.run(
        ["git", "rev-parse", name], cwd=bench.root / "git", capture_output=True, check=True
    )
    return done.stdout.decode().strip()


def runner(bench: Bench, *fetch: str, branch: str = "HEAD") -> Path:
    """A clone as a runner makes it: what `fetch` names, checked out."""
    clone = bench.root / "clone"
    for arguments in (
        ["init", "--quiet", "--initial-branch=scratch", str(clone)],
        ["-C", str(clone), "remote", "add", "origin", (bench.root / "git").as_uri()],
        ["-C", str(clone), "fetch", "--quiet", *fetch],
        ["-C", str(clone), "checkout", "--quiet", *(["-B", branch] if branch != "HEAD" else []),
         "FETCH_HEAD"],
    ):  # fmt: skip
        subprocess.run(["git", *arguments], check=True, capture_output=True)
    return clone


def run(
    bench: Bench, clone: Path, variables: dict[str, str], *arguments: str
) -> tuple[int, str, str]:
    """The exit code, standard output and standard error of `check --ci` in the clone."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CI", "GIT", "FORGEJO", "GITEA", "JENKINS", "PACKIT", "TMT"))
    }
    done = subprocess.run(
        [
            sys.executable, "-c", "from bot.cli import main; main()", "check", "--ci", "--no-build",
            "--config", str(bench.config), "--cache", str(bench.root / "cache"),
            "--data", str(bench.root / "data"), *arguments,
        ],
        cwd=clone,
        env={**inherited, "PYTHONPATH": str(Path(__file__).parents[2]), **variables},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def added(output: str) -> set[str]:
    result = json.loads(output)
    return {a["nevra"].rsplit("-", 2)[0] for i in result["images"] for a in i["added"]}


def github(bench: Bench, server: ChangeRequestServer, **more: str) -> dict[str, str]:
    event = bench.root / "event.json"
    base, head = revision(bench, "main"), revision(bench, "topic")
    pull = {"number": 7, "base": {"ref": "main", "sha": base}, "head": {"sha": head}}
    event.write_text(json.dumps({"pull_request": pull}))
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_SERVER_URL": server.url,
        "GITHUB_API_URL": server.url,
        "GITHUB_REPOSITORY": "web/nginx",
        "GITHUB_STEP_SUMMARY": str(bench.root / "summary.md"),
        "GITHUB_TOKEN": "job",
        **more,
    }


@pytest.mark.parametrize("flag", ["GITHUB_ACTIONS", "FORGEJO_ACTIONS"])
def test_actions_summary_annotations_comment_and_json_alone_on_standard_output(
    bench: Bench, flag: str
) -> None:
    clone = runner(bench, "--depth=1", "origin", "refs/pull/7/head")
    with serving(ChangeRequestServer()) as server:
        variables = github(bench, server, **{flag: "true"})
        code, output, errors = run(bench, clone, variables, "--format", "json")
        again, _, _ = run(bench, clone, variables)
    assert (code, again) == (0, 0), errors
    result = json.loads(output)
    assert result["merge_base"] == revision(bench, "main~1")
    assert added(output) == {"perl", "perl-libs"}
    assert "::notice file=tool.spec,line=8,title=minimize%3A 2 packages more::" in errors
    assert (bench.root / "summary.md").read_text().count("perl-libs") >= 2
    (comment,) = server.comments
    assert comment["body"].startswith(CI_MARKER)


def test_a_forks_token_leaves_a_note_and_the_verdict_stands(bench: Bench) -> None:
    clone = runner(bench, "--depth=1", "origin", "refs/pull/7/head")
    with serving(ChangeRequestServer(may_write=False)) as server:
        code, _, errors = run(bench, clone, github(bench, server))
    assert code == 0
    assert "note: The comment on the change was not written: GitHub refused" in errors


def test_gitlab_code_quality_and_a_note(bench: Bench) -> None:
    clone = runner(bench, "--depth=20", "origin", "refs/merge-requests/7/head")
    with serving(ChangeRequestServer()) as server:
        variables = {
            "GITLAB_CI": "true",
            "CI_COMMIT_SHA": revision(bench, "topic"),
            "CI_API_V4_URL": f"{server.url}/api/v4",
            "CI_SERVER_URL": server.url,
            "CI_PROJECT_ID": "1",
            "CI_MERGE_REQUEST_IID": "7",
            "CI_MERGE_REQUEST_PROJECT_ID": "1",
            "CI_MERGE_REQUEST_PROJECT_URL": f"{server.url}/web/nginx",
            "CI_MERGE_REQUEST_PROJECT_PATH": "web/nginx",
            "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
            "CI_MERGE_REQUEST_REF_PATH": "refs/merge-requests/7/head",
            "MINIMIZE_TOKEN": "project",
        }
        code, output, errors = run(bench, clone, variables, "--format", "json")
    assert code == 0, errors
    assert json.loads(output)["base"] == revision(bench, "main")
    assert added(output) == {"perl", "perl-libs"}
    (item,) = json.loads((clone / "gl-code-quality-report.json").read_text())
    assert item["location"]["path"] == "tool.spec"
    assert len(server.comments) == 1


@pytest.mark.parametrize(
    ("origin", "fetch"),
    [
        ("https://u:secret@forge.example/g/p.git", ("https://forge.example/g/p.git", "b", "h")),
        ("https://forge.example:8443/p", ("https://forge.example:8443/p", "b", "h")),
        ("git@forge.example:g/p.git", ()),
        ("file:///clone", ()),
        (None, ()),
    ],
)
def test_commits_are_fetched_from_origin_without_its_password(
    origin: str | None, fetch: tuple[str, ...]
) -> None:
    commits = Commit("base", "origin"), Commit("head", "origin")
    assert fetched_from(origin, commits, ("b", "h")) == fetch
    assert fetched_from(origin, (commits[0], Commit("HEAD")), ("b", "h")) == ()


def test_jenkins_junit_and_sarif(bench: Bench) -> None:
    clone = runner(bench, "origin", "refs/heads/topic")
    variables = {"JENKINS_URL": "http://jenkins", "CHANGE_TARGET": "main", "CHANGE_ID": "7"}
    junit, sarif = bench.root / "out" / "junit.xml", bench.root / "out" / "sarif.json"
    code, output, errors = run(
        bench, clone, variables, "--format", "json", "--junit", str(junit), "--sarif", str(sarif)
    )
    assert code == 0, errors
    assert added(output) == {"perl", "perl-libs"}
    assert junit.read_text().count("<testcase") == 3
    assert len(json.loads(sarif.read_text())["runs"][0]["results"]) == 1


def test_zuul_the_state_before_the_change_is_origins_branch(bench: Bench) -> None:
    clone = runner(bench, "origin", "refs/heads/topic", branch="main")
    before = revision(bench, "topic~1")
    for arguments in (
        ["update-ref", "refs/remotes/origin/main", before],
        ["remote", "set-url", "origin", "file:///dev/null"],
    ):
        subprocess.run(["git", "-C", str(clone), *arguments], check=True)
    code, output, errors = run(bench, clone, {}, "--format", "json")
    assert code == 0, errors
    assert json.loads(output)["base"] == before
    assert added(output) == {"perl", "perl-libs"}


def test_a_partial_clone_fetches_the_files_that_it_lacks(bench: Bench) -> None:
    subprocess.run(
        ["git", "-C", str(bench.root / "git"), "config", "uploadpack.allowFilter", "true"],
        check=True,
    )
    clone, url = bench.root / "clone", (bench.root / "git").as_uri()
    subprocess.run(["git", "clone", "-q", "--filter=blob:none", "-n", url, str(clone)], check=True)
    variables = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": "schedule",
        "GITHUB_EVENT_PATH": str(bench.root / "event.json"),
        "GITHUB_SHA": revision(bench, "topic"),
    }
    (bench.root / "event.json").write_text("{}")
    code, output, errors = run(bench, clone, variables, "--format", "json")
    assert code == 0, errors
    assert added(output) == {"perl", "perl-libs"}


@pytest.mark.parametrize("before", ["0" * 40, "1" * 40], ids=["new", "forced"])
def test_a_push_without_a_commit_before_is_compared_with_the_default_branch(
    bench: Bench, before: str
) -> None:
    clone = runner(bench, "--depth=1", "origin", "refs/heads/topic")
    event = bench.root / "event.json"
    event.write_text(json.dumps({"before": before, "after": revision(bench, "topic")}))
    variables = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_REF": "refs/heads/topic",
    }
    code, output, errors = run(bench, clone, variables, "--format", "json")
    assert code == 0, errors
    assert json.loads(output)["base"] == revision(bench, "main")
    assert added(output) == {"perl", "perl-libs"}
    assert ("refs/remotes/origin/HEAD is taken as the base instead" in errors) == ("1" in before)


def test_a_fork_that_may_not_read_its_project_takes_the_merge_base(bench: Bench) -> None:
    clone = runner(bench, "--depth=20", "origin", "refs/merge-requests/7/head")
    variables = {
        "GITLAB_CI": "true",
        "CI_COMMIT_SHA": revision(bench, "topic"),
        "CI_API_V4_URL": "https://gitlab.invalid/api/v4",
        "CI_SERVER_URL": "https://gitlab.invalid",
        "CI_PROJECT_ID": "2",
        "CI_MERGE_REQUEST_IID": "7",
        "CI_MERGE_REQUEST_PROJECT_ID": "1",
        "CI_MERGE_REQUEST_PROJECT_URL": str(bench.root / "nowhere"),
        "CI_MERGE_REQUEST_PROJECT_PATH": "web/nginx",
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": revision(bench, "topic~1"),
    }
    code, output, errors = run(bench, clone, variables, "--format", "json")
    assert code == 0, errors
    assert json.loads(output)["base"] == revision(bench, "topic~1")
    assert added(output) == {"perl", "perl-libs"}


def test_packit_two_repositories_and_the_folder_of_tmt(bench: Bench) -> None:
    clone = runner(bench, "--depth=1", "origin", "refs/heads/topic")
    url = (bench.root / "git").as_uri()
    variables = {
        "PACKIT_FULL_REPO_NAME": "web/nginx",
        "PACKIT_TARGET_SHA": revision(bench, "main"),
        "PACKIT_TARGET_URL": url,
        "PACKIT_TARGET_BRANCH": "main",
        "PACKIT_SOURCE_SHA": revision(bench, "topic"),
        "PACKIT_SOURCE_URL": url,
        "PACKIT_SOURCE_BRANCH": "topic",
        "TMT_TEST_DATA": str(bench.root / "data-of-tmt"),
    }
    code, output, errors = run(bench, clone, variables, "--format", "json")
    assert code == 0, errors
    assert added(output) == {"perl", "perl-libs"}
    assert "perl-libs" in (bench.root / "data-of-tmt" / "minimize.md").read_text()


def test_base_and_head_that_are_given_come_first(bench: Bench) -> None:
    clone = runner(bench, "origin", "refs/heads/topic")
    variables = {"JENKINS_URL": "http://jenkins", "CHANGE_TARGET": "nowhere"}
    code, output, errors = run(
        bench, clone, variables, "--base", "FETCH_HEAD~1", "--format", "json"
    )
    assert code == 0, errors
    assert added(output) == {"perl", "perl-libs"}
