"""What a change to `.minimize.yaml` in the same pull request would do, told and not done."""

from __future__ import annotations

import pytest

from bot.errors import UsageError
from bot.model.result import ConfigurationChange, FieldChange
from tests.check.tiny import TOOL, Bench, workload

NAME = ".minimize.yaml"
BUMPED = TOOL.replace("Requires: base", "Requires: base, perl")
SMALL = "objectives: [{name: small, workload: web, limits: {packages: %s}}]\n"


def record(bench: Bench, head: dict[str, str | None]) -> ConfigurationChange:
    change = bench.check(head).configuration
    assert change is not None
    return change


def arches(change: ConfigurationChange, what: str) -> list[str]:
    return [f"{key.workload} {key.arch}" for key in getattr(change, what)]


def test_a_change_that_leaves_the_file_alone_says_nothing_of_it(bench: Bench) -> None:
    bench.commit({NAME: "architectures: [x86_64]\n"})
    assert bench.check({"tool.spec": BUMPED}).configuration is None


def test_a_file_alone_is_told_without_solving_anything(bench: Bench) -> None:
    result = bench.check({NAME: "architectures: [x86_64]\nworkloads: [web]\n"})
    change = result.configuration
    assert change is not None
    assert (change.action, change.problems, change.verdict) == ("added", (), None)
    assert set(change.fields) == {
        FieldChange("architectures", None, "x86_64"),
        FieldChange("workloads", None, "web"),
    }
    assert arches(change, "fewer") == ["web aarch64"]
    assert (result.verdict, result.images, result.specs) == ("success", (), ())
    assert not (bench.root / "cache").exists() or not list((bench.root / "cache").rglob("*.solv"))


def test_the_verdict_is_the_bases_and_the_heads_is_told(bench: Bench) -> None:
    bench.commit({NAME: SMALL % 4})
    result = bench.check({"tool.spec": BUMPED, NAME: SMALL % 9})
    assert result.verdict == "failure"  # nobody raises their own limit
    change = result.configuration
    assert change is not None
    assert change.verdict == "success"
    assert change.fields == (FieldChange("objectives[small].limits.packages", "4", "9"),)
    assert [o.limit for image in change.images for o in image.objectives] == [9, 9]
    stricter = bench.check({"tool.spec": TOOL, NAME: SMALL % 1}).configuration
    assert stricter is not None
    assert stricter.verdict == "success"  # the change takes packages out: nothing is made worse


def test_images_that_only_the_heads_file_names_are_looked_at(bench: Bench) -> None:
    bench.document("more", workload("tool", "addon"))
    bench.commit({NAME: "workloads: [web]\narchitectures: [x86_64]\n"})
    change = record(
        bench,
        {"tool.spec": BUMPED, NAME: "workloads: [web, more]\n" + SMALL.replace("web", "more") % 1},
    )
    assert arches(change, "more") == ["more aarch64", "more x86_64", "web aarch64"]
    assert [str(i.key.workload) for i in change.images] == ["more"]
    assert change.images[0].objectives[0].worse
    assert change.verdict == "failure"
    assert any("were not solved" in note for note in change.notes)


def test_an_image_that_a_spec_not_evaluated_may_complete_fails_nothing(bench: Bench) -> None:
    bench.document("web", workload("base"))
    bench.document("more", workload("tool"))
    open_ = TOOL.replace("Name: tool", "Name: other").replace("base", "base = %{no_such}")
    bench.commit({NAME: "workloads: [web]\n", "other.spec": open_})
    head = {
        "tool.spec": TOOL.replace("Requires: base", "Requires: base, other-libs = 9"),
        "other.spec": f"# touched\n{open_}",
        NAME: "workloads: [web, more]\n",
    }
    change = record(bench, head)
    assert (change.verdict, change.images) == ("neutral", ())
    assert any(note.startswith("more in minimal, x86_64: It is not known") for note in change.notes)


def test_what_a_spec_is_evaluated_with_counts_from_the_merge_on(bench: Bench) -> None:
    change = record(
        bench, {"tool.spec": TOOL.replace("Version: 1", "Version: 2"), NAME: "dist: .x\n"}
    )
    assert change.images == ()
    assert change.notes == ("dist applies once merged; this check uses the base's.",)


def test_a_file_that_goes_means_the_defaults(bench: Bench) -> None:
    bench.commit({NAME: "architectures: [x86_64]\n"})
    change = record(bench, {NAME: None})
    assert (change.action, arches(change, "more")) == ("removed", ["web aarch64"])
    assert change.fields == (FieldChange("architectures", "x86_64", None),)


@pytest.mark.parametrize(
    ("text", "line", "field", "message"),
    [
        ("dist: .x\nworkload: web\n", 2, "workload", "unknown key `workload`; expected one of"),
        ("\narchitectures: [x86_64, pdp-11]\n", 2, "architectures.1", "x86_64"),
        ("thresholds:\n  bytes: many\n", 2, "thresholds.bytes", "expected a size"),
        ("builder: docker\n", 1, "builder", "rpmbuild"),
        ("dist: a\ndist: b\n", 2, "dist", "is repeated"),
        ("workloads:\n- web\n- nobody\n", 3, "workloads.1", "there is no nobody"),
        ("repository: {main: elsewhere}\n", 1, "repository", "there is no elsewhere"),
        ("repository: 3\nworkloads: 4\n", 2, "workloads", "list"),
        ("objectives:\n- name: x\n  workload: web\n  limits: {packages: few}\n", 4,
         "objectives.0.limits.packages", "number"),
        ("a: [\n", 2, "", "not YAML"),
        ("- a\n", 1, "", "mapping"),
        ("x: &x [*x]\n", 1, "", "not YAML"),
        ("a: " + "[" * 5000, 1, "", "not YAML"),
        ("a: " + "x" * 100_000, None, "", "larger than"),
        ("a: \x00", 1, "", "not YAML"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_the_heads_file_is_said_with_its_place(
    bench: Bench, text: str, line: int | None, field: str, message: str
) -> None:
    result = bench.check({NAME: text})
    change = result.configuration
    assert change is not None
    (problem, *_) = change.problems
    assert (problem.line, problem.field) == (line, field)
    assert message in problem.message
    assert (result.verdict, change.fields, change.verdict) == ("success", (), None)


def test_a_file_that_blows_up_is_refused(bench: Bench) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    (problem,) = record(bench, {NAME: "\n".join(lines)}).problems
    assert "aliases" in problem.message


def test_a_link_is_not_followed(bench: Bench) -> None:
    bench.commit({NAME: "dist: .x\n"})
    (bench.root / "git" / NAME).unlink()
    (bench.root / "git" / NAME).symlink_to("/etc/passwd")
    assert record(bench, {}).action == "removed"


def test_a_wrong_size_on_the_base_branch_is_refused_with_its_line(bench: Bench) -> None:
    bench.commit({NAME: "thresholds:\n  bytes: many\n"})
    with pytest.raises(UsageError, match=r".minimize.yaml:2: thresholds.bytes: expected a size"):
        bench.check({"tool.spec": BUMPED})


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("dist: .x\n", "This change repairs it"),
        ("dist: [\n", "does not repair it: .minimize.yaml:2"),
    ],
)
def test_who_repairs_the_base_s_file_hears_whether_they_did(
    bench: Bench, head: str, said: str
) -> None:
    bench.commit({NAME: "workload: web\n"})
    with pytest.raises(
        UsageError, match=r".minimize.yaml:1: workload: unknown key `workload`"
    ) as caught:
        bench.check({NAME: head})
    assert said in str(caught.value)
