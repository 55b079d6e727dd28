"""%autorelease and %autochangelog from the git history."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bot.git.repository import open_repository
from bot.sandbox.run import sandbox_available
from bot.spec.evaluate import evaluate_spec
from bot.spec.release import release_definitions, release_number

SPEC = """\
%global upstream {upstream}
Name: auto
Version: %{{upstream}}
Release: {release}
Summary: auto
License: MIT
Requires: {extra}
%description
%files
%changelog
%autochangelog
"""


def git(where: Path, *arguments: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments],
        cwd=where,
        check=True,
        capture_output=True,
    )


def commit(where: Path, upstream: str, extra: str, message: str = "x", release="%autorelease"):
    where.mkdir(exist_ok=True)
    text = SPEC.format(upstream=upstream, extra=extra, release=release)
    (where / "auto.spec").write_text(text)
    git(where, "add", "-A")
    git(where, "commit", "-q", "--allow-empty", "-m", message)


@pytest.fixture
def history(tmp_path):
    where = tmp_path / "repo"
    where.mkdir()
    git(where, "init", "-q", "-b", "main")
    commit(where, "1.0", "a")
    commit(where, "1.0", "b")
    commit(where, "1.1", "b")
    commit(where, "1.1", "c")
    commit(where, "1.1", "d", "again [bump release: 3]")
    return where


def test_the_number_counts_commits_since_the_version_changed(history):
    repository = open_repository(history)
    numbers = [release_number(repository, f"HEAD~{back}", "auto.spec") for back in range(5)]
    assert numbers == [5, 2, 1, 2, 1]


def test_the_working_tree_is_one_more_commit(history):
    assert release_number(open_repository(history), "working tree", "auto.spec") == 6
    text = (history / "auto.spec").read_text().replace("1.1", "1.2")
    (history / "auto.spec").write_text(text)
    assert release_number(open_repository(history), "working tree", "auto.spec") == 1


def test_a_history_that_is_cut_off_tells_no_number(history, tmp_path):
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth=2", f"file://{history}", str(shallow))
    assert release_number(open_repository(shallow), "HEAD", "auto.spec") is None
    deeper = tmp_path / "deeper"
    git(tmp_path, "clone", "-q", "--depth=4", f"file://{history}", str(deeper))
    assert release_number(open_repository(deeper), "HEAD", "auto.spec") == 5


def test_a_spec_without_autorelease_needs_no_definitions(history):
    commit(history, "1.1", "e", release="7")
    assert release_definitions(open_repository(history), "HEAD", "auto.spec") == {}


@pytest.mark.skipif(sandbox_available() is not None, reason="no sandbox here")
@pytest.mark.parametrize(
    ("release", "expanded"),
    [
        ("%autorelease", "5.fc43"),
        ("%{autorelease}", "5.fc43"),
        ("%autorelease -b 10 -n", "14"),
        ("%autorelease -p -e rc1 -s 20260101", "0.5.rc1.20260101.fc43"),
    ],
)
def test_the_release_is_expanded_as_rpmautospec_does(history, release, expanded):
    definitions = release_definitions(open_repository(history), "HEAD", "auto.spec")
    text = (history / "auto.spec").read_text().replace("%autorelease", release)
    (history / "auto.spec").write_text(text)
    definitions_ = {"dist": ".fc43", **definitions}
    result = evaluate_spec(history, "auto.spec", ["x86_64"], definitions=definitions_)["x86_64"]
    assert result.evr == (0, "1.1", expanded)
    assert result.notes == ()


@pytest.mark.skipif(sandbox_available() is not None, reason="no sandbox here")
def test_without_a_history_there_is_a_placeholder_and_a_note(history):
    result = evaluate_spec(history, "auto.spec", ["x86_64"])["x86_64"]
    assert result.evr == (0, "1.1", "1")
    assert any("%autorelease" in note for note in result.notes)
