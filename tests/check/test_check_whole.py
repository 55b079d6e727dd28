"""The whole way of a change, from a commit to the result, on a tiny distribution of real RPMs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from bot.errors import UsageError
from bot.model.result import CheckResult, ImageResult
from bot.model.result_json import check_from_json, check_to_json
from bot.model.spec import SpecLine
from bot.report.render import render_comment, status_line
from tests.check.tiny import TOOL, Bench, objective, workload

ImageOf = Callable[..., ImageResult]


def added(image: ImageResult) -> list[str]:
    return [a.package.nevra.name for a in image.added]


def test_an_added_requirement_is_reported_with_its_chain_its_line_and_its_way_out(
    bench: Bench, image_of: ImageOf
) -> None:
    result = bench.check(
        {
            "tool.spec": TOOL.replace(
                "%description\n%files\n", "Requires: perl\n%description\n%files\n", 1
            )
        }
    )
    assert result.verdict == "success"
    assert [i.key.arch for i in result.images] == ["aarch64", "x86_64"]
    image = image_of(result)
    assert image.changed
    assert image.evidence == "predicted"
    assert added(image) == ["perl", "perl-libs"]
    libs = image.added[1]
    assert [[(e.source.name, e.capability, e.target.name) for e in c] for c in libs.chains] == [
        [("tool", "perl", "perl"), ("perl", "perl-libs", "perl-libs")]
    ]
    assert libs.spec is not None
    assert (libs.spec.path, libs.spec.line, libs.spec.text) == ("tool.spec", 9, "Requires: perl")
    assert libs.leaves_with == (libs.spec,)
    (suggestion,) = result.suggestions
    assert suggestion.replace_with == "Recommends: perl"
    assert [(s.key.arch, s.packages) for s in suggestion.saves] == [("aarch64", 2), ("x86_64", 2)]


def test_two_lines_that_both_bring_a_package_are_its_causes_and_leave_only_together(
    bench: Bench, image_of: ImageOf
) -> None:
    more = "Requires: perl\nRequires: /usr/bin/perl\n%description\n%files\n"
    result = bench.check({"tool.spec": TOOL.replace("%description\n%files\n", more, 1)})
    perl = image_of(result).added[0]
    assert [line.line for line in perl.leaves_with] == [9, 10]
    assert result.suggestions == ()
    assert perl.spec is not None
    assert {perl.spec.text, *(line.text for line in perl.alternatives)} == {
        "Requires: perl",
        "Requires: /usr/bin/perl",
    }
    text = render_comment(result)
    assert "and so does" in text
    assert ", each of which alone brings it |" in text and "without both: " in text


def test_a_line_of_a_subpackage_that_another_line_draws_in_says_so(
    bench: Bench, image_of: ImageOf
) -> None:
    head = TOOL.replace("%description\n%files\n", "Requires: tool-extra\n%description\n%files\n", 1)
    head = head.replace("BuildArch: noarch\n", "BuildArch: noarch\nRequires: perl\n")
    result = bench.check({"tool.spec": head})
    perl = next(a for a in image_of(result).added if a.package.nevra.name == "perl")
    assert perl.spec is not None and perl.spec.text == "Requires: perl"
    assert perl.leaves_with == (perl.spec,)
    assert [line.text for line in perl.together_with] == ["Requires: tool-extra"]
    assert "only together with" in render_comment(result)


def test_a_version_bump_changes_no_image(bench: Bench, image_of: ImageOf) -> None:
    result = bench.check({"tool.spec": TOOL.replace("Version: 1", "Version: 2")})
    image = image_of(result)
    assert (image.changed, image.head.status, image.changed_packages) == (False, "ok", ())
    assert result.verdict == "success"


def test_a_line_removed_takes_its_packages_out(bench: Bench, image_of: ImageOf) -> None:
    without = TOOL.replace("Requires: tool-libs = %{version}-%{release}\n", "")
    image = image_of(bench.check({"tool.spec": without}))
    assert [p.nevra.name for p in image.removed] == ["tool-libs"]
    assert image.changed


def test_a_dropped_subpackage_that_something_needs_is_a_failure(
    bench: Bench, image_of: ImageOf
) -> None:
    bench.document("web", workload("tool", "addon"))
    dropped = TOOL.partition("%package extra")[0]
    result = bench.check({"tool.spec": dropped})
    image = image_of(result)
    assert (image.base.status, image.head.status) == ("ok", "unsolvable")
    assert any("tool-extra" in p for p in image.head.problems)
    assert result.verdict == "failure"


def test_a_new_subpackage_has_no_sizes_until_it_is_built(bench: Bench, image_of: ImageOf) -> None:
    new = (
        "Requires: tool-new\n%description\n%files\n"
        "%package new\nSummary: n\n%description new\n%files new\n"
    )
    image = image_of(bench.check({"tool.spec": TOOL.replace("%description\n%files\n", new, 1)}))
    (package,) = image.added
    assert (package.package.nevra.name, package.package.installed_size) == ("tool-new", None)
    assert image.head.installed_size is None
    assert image.head.known_size == image.base.installed_size


def test_a_head_spec_that_rpm_refuses_fails_with_its_message_and_line(bench: Bench) -> None:
    result = bench.check({"tool.spec": TOOL.replace("Summary: t", "Sumary: t")})
    assert result.verdict == "failure"
    assert result.images == ()
    (problem,) = result.problems
    assert "tool.spec:4" in problem
    assert "Sumary" in problem
    assert not result.interrupted


def test_a_base_spec_that_was_broken_is_neutral(bench: Bench) -> None:
    bench.commit({"tool.spec": TOOL.replace("Summary: t", "Sumary: t")})
    result = bench.check({"tool.spec": TOOL})
    assert result.verdict == "neutral"
    assert not result.interrupted


def test_an_image_that_base_could_not_install_is_neutral(bench: Bench, image_of: ImageOf) -> None:
    bench.document("web", workload("tool", "broken"))
    result = bench.check({"tool.spec": TOOL.replace("Version: 1", "Version: 2")})
    assert result.verdict == "neutral"
    assert image_of(result).base.status == "unsolvable"


def test_a_package_in_no_workload_is_checked_by_itself(bench: Bench, image_of: ImageOf) -> None:
    bench.document("web", workload("base"))
    needs = TOOL.replace("%description\n%files\n", "Requires: perl\n%description\n%files\n", 1)
    result = bench.check({"tool.spec": needs})
    image = image_of(result)
    assert (image.key.workload, image.key.environment) == ("@self", "minimal")
    assert added(image) == ["perl", "perl-libs"]


def test_a_source_that_the_spec_names_counts_as_a_change_and_another_file_does_not(
    bench: Bench,
) -> None:
    assert bench.check({"data.txt": "other\n"}).specs == ("tool.spec",)
    assert bench.check({"README.md": "words\n"}).specs == ()


def test_specs_changed_together_are_one_overlay(bench: Bench, image_of: ImageOf) -> None:
    bench.commit(
        {"other.spec": TOOL.replace("Name: tool", "Name: other").replace("tool-", "other-")}
    )
    result = bench.check(
        {
            "tool.spec": TOOL.replace("Requires: base", "Requires: base, helper"),
            "helper.spec": "Name: helper\nVersion: 1\nRelease: 1\nSummary: h\nLicense: MIT\n"
            "%description\n%files\n",
        }
    )
    assert result.specs == ("helper.spec", "tool.spec")
    assert added(image_of(result)) == ["helper"]
    assert result.verdict == "success"


def test_the_file_of_the_base_branch_narrows_the_check(bench: Bench) -> None:
    bench.commit({".minimize.yaml": "architectures: [aarch64]\nthresholds: {bytes: 1 kB}\n"})
    result = bench.check(
        {
            "tool.spec": TOOL.replace("Version: 1", "Version: 2"),
            ".minimize.yaml": "architectures: [x86_64]\n",
        }
    )
    assert [i.key.arch for i in result.images] == ["aarch64"]


def test_a_wrong_file_of_the_base_branch_is_refused_with_its_field(bench: Bench) -> None:
    bench.commit({".minimize.yaml": "workload: tool\n"})
    with pytest.raises(UsageError, match="workload"):
        bench.check({"tool.spec": TOOL.replace("Version: 1", "Version: 2")})


def test_an_objective_newly_broken_is_a_failure(bench: Bench, image_of: ImageOf) -> None:
    bench.document("small", objective("web", limits={"packages": 3}, unwanted={"perl": "large"}))
    needs = TOOL.replace("%description\n%files\n", "Requires: perl\n%description\n%files\n", 1)
    result = bench.check({"tool.spec": needs})
    assert result.verdict == "failure"
    assert [(o.metric, o.before, o.value, o.met) for o in image_of(result).objectives] == [
        ("packages", 3, 5, False),
        ("unwanted:perl", 0, 1, False),
    ]


def test_a_target_whose_day_has_passed_fails_a_change_that_moves_away_from_it(
    bench: Bench, image_of: ImageOf
) -> None:
    bench.document("small", objective("web", target={"packages": 3, "by": "2027-03-01"}))
    needs = TOOL.replace("%description\n%files\n", "Requires: perl\n%description\n%files\n", 1)
    result = bench.check({"tool.spec": needs}, today=date(2027, 3, 2))
    (judged,) = image_of(result).objectives
    assert (judged.before, judged.value, judged.target, judged.worse) == (3, 5, 3, True)
    assert (result.verdict, result.only_limits) == ("failure", True)


def test_a_repository_that_cannot_be_read_is_neutral_and_said(bench: Bench) -> None:
    bench.document(
        "elsewhere",
        (bench.config / "repo.yaml").read_text().replace("$basearch", "nowhere/$basearch"),
    )
    result: CheckResult = bench.check({"tool.spec": TOOL.replace("Version: 1", "Version: 2")})
    assert result.verdict == "neutral"
    assert result.interrupted
    assert any("elsewhere" in p and "not evaluated" in p for p in result.problems)
    assert {i.key.repository for i in result.images} == {"repo"}


def test_what_nothing_provides_is_named_with_the_line_that_asks_for_it(
    bench: Bench, image_of: ImageOf
) -> None:
    line = "Requires: libnothere >= 3\n"
    result = bench.check({"tool.spec": TOOL.replace("Requires: base\n", f"Requires: base\n{line}")})
    assert result.verdict == "failure"
    image = image_of(result, "x86_64")
    assert image.base.causes == ()
    (cause,) = image.head.causes
    assert (cause.kind, cause.capability, cause.chain) == ("missing", "libnothere >= 3", ())
    assert cause.needed_by is not None and cause.needed_by.name == "tool"
    assert cause.spec == SpecLine("tool.spec", 8, "Requires: libnothere >= 3")
    assert status_line(result)[0] == (
        "web can no longer be installed: nothing provides `libnothere >= 3`,"
        " which `tool` requires (`tool.spec` line 8) (predicted)"
    )


def test_the_line_behind_a_published_package_that_cannot_be_installed_is_named(
    bench: Bench, image_of: ImageOf
) -> None:
    result = bench.check({"tool.spec": TOOL.replace("Requires: base\n", "Requires: broken\n")})
    (cause,) = image_of(result, "x86_64").head.causes
    assert (cause.capability, cause.needed_by and cause.needed_by.name) == (
        "nobody-provides-this",
        "broken",
    )
    assert [edge.target.name for edge in cause.chain] == ["broken"]
    assert cause.spec == SpecLine("tool.spec", 7, "Requires: broken")


def test_the_line_of_a_conflict_is_named(bench: Bench, image_of: ImageOf) -> None:
    head = TOOL.replace("Requires: base\n", "Requires: base\nConflicts: base\n")
    (cause,) = image_of(bench.check({"tool.spec": head}), "x86_64").head.causes
    assert (cause.kind, cause.capability) == ("conflict", "base")
    assert cause.conflicts_with is not None and cause.conflicts_with.name == "base"
    assert cause.spec == SpecLine("tool.spec", 8, "Conflicts: base")


def test_a_suggestion_names_the_edits_that_it_would_be(bench: Bench) -> None:
    more = "Requires: perl\n%description\n%files\n"
    result = bench.check({"tool.spec": TOOL.replace("%description\n%files\n", more, 1)})
    assert [suggestion.edits for suggestion in result.suggestions] == [("tool:perl",)]


WITHOUT_EXTRA = TOOL[: TOOL.index("%package extra")]


def test_a_dropped_subpackage_breaks_what_needs_it_on_every_architecture(bench: Bench) -> None:
    result = bench.check({"tool.spec": WITHOUT_EXTRA})
    broken = [(b.arch, b.nevra.name, b.capability, b.origin) for b in result.broken]
    assert broken == [(arch, "addon", "tool-extra", "tiny") for arch in ("aarch64", "x86_64")]
    assert check_from_json(check_to_json(result)).broken == result.broken
    text = render_comment(result)
    assert "1 other package of `repo` can no longer be installed." in text
    assert (
        "`addon` cannot be installed any more: with this change nothing provides `tool-extra`"
        in text
    )
    assert "(`repo`, x86_64, aarch64)" in text


def test_a_change_that_drops_nothing_breaks_nothing(bench: Bench) -> None:
    head = TOOL.replace("Requires: base\n", "Requires: perl\n")
    assert bench.check({"tool.spec": head}).broken == ()
