"""`@self` images: for each source that no workload has; what base is where nothing is published."""

from __future__ import annotations

from itertools import permutations

import pytest

from bot.model.result import CheckResult, Side
from bot.model.result_json import check_from_json, check_to_json
from bot.report.headline import headline, title
from bot.report.phrase import to_plain
from tests.check.tiny import TOOL, Bench, objective, workload

ABSENT = Side("absent")


def spec(name: str, *lines: str) -> str:
    more = "".join(f"{line}\n" for line in lines)
    return (
        f"Name: {name}\nVersion: 1\nRelease: 1\nSummary: s\nLicense: MIT\n{more}"
        "%description\n%files\n"
    )


NEEDS_PERL = TOOL.replace("Requires: base\n", "Requires: base\nRequires: perl\n")


def workloads(result: CheckResult) -> dict[str, list[str]]:
    """The names of the added packages of each image on x86_64, by workload."""
    return {
        i.key.workload: [a.package.nevra.name for a in i.added]
        for i in result.images
        if i.key.arch == "x86_64"
    }


def statuses(result: CheckResult) -> set[tuple[str, str]]:
    return {(i.base.status, i.head.status) for i in result.images}


def test_a_source_in_no_workload_is_checked_beside_one_that_is(bench: Bench) -> None:
    bench.commit({"other.spec": spec("other")})
    result = bench.check({"tool.spec": NEEDS_PERL, "other.spec": spec("other", "Requires: perl")})
    assert workloads(result) == {"web": ["perl", "perl-libs"], "@self:other": ["perl", "perl-libs"]}
    assert result.verdict == "success"


def test_the_order_of_specs_does_not_matter(bench: Bench) -> None:
    names = ("a", "m", "z")
    bench.commit({f"{name}.spec": spec(name) for name in names})
    images = []
    for order in permutations(names):
        bench.git("reset", "--quiet", "--hard", "HEAD~1") if images else None
        head: dict[str, str | None] = {"tool.spec": NEEDS_PERL}
        head |= {f"{name}.spec": spec(name, f"Requires: {order[0]}x") for name in order[1:]}
        head[f"{order[0]}.spec"] = spec(order[0], "Provides: x")
        result = bench.check(head)
        images.append((result.verdict, sorted(workloads(result))))
    assert {verdict for verdict, _ in images} == {"failure"}
    assert {tuple(names) for _, names in images} == {("@self:a", "@self:m", "@self:z", "web")}


def test_a_source_that_is_not_published_is_compared_with_its_own_base(bench: Bench) -> None:
    bench.document("web", workload("base"))
    bench.commit({"other.spec": spec("other", "Requires: perl-libs")})
    result = bench.check({"other.spec": spec("other", "Requires: perl-libs", "Requires: perl")})
    assert workloads(result) == {"@self": ["perl"]}
    (image, _) = result.images
    assert (image.base.packages, image.head.packages) == (3, 4)
    assert (image.base.installed_size, image.head.installed_size) == (None, None)


def test_what_base_could_not_install_either_is_neutral(bench: Bench) -> None:
    bench.commit({"other.spec": spec("other", "Requires: libnothere")})
    result = bench.check({"other.spec": spec("other", "Requires: libnothere", "Requires: base")})
    assert result.verdict == "neutral"
    assert statuses(result) == {("unsolvable", "unsolvable")}
    assert "no longer" not in title(result)


def test_a_requirement_that_base_has_not_and_nothing_meets_is_a_failure(bench: Bench) -> None:
    bench.commit({"other.spec": spec("other")})
    result = bench.check({"other.spec": spec("other", "Requires: libnothere")})
    assert result.verdict == "failure"
    assert statuses(result) == {("ok", "unsolvable")}


def test_siblings_of_an_unpublished_source_follow_a_new_release(bench: Bench) -> None:
    bench.document("web", workload("base"))
    other = TOOL.replace("Name: tool", "Name: other").replace("tool-libs", "other-libs")
    bench.commit({"other.spec": other})
    result = bench.check({"other.spec": other.replace("Release: 1", "Release: 2")})
    assert (result.verdict, workloads(result)) == ("success", {"@self": []})
    assert not any(image.changed for image in result.images)


def test_a_new_source_has_an_absent_base(bench: Bench) -> None:
    bench.document("web", workload("base"))
    result = bench.check({"fresh.spec": spec("fresh", "Requires: perl")})
    (image, _) = result.images
    assert image.base == ABSENT
    assert (image.changed, image.head.status, image.head.packages) == (True, "ok", 4)
    assert (result.verdict, workloads(result)) == ("success", {"@self": []})
    assert check_from_json(check_to_json(result)).images == result.images
    assert to_plain(headline(result)) == "✅ The package alone, on minimal, is new: 4 packages."


def test_a_new_source_that_nothing_can_install_is_a_failure_without_a_before(bench: Bench) -> None:
    result = bench.check({"fresh.spec": spec("fresh", "Requires: libnothere")})
    assert result.verdict == "failure"
    assert statuses(result) == {("absent", "unsolvable")}
    record = to_plain(headline(result))
    assert "is new and cannot be installed" in record
    assert "libnothere" in record
    assert "no longer" not in record


def test_a_new_source_in_an_environment_that_cannot_be_installed_is_neutral(bench: Bench) -> None:
    text = (bench.config / "minimal.yaml").read_text().replace("[base]", "[base, broken]")
    bench.document("minimal", text)
    result = bench.check({"fresh.spec": spec("fresh")})
    assert result.verdict == "neutral"
    assert statuses(result) == {("unsolvable", "unsolvable")}


OBJECTIVE = objective("web", limits={"packages": 1}, growth={"bytes": 1})


def test_a_workload_that_waits_for_the_new_source_has_an_absent_base(bench: Bench) -> None:
    bench.document("web", workload("fresh"))
    bench.document("small", OBJECTIVE)
    result = bench.check({"fresh.spec": spec("fresh", "Requires: perl")})
    assert workloads(result) == {"web": []}
    assert statuses(result) == {("absent", "ok")}
    assert {o.metric for i in result.images for o in i.objectives} == {"packages"}
    assert result.verdict == "success"


def test_a_workload_that_waits_for_more_than_the_new_source_is_unsolvable(bench: Bench) -> None:
    bench.document("web", workload("fresh", "nowhere"))
    result = bench.check({"fresh.spec": spec("fresh")})
    assert ("unsolvable", "unsolvable") in statuses(result)
    assert result.verdict == "neutral"


@pytest.mark.parametrize("line", ["# words", "Recommends: perl", "Provides: x", "Suggests: y"])
def test_a_harmless_edit_never_fails(bench: Bench, line: str) -> None:
    other = TOOL.replace("Name: tool", "Name: other").replace("tool-libs", "other-libs")
    bench.commit({"other.spec": other})
    edited = {
        path: text.replace("Source0:", f"{line}\nSource0:").replace("Release: 1", "Release: 3")
        for path, text in (("tool.spec", TOOL), ("other.spec", other))
    }
    result = bench.check(edited)
    assert result.verdict == "success"
    assert set(workloads(result)) == {"web", "@self:other"}
    assert not any(image.changed for image in result.images)


def test_a_source_of_packages_for_developers_alone_is_checked(bench: Bench) -> None:
    devel = (
        "Name: only\nVersion: 1\nRelease: 1\nSummary: s\nLicense: MIT\n%description\n"
        "%package devel\nSummary: d\n%description devel\n%files devel\n"
    )
    bench.commit({"only.spec": devel})
    result = bench.check({"only.spec": devel.replace("Summary: d", "Summary: d\nRequires: perl")})
    assert workloads(result) == {"@self": ["perl", "perl-libs"]}


@pytest.mark.parametrize(
    ("head", "lost"),
    [
        (TOOL.replace("Source0:", "ExclusiveArch: x86_64\nSource0:"), {"aarch64"}),
        (TOOL.replace("Source0:", "ExcludeArch: x86_64\nSource0:"), {"x86_64"}),
        (None, {"x86_64", "aarch64"}),
    ],
)
def test_a_package_that_leaves_an_architecture_is_listed(
    bench: Bench, head: str | None, lost: set[str]
) -> None:
    by_request = bench.check({"tool.spec": head})
    broken = {i.key.arch for i in by_request.images if i.head.status == "unsolvable"}
    assert (by_request.verdict, broken) == ("failure", lost)
    assert "can no longer be installed" in to_plain(headline(by_request))
    bench.git("reset", "--quiet", "--hard", "HEAD~1")
    bench.document("web", workload("base"))
    result = bench.check({"tool.spec": head})
    changed = {i.key.arch: [p.nevra.name for p in i.removed] for i in result.images if i.changed}
    assert (result.verdict, changed) == ("success", {key: ["tool", "tool-libs"] for key in lost})
    assert statuses(result) == {("ok", "ok")}
    (note,) = [n for n in result.notes if "no package of tool any more" in n]
    assert all(arch in note for arch in lost)


def test_an_architecture_that_was_left_out_before_is_not_lost(bench: Bench) -> None:
    other = spec("other", "ExclusiveArch: x86_64")
    bench.commit({"other.spec": other})
    result = bench.check({"other.spec": other.replace("Release: 1", "Release: 2")})
    assert [i.key.arch for i in result.images] == ["x86_64"]
    assert not any("any more" in note for note in result.notes)
