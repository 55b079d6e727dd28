"""Edits that somebody declined: neither a check nor an answer proposes them."""

from __future__ import annotations

from dataclasses import replace

from bot.chat.parser import Question
from bot.chat.questions import ChatFinding
from bot.engine.steps import proposing, without_declined
from bot.model.advice import Change, ImageAdvice, Plan
from bot.model.image import ImageKey
from bot.model.result import CheckResult
from bot.model.spec import SpecLine
from bot.model.suggestion import Suggestion

KEY = ImageKey("web", "minimal", "c9", "x86_64")
LINES = [SpecLine("tool.spec", n, f"Requires: {name}") for n, name in ((3, "perl"), (4, "lua"))]
RESULT = CheckResult(
    base="b",
    head="h",
    merge_base="b",
    specs=("tool.spec",),
    verdict="success",
    suggestions=tuple(
        Suggestion(line, line.text.replace("Requires", "Recommends"), (), (edit,))
        for line, edit in zip(LINES, ("tool:perl", "tool:lua"), strict=True)
    ),
)


def plan(*capabilities: str) -> Plan:
    changes = (Change("weaken", "tool", "tool", name, True, "x") for name in capabilities)
    return Plan(len(capabilities), 1, 1, True, 1, (), (), tuple(changes))


def test_a_declined_suggestion_is_left_out_of_a_result() -> None:
    found = without_declined(RESULT, ("tool:perl",))
    assert [one.spec.text for one in found.suggestions] == ["Requires: lua"]
    assert without_declined(RESULT, ()) == RESULT
    beside = replace(RESULT, suggestions=(), spec_edits=RESULT.suggestions)
    left = without_declined(beside, ("tool:perl",)).spec_edits
    assert [one.spec.text for one in left] == ["Requires: lua"]


def test_a_plan_with_a_declined_edit_is_left_out_of_an_answer() -> None:
    advice = ImageAdvice(KEY, "ok", plans=(plan("perl"), plan("lua", "perl"), plan("lua")))
    finding = ChatFinding(Question("advise", "/minimize advise"), RESULT, advices=(advice,))
    (found,) = proposing(finding, ("tool:perl",)).advices
    assert found.plans == (plan("lua"),)
