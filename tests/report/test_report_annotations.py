"""Remarks on lines: which line, how grave, in which words."""

from __future__ import annotations

from dataclasses import replace

from bot import limits
from bot.model.closure import UnsolvableCause
from bot.model.nevra import Nevra
from bot.model.result import Acceptance
from bot.model.spec import SpecLine
from bot.report.annotations import annotations_of

NGINX = Nevra("nginx", 1, "1.26", "2", "x86_64")
LINE = SpecLine("nginx.spec", 40, "Requires: libnothere >= 3")


def test_a_line_that_brings_packages_is_a_notice(samples) -> None:
    result = samples.predicted()
    images = tuple(replace(image, objectives=()) for image in result.images)
    (remark,) = annotations_of(replace(result, images=images))
    assert (remark.path, remark.line, remark.level) == ("nginx.spec", 31, "notice")
    assert remark.rule == "packages-added"
    assert "\nbrings gdbm-libs, libdb, perl-interpreter" in remark.message


def test_a_line_whose_packages_break_a_limit_is_a_failure_until_somebody_accepts(samples) -> None:
    result = samples.rebuilt()
    assert any(o.worse for image in result.images for o in image.objectives)
    (remark,) = annotations_of(result)
    assert (remark.level, remark.rule) == ("failure", "limit-exceeded")
    accepted = replace(result, accepted=Acceptance("ann", "needed", "2026-01-01T00:00:00Z"))
    assert annotations_of(accepted)[0].level == "notice"


def test_a_line_that_makes_an_image_uninstallable_is_a_failure_only_where_base_was_not(
    samples,
) -> None:
    image = samples.unsolvable().images[0]
    cause = UnsolvableCause("missing", "libnothere >= 3", NGINX, spec=LINE)
    head = replace(image.head, status="unsolvable", causes=(cause,))
    broken = replace(image, base=replace(image.base, status="ok"), head=head, added=())
    result = replace(samples.unsolvable(), images=(broken,))
    (remark,) = annotations_of(result)
    assert (remark.line, remark.level, remark.rule) == (40, "failure", "not-installable")
    assert "Nothing provides libnothere >= 3." in remark.message
    before = replace(broken, base=head)
    assert annotations_of(replace(result, images=(before,))) == ()


def test_a_conflict_names_both_packages(samples) -> None:
    other = Nevra("httpd", 0, "2.4", "1", "x86_64")
    cause = UnsolvableCause("conflict", "httpd", NGINX, spec=LINE, conflicts_with=other)
    image = samples.unsolvable().images[0]
    head = replace(image.head, status="unsolvable", causes=(cause,))
    broken = replace(image, base=replace(image.base, status="ok"), head=head, added=())
    (remark,) = annotations_of(replace(samples.unsolvable(), images=(broken,)))
    assert f"{NGINX} cannot be installed beside {other}: httpd." in remark.message


def test_of_very_many_remarks_the_gravest_stay(samples) -> None:
    image = samples.unsolvable().images[0]
    causes = tuple(
        UnsolvableCause("missing", f"lib{n:04}", NGINX, spec=replace(LINE, line=n + 100))
        for n in range(limits.ANNOTATIONS + 5)
    )
    head = replace(image.head, status="unsolvable", causes=causes)
    broken = replace(image, base=replace(image.base, status="ok"), head=head, added=())
    brings = samples.predicted().images
    result = replace(samples.unsolvable(), images=(broken, *brings))
    remarks = annotations_of(result)
    assert len(remarks) == limits.ANNOTATIONS
    assert {remark.level for remark in remarks} == {"failure"}
    assert [remark.line for remark in remarks] == sorted(remark.line for remark in remarks)


def test_a_line_by_which_a_spec_cannot_be_evaluated_is_a_failure(samples) -> None:
    (remark,) = annotations_of(samples.bad_spec())
    assert (remark.path, remark.line) == ("nginx.spec", 12)
    assert (remark.level, remark.rule) == ("failure", "not-evaluated")
    assert remark.message == "line 12: Unknown tag: Requirs: perl"
