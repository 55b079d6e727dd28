"""Reading repositories: revisions, differences, and trees written out safely."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.errors import ChangeError, UsageError
from bot.git.command import GitError
from bot.git.hunks import shown_lines
from bot.git.repository import (
    WORKING_TREE,
    ChangedFile,
    GitRepository,
    TreeEntry,
    open_repository,
)
from tests.git.running import git


def commit(where: Path, files: dict[str, str | None], message: str = "change") -> str:
    for name, text in files.items():
        if text is None:
            (where / name).unlink()
            continue
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        (where / name).write_text(text)
    git(where, "add", "-A")
    git(where, "commit", "-q", "-m", message)
    return git(where, "rev-parse", "HEAD")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    where = tmp_path / "work"
    where.mkdir()
    git(where, "init", "-q", "-b", "main")
    commit(where, {"nginx.spec": "Name: nginx\n", "fix.patch": "one\n", "doc/a": "a\n" * 20})
    return where


def test_a_subdirectory_opens_its_repository_and_a_plain_directory_is_refused(
    work: Path, tmp_path: Path
) -> None:
    assert open_repository(work / "doc").path == work
    plain = tmp_path / "plain"
    plain.mkdir()
    with pytest.raises(UsageError, match="no git repository"):
        open_repository(plain)
    with pytest.raises(UsageError, match="not a directory"):
        open_repository(tmp_path / "gone")


@pytest.mark.parametrize("revision", ["nonsense", "--help", "", "0" * 40])
def test_an_unknown_revision_is_named(work: Path, revision: str) -> None:
    with pytest.raises(UsageError, match="revision"):
        open_repository(work).resolve(revision)


def test_the_merge_base_is_where_the_branches_parted(work: Path) -> None:
    fork = git(work, "rev-parse", "HEAD")
    git(work, "switch", "-q", "-c", "topic")
    head = commit(work, {"nginx.spec": "Name: nginx\nRequires: perl\n"})
    git(work, "switch", "-q", "main")
    commit(work, {"other": "x"})
    repository = open_repository(work)
    assert repository.default_branch() == "refs/heads/main"
    assert repository.merge_base("main", head) == fork
    git(work, "switch", "-q", "topic")
    assert repository.merge_base("main", WORKING_TREE) == fork


def test_the_default_branch_of_the_remote_wins(work: Path) -> None:
    git(work, "update-ref", "refs/remotes/origin/devel", "HEAD")
    git(work, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/devel")
    assert open_repository(work).default_branch() == "refs/remotes/origin/devel"


def test_changed_files_between_commits_with_a_rename_and_odd_names(work: Path) -> None:
    base = git(work, "rev-parse", "HEAD")
    (work / "doc/a").rename(work / "b ü\n")
    head = commit(work, {"nginx.spec": "Name: x\n", "fix.patch": None, "new.spec": "n"})
    assert open_repository(work).changed_files(base, head) == (
        ChangedFile("b ü\n", "R", "doc/a"),
        ChangedFile("fix.patch", "D"),
        ChangedFile("new.spec", "A"),
        ChangedFile("nginx.spec", "M"),
    )


def test_the_working_tree_counts_untracked_files_unless_ignored(work: Path) -> None:
    commit(work, {".gitignore": "*.log\n"})
    base = git(work, "rev-parse", "HEAD")
    (work / "nginx.spec").write_text("Name: nginx\nRequires: perl\n")
    (work / "new.patch").write_text("p")
    (work / "build.log").write_text("l")
    git(work, "rm", "-q", "--cached", "fix.patch")
    repository = open_repository(work)
    assert repository.changed_files(base, WORKING_TREE) == (
        ChangedFile("fix.patch", "M"),
        ChangedFile("new.patch", "A"),
        ChangedFile("nginx.spec", "M"),
    )


def test_a_commit_is_written_out_as_it_is_in_git(work: Path, tmp_path: Path) -> None:
    # export-ignore, line endings and filters would all give other bytes than the blob's.
    (work / ".gitattributes").write_text("fix.patch export-ignore\n*.spec eol=crlf filter=evil\n")
    (work / "run").write_text("#!/bin/sh\n")
    (work / "run").chmod(0o755)
    (work / "link").symlink_to("nginx.spec")
    head = commit(work, {"odd name ü": "o"})
    git(work, "config", "filter.evil.smudge", "touch /tmp/minimize-evil; cat")
    out = tmp_path / "out"
    done = open_repository(work).materialize(head, out)
    assert (out / "fix.patch").read_text() == "one\n"
    assert (out / "nginx.spec").read_bytes() == b"Name: nginx\n"
    assert (out / "run").stat().st_mode & 0o111
    assert (out / "odd name ü").read_text() == "o"
    assert (out / "link").readlink() == Path("nginx.spec")
    assert done.files == 7
    assert done.left_out == ()
    assert not (out / ".git").exists()


def test_only_the_asked_paths_are_written_out(work: Path, tmp_path: Path) -> None:
    for name, source in (("commit", "HEAD"), ("tree", WORKING_TREE)):
        done = open_repository(work).materialize(source, tmp_path / name, ["doc", "fix.patch"])
        assert sorted(p.name for p in (tmp_path / name).rglob("*") if p.is_file()) == [
            "a",
            "fix.patch",
        ]
        assert done.files == 2


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "../out", "d/../../etc", "d/../x", "../../x", "a/../../../x"]
)
def test_links_that_could_lead_outside_are_left_out(
    work: Path, tmp_path: Path, target: str
) -> None:
    (work / "doc/ok").symlink_to("../nginx.spec")
    (work / "bad").symlink_to(target)
    commit(work, {"x": "x"})
    for name, source in (("commit", "HEAD"), ("tree", WORKING_TREE)):
        done = open_repository(work).materialize(source, tmp_path / name)
        assert done.left_out == ("bad",)
        assert not (tmp_path / name / "bad").is_symlink()
        assert (tmp_path / name / "doc/ok").read_text() == "Name: nginx\n"


def test_a_working_tree_reads_through_no_link(work: Path) -> None:
    (work / "l.spec").symlink_to("/etc/hostname")
    (work / "d").symlink_to("/etc")
    repository = open_repository(work)
    assert repository.read(WORKING_TREE, "l.spec") is None
    assert repository.read(WORKING_TREE, "d/hostname") is None
    assert repository.read(WORKING_TREE, "nginx.spec") == b"Name: nginx\n"
    with pytest.raises(ChangeError):
        repository.read(WORKING_TREE, "../x")


def test_reading_one_file_of_a_commit(work: Path) -> None:
    (work / "l.spec").symlink_to("nginx.spec")
    head = commit(work, {"y": "y"})
    repository = open_repository(work)
    assert repository.read(head, "nginx.spec") == b"Name: nginx\n"
    assert repository.read(head, "gone") is None
    assert repository.read(head, "doc") is None
    assert repository.read(head, "l.spec") is None
    assert [e.is_link for e in repository.tree(head, ["l.spec"])] == [True]


def test_a_tree_with_dot_git_or_dot_dot_is_refused(work: Path, tmp_path: Path) -> None:
    blob = git(work, "hash-object", "-w", "--stdin", stdin=b"evil")
    inner = git(work, "mktree", stdin=f"100644 blob {blob}\tconfig\n".encode())
    outer = git(work, "mktree", stdin=f"040000 tree {inner}\t.GIT\n".encode())
    head = git(work, "commit-tree", outer, "-m", "evil")
    with pytest.raises(ChangeError, match="not allowed"):
        open_repository(work).materialize(head, tmp_path / "out")


def test_too_much_to_write_out_is_refused_before_it_is_written(work: Path, tmp_path: Path) -> None:
    head = commit(work, {"big": "x" * 5000})
    with pytest.raises(ChangeError, match="more than 1000 bytes"):
        open_repository(work).materialize(head, tmp_path / "out", max_bytes=1000)
    assert list((tmp_path / "out").iterdir()) == []


def test_hooks_and_file_monitors_of_the_repository_do_not_run(work: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch {trap}\n")
    script.chmod(0o755)
    git(work, "config", "core.fsmonitor", str(script))
    git(work, "config", "diff.external", str(script))
    (work / "nginx.spec").write_text("changed")
    repository = open_repository(work)
    assert repository.changed_files("HEAD", WORKING_TREE)
    repository.materialize(WORKING_TREE, tmp_path / "out")
    assert not trap.exists()


def test_a_deleted_file_and_a_submodule_are_not_in_the_working_tree(
    work: Path, tmp_path: Path
) -> None:
    head = git(work, "rev-parse", "HEAD")
    git(work, "update-index", "--add", "--cacheinfo", f"160000,{head},module")
    (work / "module").mkdir()
    (work / "fix.patch").unlink()
    open_repository(work).materialize(WORKING_TREE, tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["doc", "nginx.spec"]


@dataclass(frozen=True)
class Answering(GitRepository):
    """A repository whose git answers each command alike, but for revisions."""

    output: bytes = b""

    def git_code(self, *arguments: str, **_: object) -> tuple[int, bytes]:
        return 0, (b"0" * 40 if arguments[0] == "rev-parse" else self.output)


def test_output_of_git_that_lacks_something_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(GitError, match="without its path"):
        Answering(tmp_path, output=b"M\0a\0R100\0old\0").changed_files("a", "b")
    with pytest.raises(GitError, match="cannot be read"):
        Answering(tmp_path, output=b"100644 blob\ta.spec\0").tree("a")


@pytest.mark.parametrize("output", [b"", b"%b blob 9\nab\n", b"%b missing\n", b"%b blob -1\nab\n"])
def test_contents_that_git_does_not_give_whole_are_an_error(tmp_path: Path, output: bytes) -> None:
    oid = b"1" * 40
    repository = Answering(tmp_path, output=output.replace(b"%b", oid))
    with pytest.raises(GitError, match="incomplete contents of 'a"):
        list(repository._read_batch([TreeEntry("a.spec", "100644", oid.decode())]))


PATCH = """\
diff --git a/x.spec b/x.spec
--- a/x.spec
+++ b/x.spec
@@ -2,4 +2,5 @@ Name: x
 two
-three
+Three
+more
 four
 five
@@ -20 +21 @@
-old
+new
\\ No newline at end of file
"""


def test_lines_of_all_hunks_with_those_that_base_has_too() -> None:
    assert shown_lines(PATCH) == {2: 2, 3: None, 4: None, 5: 4, 6: 5, 21: None}


def test_no_line_of_a_file_without_a_patch() -> None:
    assert shown_lines("") == {}
    assert shown_lines("Binary files a/x and b/x differ\n") == {}
