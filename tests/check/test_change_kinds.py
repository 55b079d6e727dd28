"""Each kind of change the whole way: renamed, deleted, linked, beside a spec, submodules, LFS."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.check.change import open_change
from bot.check.verdict import where_so
from bot.git.repository import open_repository
from bot.model.architecture import DEFAULT_ARCHITECTURES
from bot.model.result import CheckResult, ImageResult
from bot.report.headline import headline, title
from bot.report.phrase import to_plain
from tests.check.tiny import TOOL, Bench

ImageOf = Callable[..., ImageResult]
NEEDS_PERL = TOOL.replace("Requires: base\n", "Requires: base\nRequires: perl\n")
LINKED = " is a symbolic link: it was not evaluated."


def change_of(bench: Bench) -> tuple[list[tuple[str | None, str | None]], tuple[str, ...]]:
    git = open_repository(bench.root / "git")
    with open_change(git, "HEAD~1", "HEAD", branch="main") as change:
        return [(spec.base_path, spec.head_path) for spec in change.specs], change.problems


def names(image: ImageResult) -> list[str]:
    return [added.package.nevra.name for added in image.added]


def test_a_renamed_spec_is_compared_with_what_it_was(bench: Bench, image_of: ImageOf) -> None:
    result = bench.check({"tool.spec": None, "utility.spec": NEEDS_PERL})
    assert change_of(bench)[0] == [("tool.spec", "utility.spec")]
    assert result.specs == ("utility.spec",)
    assert names(image_of(result)) == ["perl", "perl-libs"]
    assert image_of(result).removed == ()


def test_a_rename_alone_changes_no_image(bench: Bench, image_of: ImageOf) -> None:
    result = bench.check({"tool.spec": None, "utility.spec": TOOL})
    assert (result.verdict, image_of(result).changed) == ("success", False)


def test_a_deleted_spec_takes_its_packages_away(bench: Bench, image_of: ImageOf) -> None:
    result = bench.check({"tool.spec": None})
    assert result.specs == ("tool.spec",)
    assert result.verdict == "failure"
    image = image_of(result)
    assert (image.base.status, image.head.status) == ("ok", "unsolvable")


def test_an_added_and_a_deleted_and_a_changed_spec_are_one_overlay(bench: Bench) -> None:
    helper = "Name: helper\nVersion: 1\nRelease: 1\nSummary: h\nLicense: MIT\n%description\n%files"
    bench.commit({"helper.spec": helper + "\n"})
    needs = TOOL.replace("Requires: base\n", "Requires: base\nRequires: fresh\n")
    result = bench.check(
        {
            "tool.spec": needs,
            "helper.spec": None,
            "fresh.spec": helper.replace("Name: helper", "Name: fresh\nRequires: perl") + "\n",
        }
    )
    assert set(result.specs) >= {"fresh.spec", "tool.spec"}
    here = {i.key.workload: i for i in result.images if i.key.arch == "x86_64"}
    assert names(here["web"]) == ["fresh", "perl", "perl-libs"]
    assert [p.nevra.name for p in here["@self:helper"].removed] == ["helper"]
    assert result.verdict == "success"


@pytest.mark.parametrize(
    ("line", "file", "counts"),
    [
        ("Patch0: fix.patch", "fix.patch", True),
        ("Patch: %{name}-fix.patch", "tool-fix.patch", True),
        ("Source1: https://example.org/x/extra.conf", "extra.conf", True),
        ("Source1: extra-%{version}.tar.gz", "extra-1.tar.gz", True),
        ("Provides: x(%(cat words.txt))", "words.txt", True),
        ("# Patch0: fix.patch", "fix.patch", False),
        ("Patch0: fix.patch", "other.patch", False),
    ],
)
def test_a_file_beside_counts_where_the_spec_names_it(
    bench: Bench, line: str, file: str, counts: bool
) -> None:
    spec = TOOL.replace("Source0: data.txt\n", f"Source0: data.txt\n{line}\n")
    bench.commit({"tool.spec": spec, "fix.patch": "", file: "before\n"})
    result = bench.check({file: "after\n"})
    assert result.specs == (("tool.spec",) if counts else ())


def test_a_patch_that_is_taken_away_counts(bench: Bench) -> None:
    spec = TOOL.replace("Source0: data.txt\n", "Source0: data.txt\nPatch0: fix.patch\n")
    bench.commit({"tool.spec": spec, "fix.patch": "1\n"})
    assert bench.check({"fix.patch": None}).specs == ("tool.spec",)


@pytest.mark.parametrize("arches", ["", "architectures: [x86_64]\n"])
def test_where_a_spec_is_refused_stands_apart_from_rpms_words(bench: Bench, arches: str) -> None:
    if arches:
        bench.commit({".minimize.yaml": arches})
    result = bench.check({"tool.spec": TOOL.replace("Name: tool\n", "%if\nName: tool\n")})
    (problem,) = result.problems
    sentence, _, where = problem.rpartition(" This is so on ")
    assert sentence.startswith("tool.spec:")
    assert "[" not in problem
    assert "," not in sentence
    assert where == ("x86_64." if arches else "x86_64 and aarch64.")
    assert sentence.removesuffix(".").replace("`", "") in title(result).replace("`", "")


@pytest.mark.parametrize("target", ["tool.spec", "/etc/passwd", "../../outside.spec", "nowhere"])
def test_a_new_link_is_refused_and_said_wherever_it_leads(bench: Bench, target: str) -> None:
    (bench.root / "git" / "link.spec").symlink_to(target)
    result = bench.check({"data.txt": "other\n"})
    assert result.specs == ("tool.spec",)
    assert result.problems == (f"link.spec{LINKED}",)


def test_a_spec_that_becomes_a_link_is_no_success(bench: Bench) -> None:
    (bench.root / "git" / "tool.spec").unlink()
    (bench.root / "git" / "tool.spec").symlink_to("data.txt")
    result = bench.check({})
    assert result.verdict == "failure"
    assert result.problems == (f"tool.spec{LINKED}",)
    assert result.images == ()
    assert to_plain(headline(result)) == f"❌ This change cannot be evaluated: tool.spec{LINKED}"


def test_a_spec_behind_a_linked_folder_is_not_reached(bench: Bench, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "evil.spec").write_text(NEEDS_PERL)
    (bench.root / "git" / "folder").symlink_to(outside)
    result = bench.check({"README": "words\n"})
    assert result.specs == ()


def test_a_link_that_was_there_before_is_nothing_of_this_change(bench: Bench) -> None:
    (bench.root / "git" / "link.spec").symlink_to("tool.spec")
    bench.commit({"README": "one\n"})
    result: CheckResult = bench.check({"tool.spec": NEEDS_PERL})
    assert (result.problems, result.specs) == ((), ("tool.spec",))


def test_submodules_are_not_followed(bench: Bench, image_of: ImageOf, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    subprocess.run(["git", "init", "--quiet", str(other)], check=True)
    (other / "sub.spec").write_text(NEEDS_PERL)
    identity = ["-c", "user.name=T", "-c", "user.email=t@example.org"]
    for command in (["add", "-A"], ["commit", "--quiet", "-m", "x"]):
        subprocess.run(["git", *identity, *command], cwd=other, check=True)
    bench.git("-c", "protocol.file.allow=always", "submodule", "add", "--quiet", str(other), "sub")
    result = bench.check({"tool.spec": NEEDS_PERL})
    assert result.specs == ("tool.spec",)
    assert names(image_of(result)) == ["perl", "perl-libs"]
    git = open_repository(bench.root / "git")
    with open_change(git, "HEAD~1", "HEAD", branch="main") as change:
        assert (change.head_tree / ".gitmodules").exists()
        assert not (change.head_tree / "sub").exists()
    # Its commit moved: no file of ours changed.
    bench.git("update-index", "--cacheinfo", f"160000,{'1' * 40},sub")
    bench.git("commit", "--quiet", "-m", "Move the submodule")
    assert change_of(bench) == ([], ())


def test_pointers_of_lfs_are_left_as_they_are(bench: Bench) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 9\n"
    ran = bench.root / "ran"
    for kind in ("smudge", "clean"):
        bench.git("config", f"filter.lfs.{kind}", f"touch {ran}; cat")
    bench.commit({".gitattributes": "*.tar filter=lfs\n", "src.tar": pointer})
    bench.commit({"tool.spec": TOOL.replace("Source0: data.txt", "Source0: src.tar")})
    ran.unlink(missing_ok=True)
    git = open_repository(bench.root / "git")
    with open_change(git, "HEAD~1", "HEAD", branch="main") as change:
        assert (change.head_tree / "src.tar").read_text() == pointer
    assert not ran.exists()


def test_what_is_so_everywhere_names_no_architecture() -> None:
    four = DEFAULT_ARCHITECTURES
    five = (*four, "riscv64")
    assert where_so(five, five) == "This is so on all five architectures."
    assert where_so(four, five) == "This is so on x86_64, aarch64, ppc64le and s390x."
    assert where_so(reversed(four), four) == "This is so on all four architectures."
    assert where_so(four[:3], four) == "This is so on x86_64, aarch64 and ppc64le."
