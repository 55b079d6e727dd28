"""Commits that a shallow clone lacks are fetched, as far back as a comparison needs them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.errors import UsageError
from bot.git.command import GitError, git_environment
from bot.git.history import Commit, commits_with_history
from bot.git.repository import open_repository
from tests.git.running import git


@pytest.fixture
def upstream(tmp_path: Path) -> Path:
    """Sixty commits on main, a topic that leaves it at the third."""
    where = tmp_path / "upstream"
    where.mkdir()
    git(where, "init", "-q", "-b", "main")
    for number in range(60):
        git(where, "commit", "-q", "--allow-empty", "-m", f"{number}")
        if number == 2:
            git(where, "branch", "topic")
    git(where, "checkout", "-q", "topic")
    git(where, "commit", "-q", "--allow-empty", "-m", "the change")
    git(where, "update-ref", "refs/pull/7/head", "topic")
    git(where, "checkout", "-q", "main")
    return where


def shallow(upstream: Path, ref: str = "refs/heads/topic") -> Path:
    """A clone such as a runner makes: one commit of one ref."""
    clone = upstream.parent / "clone"
    clone.mkdir()
    git(clone, "init", "-q")
    git(clone, "remote", "add", "origin", upstream.as_uri())
    git(clone, "fetch", "-q", "--depth=1", "origin", ref)
    git(clone, "checkout", "-q", "FETCH_HEAD")
    return clone


def test_history_is_fetched_until_the_merge_base_is_known(upstream: Path) -> None:
    clone = open_repository(shallow(upstream))
    tip, topic = git(upstream, "rev-parse", "main"), git(upstream, "rev-parse", "topic")
    base, head = commits_with_history(
        clone, Commit(tip, "origin", "refs/heads/main"), Commit(topic, "origin")
    )
    assert (base, head) == (tip, topic)
    assert clone.merge_base(base, head) == git(upstream, "rev-parse", "main~57")
    # Sixty commits are more than the first step: nothing of the rest was left out.
    assert not clone.is_shallow()


def test_a_branch_is_what_the_remote_has_now(upstream: Path) -> None:
    clone = open_repository(shallow(upstream))
    git(clone.path, "branch", "main", "HEAD")
    ref = "refs/heads/main"
    base, _ = commits_with_history(clone, Commit(ref, "origin", ref), Commit("HEAD"))
    assert base == git(upstream, "rev-parse", "main")


def test_a_whole_clone_stays_whole_and_is_not_fetched_into(upstream: Path) -> None:
    git(upstream.parent, "clone", "-q", upstream.as_uri(), "clone")
    clone = open_repository(upstream.parent / "clone")
    git(clone.path, "remote", "set-url", "origin", "file:///nowhere")
    tip, topic = git(upstream, "rev-parse", "main"), git(upstream, "rev-parse", "topic")
    assert commits_with_history(clone, Commit(tip, "origin"), Commit(topic, "origin")) == (
        tip,
        topic,
    )


def test_a_missing_commit_does_not_make_a_whole_clone_shallow(upstream: Path) -> None:
    git(upstream.parent, "clone", "-q", "--single-branch", upstream.as_uri(), "clone")
    clone = open_repository(upstream.parent / "clone")
    topic = git(upstream, "rev-parse", "topic")
    _, head = commits_with_history(clone, Commit("HEAD"), Commit(topic, "origin"))
    assert head == topic
    assert not clone.is_shallow()


def test_where_no_commit_comes_by_id_its_ref_is_fetched_and_must_have_it(upstream: Path) -> None:
    clone = open_repository(shallow(upstream))
    gone = Commit("0" * 39 + "1", "origin", "refs/heads/main")
    with pytest.raises(UsageError, match=r"commit 0000.*1 is not in the clone"):
        commits_with_history(clone, gone, Commit("HEAD"))
    assert clone.resolve("refs/minimize/base") == git(upstream, "rev-parse", "main")


def test_a_commit_that_nobody_has_is_named(upstream: Path) -> None:
    clone = open_repository(shallow(upstream))
    with pytest.raises(GitError):
        commits_with_history(clone, Commit("0" * 39 + "1", "origin"), Commit("HEAD"))
    with pytest.raises(UsageError, match="refs/remotes/origin/main is not in the clone"):
        commits_with_history(clone, Commit("refs/remotes/origin/main"), Commit("HEAD"))


def test_the_users_configuration_in_the_environment_counts(
    upstream: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = shallow(upstream)
    git(clone, "remote", "set-url", "origin", "https://somewhere.invalid/git")
    instead = f"url.{upstream.as_uri()}.insteadOf"
    tip, topic = git(upstream, "rev-parse", "main"), git(upstream, "rev-parse", "topic")
    wanted = Commit(tip, "origin", "refs/heads/main"), Commit(topic, "origin")
    # As gitlab-runner hands on what it knows, and as anybody may.
    with monkeypatch.context() as patch:
        given = tmp_path / "runners"
        given.write_text(
            f'[url "{upstream.as_uri()}"]\n\tinsteadOf = https://somewhere.invalid/git\n'
        )
        patch.setenv("GIT_CONFIG_GLOBAL", str(given))
        assert commits_with_history(open_repository(clone), *wanted) == (tip, topic)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", instead)
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "https://somewhere.invalid/git")
    other = Commit("refs/heads/main", "origin", "refs/heads/main")
    assert commits_with_history(open_repository(clone), other, wanted[1]) == (tip, topic)


def test_a_servers_git_takes_nothing_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_0", "GIT_SSH_COMMAND", "GIT_ASKPASS"):
        monkeypatch.setenv(name, "7")
    environment = git_environment({"a.b": "c"}, isolated=True, protocols="https")
    assert "7" not in {value for name, value in environment.items() if name.startswith("GIT_")}
    assert environment["GIT_ASKPASS"] == "true"
