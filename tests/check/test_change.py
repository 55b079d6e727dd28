"""What counts as a change: specs, and files beside them."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from bot.check.change import open_change, touches_packaging
from bot.errors import UsageError
from bot.git.repository import open_repository

SPEC = "Name: tool\nVersion: 1\nRelease: 1\nSummary: t\nLicense: MIT\n%description\n"


class Repository:
    """A tiny git repository that the test writes commits into."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        identity = ["-c", "user.name=T", "-c", "user.email=t@example.org"]
        done = subprocess.run(
            ["git", *identity, *arguments],
            cwd=self.path,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def commit(self, files: dict[str, str | None]) -> str:
        for name, content in files.items():
            path = self.path / name
            if content is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content)
        self.git("add", "-A")
        self.git("commit", "--quiet", "-m", "change")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    (tmp_path / "repo").mkdir()
    return Repository(tmp_path / "repo")


def test_both_sides_of_a_changed_spec_are_written_out_from_the_merge_base(
    repository: Repository,
) -> None:
    first = repository.commit({"tool.spec": SPEC})
    repository.git("checkout", "--quiet", "-b", "topic")
    head = repository.commit({"tool.spec": SPEC.replace("Release: 1", "Release: 2")})
    repository.git("checkout", "--quiet", "main")
    tip = repository.commit({"tool.spec": SPEC.replace("Release: 1", "Release: 9")})
    with open_change(open_repository(repository.path), "main", "topic") as change:
        assert (change.base, change.head, change.merge_base) == (tip, head, first)
        assert change.branch == "main"
        assert [(s.base_path, s.head_path, s.itself) for s in change.specs] == [
            ("tool.spec", "tool.spec", True)
        ]
        assert "Release: 1\n" in (change.base_tree / "tool.spec").read_text()
        assert "Release: 2\n" in (change.head_tree / "tool.spec").read_text()
        folder = change.base_tree
    assert not folder.exists()


def test_a_file_beside_a_spec_makes_that_spec_a_candidate_and_no_other(
    repository: Repository,
) -> None:
    repository.commit({"a/a.spec": SPEC, "a/fix.patch": "1", "b/b.spec": SPEC, "README": "x"})
    repository.commit({"a/fix.patch": "2", "README": "y"})
    with open_change(open_repository(repository.path), "HEAD~1", "HEAD") as change:
        assert [(s.path, s.itself, s.beside) for s in change.specs] == [
            ("a/a.spec", False, ("fix.patch",))
        ]
        assert (change.head_tree / "a" / "fix.patch").read_text() == "2"
        assert not (change.head_tree / "b").exists()


def test_what_a_spec_reads_elsewhere_is_written_out_with_it(repository: Repository) -> None:
    spec = SPEC + "%build\n../lib/configure\ncd ../docs\n"
    repository.commit(
        {
            "rpm/SPECS/tool.spec": spec.replace("Version: 1", "Version: %(cat ../../VERSION)"),
            "rpm/SOURCES/fix.patch": "1",
            "VERSION": "7",
            "rpm/docs/x": "x",
            "other": "x",
        }
    )
    repository.commit({"rpm/SOURCES/fix.patch": "2"})
    with open_change(open_repository(repository.path), "HEAD~1", "HEAD") as change:
        assert [(s.path, s.beside) for s in change.specs] == [
            ("rpm/SPECS/tool.spec", ("fix.patch",))
        ]
        for tree, content in ((change.base_tree, "1"), (change.head_tree, "2")):
            paths = {str(p.relative_to(tree)) for p in tree.rglob("*") if p.is_file()}
            assert paths == {"rpm/SPECS/tool.spec", "rpm/SOURCES/fix.patch", "VERSION"}
            assert (tree / "rpm/SOURCES/fix.patch").read_text() == content
    (repository.path / "VERSION").write_text("8")
    (repository.path / "rpm/SOURCES/fix.patch").write_text("3")
    with open_change(open_repository(repository.path), "HEAD") as change:
        assert (change.head_tree / "VERSION").read_text() == "8"
        assert not (change.head_tree / "rpm/docs").exists()


def test_a_change_without_packaging_has_no_specs(repository: Repository) -> None:
    repository.commit({"a/a.spec": SPEC, "docs/x.md": "1"})
    repository.commit({"docs/x.md": "2"})
    with open_change(open_repository(repository.path), "HEAD~1", "HEAD") as change:
        assert change.specs == ()


def test_renamed_added_and_deleted_specs_are_told_apart(repository: Repository) -> None:
    repository.commit({"old/tool.spec": SPEC, "gone/gone.spec": SPEC.replace("tool", "gone")})
    repository.commit(
        {
            "old/tool.spec": None,
            "new/tool.spec": SPEC,
            "gone/gone.spec": None,
            "fresh/fresh.spec": "Name: fresh\nVersion: 3\nSummary: entirely else\n",
        }
    )
    with open_change(open_repository(repository.path), "HEAD~1", "HEAD") as change:
        assert [(s.base_path, s.head_path) for s in change.specs] == [
            (None, "fresh/fresh.spec"),
            ("gone/gone.spec", None),
            ("old/tool.spec", "new/tool.spec"),
        ]


def test_a_spec_that_is_a_symbolic_link_is_refused_and_said(repository: Repository) -> None:
    repository.commit({"a/a.spec": SPEC})
    (repository.path / "a" / "link.spec").symlink_to("/etc/passwd")
    repository.commit({"a/a.spec": SPEC + "\n"})
    with open_change(open_repository(repository.path), "HEAD~1", "HEAD") as change:
        assert [s.path for s in change.specs] == ["a/a.spec"]
        assert change.problems == ("a/link.spec is a symbolic link: it was not evaluated.",)


def test_a_spec_whose_name_is_no_text_is_refused_and_said(repository: Repository) -> None:
    repository.commit({"a/a.spec": SPEC})
    (repository.path / "a/a.spec").rename(os.fsdecode(bytes(repository.path) + b"/a/\xff.spec"))
    repository.commit({"README": "x\n"})
    with open_change(open_repository(repository.path), "HEAD~1", "HEAD") as change:
        why = "has a name that is not UTF-8"
        assert [(s.path, s.head_path, s.refused) for s in change.specs] == [("a/a.spec", None, why)]
        assert change.problems == (
            f"a/\N{REPLACEMENT CHARACTER}.spec {why}: it was not evaluated.",
        )
        json.dumps(change.problems, ensure_ascii=False).encode()


def test_without_revisions_the_working_tree_is_compared_with_the_default_branch(
    repository: Repository,
) -> None:
    base = repository.commit({"tool.spec": SPEC, ".minimize.yaml": "dist: .old\n"})
    (repository.path / "tool.spec").write_text(SPEC + "Requires: perl\n")
    (repository.path / ".minimize.yaml").write_text("dist: .new\n")
    with open_change(open_repository(repository.path)) as change:
        assert (change.base, change.merge_base, change.head) == (base, base, "working tree")
        assert "perl" in (change.head_tree / "tool.spec").read_text()
        assert change.repository_file == b"dist: .old\n"
        assert (change.file_changed, change.head_file) == (True, b"dist: .new\n")


def test_an_unknown_revision_is_a_usage_error_that_names_it(repository: Repository) -> None:
    repository.commit({"tool.spec": SPEC})
    with (
        pytest.raises(UsageError, match="nowhere"),
        open_change(open_repository(repository.path), "nowhere", "HEAD"),
    ):
        pass


READS = f"{SPEC}%include %{{_sourcedir}}/parts/deps.inc\n%include ../common/all.inc\n"


@pytest.mark.parametrize(
    ("path", "touches"),
    [
        ("tool/README", True),  # beside a spec: evaluation says whether it is read
        ("tool/parts/deps.inc", True),
        ("tool/parts/other.inc", False),
        ("common/all.inc", True),
        ("common/other.inc", False),
        ("README", False),
        (".minimize.yaml", True),
        ("new.spec", True),
    ],
)
def test_a_change_touches_packaging_where_a_spec_may_read_it(
    repository: Repository, path: str, touches: bool
) -> None:
    base = repository.commit({"tool/tool.spec": READS, "common/all.inc": "", "x": ""})
    head = repository.commit({path: "new"})
    assert touches_packaging(open_repository(repository.path), base, head) is touches


def test_a_file_in_a_folder_of_its_own_counts_where_a_spec_at_the_top_names_it(
    repository: Repository,
) -> None:
    base = repository.commit({"tool.spec": SPEC + "%include %{_sourcedir}/parts/deps.inc\n"})
    tests = repository.commit({"tests/run.sh": "true"})
    assert not touches_packaging(open_repository(repository.path), base, tests)
    head = repository.commit({"parts/deps.inc": "Requires: perl"})
    git = open_repository(repository.path)
    assert touches_packaging(git, tests, head)
    with open_change(git, tests, head) as change:
        assert [(s.path, s.beside) for s in change.specs] == [("tool.spec", ("deps.inc",))]
