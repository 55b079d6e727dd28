"""A folder without commits is read as a change that adds all its files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot.errors import UsageError
from bot.git.folder import open_folder
from bot.git.repository import WORKING_TREE, OwnerError
from tests.git.running import git


def test_a_folder_that_is_no_repository_adds_its_files_to_an_empty_commit(tmp_path: Path) -> None:
    (tmp_path / "tiny.spec").write_text("Name: tiny\n")
    (tmp_path / "tiny.patch").write_text("x")
    with open_folder(tmp_path) as opened:
        repository = opened.repository
        base = repository.resolve(repository.default_branch())
        assert repository.merge_base(base, WORKING_TREE) == base
        assert repository.tree(base) == ()
        changed = [(f.path, f.status) for f in repository.changed_files(base, WORKING_TREE)]
        assert changed == [("tiny.patch", "A"), ("tiny.spec", "A")]
        assert repository.read(WORKING_TREE, "tiny.spec") == b"Name: tiny\n"
        assert opened.assumption is not None
        assert f"{tmp_path} is no git repository" in opened.assumption
    assert sorted(p.name for p in tmp_path.iterdir()) == ["tiny.patch", "tiny.spec"]


def test_a_repository_without_a_commit_leaves_ignored_files_out(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / ".gitignore").write_text("*.tar.gz\n")
    (tmp_path / "tiny.spec").write_text("Name: tiny\n")
    (tmp_path / "tiny-1.tar.gz").write_text("x")
    with open_folder(tmp_path) as opened:
        changed = opened.repository.changed_files("main", WORKING_TREE)
        assert [file.path for file in changed] == [".gitignore", "tiny.spec"]
        assert "has no commit" in (opened.assumption or "")


def test_a_repository_with_a_commit_is_opened_as_it_is(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "x")
    with open_folder(tmp_path) as opened:
        assert opened.repository.path == tmp_path
        assert opened.assumption is None


def test_a_folder_without_a_spec_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no git repository"), open_folder(tmp_path):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to another user")
def test_a_repository_of_another_user_is_no_folder_without_commits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "tiny.spec").write_text("Name: tiny\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "one")
    os.chown(tmp_path, 12345, 12345)
    for name in ("GLOBAL", "SYSTEM"):
        monkeypatch.setenv(f"GIT_CONFIG_{name}", os.devnull)
    with (
        pytest.raises(OwnerError, match="belongs to another user") as raised,
        open_folder(tmp_path),
    ):
        pass
    assert raised.value.hint.endswith(f"safe.directory {tmp_path}")
    for name, value in (("COUNT", "1"), ("KEY_0", "safe.directory"), ("VALUE_0", str(tmp_path))):
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    with open_folder(tmp_path) as opened:
        assert opened.assumption is None
