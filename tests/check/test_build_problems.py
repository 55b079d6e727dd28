"""The sentences on builds that gave nothing."""

from __future__ import annotations

from dataclasses import replace

from bot.check.rebuild import build_problems
from bot.model.result import BuildNote

HEAD = BuildNote("head", "a.spec", "x86_64", "head-failed", "no sources")
BASE = replace(HEAD, side="base", outcome="base-failed")


def test_two_sides_that_fail_alike_are_one_sentence() -> None:
    (problem,) = build_problems([BASE, HEAD])
    assert problem.startswith("a.spec (base and head, x86_64): Neither builds")


def test_two_sides_that_fail_otherwise_are_two_sentences() -> None:
    problems = build_problems([replace(BASE, message="no gcc"), HEAD])
    assert [text.split(",")[0] for text in problems] == ["a.spec (base", "a.spec (head"]
    assert "This change does not build" in problems[1]


def test_a_build_that_gave_packages_is_no_problem() -> None:
    assert build_problems([replace(HEAD, outcome="cached"), replace(BASE, outcome="built")]) == []
