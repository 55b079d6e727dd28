"""What is published is not what git's base makes: other versions, other subpackages, two specs."""

from __future__ import annotations

import pytest

from bot.model.result import CheckResult
from tests.check.tiny import TOOL, Bench, workload

WITHOUT_EXTRA = TOOL.partition("%package extra")[0]
BUMPED = WITHOUT_EXTRA.replace("Release: 1", "Release: 2")


def statuses(result: CheckResult) -> set[tuple[str, str]]:
    return {(i.base.status, i.head.status) for i in result.images}


def test_a_subpackage_that_git_dropped_earlier_is_no_failure(bench: Bench) -> None:
    bench.document("web", workload("tool", "addon"))
    bench.commit({"tool.spec": WITHOUT_EXTRA})
    result = bench.check({"tool.spec": BUMPED})
    assert statuses(result) == {("unsolvable", "unsolvable")}
    assert (result.verdict, result.interrupted) == ("neutral", False)
    assert [note for note in result.notes if "left out on both sides" in note] == [
        "Published packages that the spec file of tool no longer makes are left out on both sides:"
        " tool-extra."
    ]


def test_images_without_the_dropped_subpackage_are_compared(bench: Bench) -> None:
    bench.commit({"tool.spec": WITHOUT_EXTRA})
    result = bench.check({"tool.spec": BUMPED})
    assert statuses(result) == {("ok", "ok")}
    assert result.verdict == "success"


@pytest.mark.parametrize("version", ["0.5", "3"])
def test_a_base_that_is_older_or_newer_than_what_is_published(bench: Bench, version: str) -> None:
    spec = TOOL.replace("Version: 1", f"Version: {version}").replace("Release: 1", "Release: 7")
    bench.commit({"tool.spec": spec})
    line = "Requires: perl, tool-libs%{?_isa} = %{version}-%{release}\n%description\n%files\n"
    changed = spec.replace("%description\n%files\n", line, 1)
    for head in (changed, changed.replace("Release: 7", "Release: 8")):
        result = bench.check({"tool.spec": head})
        assert (result.verdict, statuses(result)) == ("success", {("ok", "ok")})
        added = {a.package.nevra.name for i in result.images for a in i.added}
        assert added == {"perl", "perl-libs"}
        bench.git("reset", "--quiet", "--hard", "HEAD~1")


def test_autorelease_counts_commits_and_siblings_follow(bench: Bench) -> None:
    spec = TOOL.replace("Release: 1", "Release: %autorelease")
    bench.commit({"tool.spec": spec})
    result = bench.check({"tool.spec": spec.replace("Requires: base\n", "Requires: base, perl\n")})
    assert (result.verdict, statuses(result)) == ("success", {("ok", "ok")})
    assert dict(result.sources)["tool"] is not None


def test_two_specs_of_the_same_source_are_one_overlay(bench: Bench) -> None:
    perl = TOOL.replace("Requires: base\n", "Requires: base\nRequires: perl\n")
    bench.commit({"other.spec": TOOL})
    for head in ({"tool.spec": perl, "other.spec": TOOL + "# x\n"}, {"other.spec": perl}):
        result = bench.check(dict(head))
        assert result.verdict == "success"
        assert {a.package.nevra.name for i in result.images for a in i.added} == {
            "perl",
            "perl-libs",
        }
        notes = [note for note in result.notes if "both make" in note]
        assert len(notes) == (len(head) == 2)
        bench.git("reset", "--quiet", "--hard", "HEAD~1")


def test_a_subpackage_that_base_makes_and_nobody_published_is_not_new(bench: Bench) -> None:
    bench.document("web", workload("tool-new"))
    new = TOOL + "%package new\nSummary: n\n%description new\n%files new\n"
    bench.commit({"tool.spec": new})
    result = bench.check({"tool.spec": new.replace("Summary: n", "Summary: n\nRequires: perl")})
    assert (result.verdict, statuses(result)) == ("success", {("ok", "ok")})
    assert {len(i.added) for i in result.images} == {2}
