"""Pull requests that make an opportunity's edit: proposed, landed when merged, else found again;
and edits that somebody declined, which neither a check nor an answer proposes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.chat.parser import Question
from bot.chat.questions import ChatFinding
from bot.engine.events import repositories_changed
from bot.engine.runs import Runs
from bot.engine.steps import proposing, without_declined
from bot.forge.events import RepositoriesEvent
from bot.model.advice import Change, ImageAdvice, Plan
from bot.model.image import ImageKey
from bot.model.opportunity import MadeEdit, Opportunity, OpportunityImage
from bot.model.result import CheckResult
from bot.model.spec import SpecLine
from bot.model.suggestion import Suggestion
from bot.store.history.values import MergedChange
from bot.store.opportunities import DeclinedEdit, Opportunities, Place
from bot.store.proposals import Proposals
from tests.engine import conftest
from tests.engine.conftest import KEY

PERL = Change("weaken", "nginx", "nginx", "perl", True, "Recommends: perl", 899_000)
WEB = Place("demo", "nginx", "minimal")
ON_IT = OpportunityImage("nginx", "minimal", ("x86_64",), 899_000)
MERGED = {"merged": "2026-11-01T10:00:00Z", "merge_sha": "c" * 40, "open": False}
SPEC = {"nginx/nginx.spec": "Name: nginx\nRecommends: perl\n"}


@pytest.fixture
def smaller(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The edits of each check's result; the image shrinks from 900,000 to 1,000 bytes."""
    given = {"edits": (MadeEdit("demo", "nginx", ("perl",)),)}
    grown = conftest.result_of

    def shrunk(*arguments: Any, **named: Any) -> CheckResult:
        result = grown(*arguments, **named)
        images = tuple(replace(i, base=i.head, head=i.base) for i in result.images)
        return replace(result, images=images, **given)

    monkeypatch.setattr(conftest, "result_of", shrunk)
    return given


def recorded_opportunities(bot: Any) -> Opportunities:
    opportunities = Opportunities(bot.store)
    opportunities.record(WEB, "one", [(PERL, ON_IT)])
    return opportunities


def only(opportunities: Opportunities) -> Opportunity:
    (opportunity,) = opportunities.all()
    return opportunity


async def check(bot: Any, files: dict[str, str] | None = None) -> None:
    bot.push(files or SPEC)
    await bot.deliver()
    await bot.settled()


async def merge(bot: Any) -> None:
    bot.forge.pull = replace(bot.forge.pull, **MERGED)
    await bot.deliver("stop", merged=MERGED["merged"], action="closed")


async def test_a_change_that_makes_the_edit_proposes_it_and_closed_it_is_found_again(
    bot: Any, smaller: Any
) -> None:
    opportunities = recorded_opportunities(bot)
    await check(bot)
    assert (only(opportunities).state, only(opportunities).url) == ("proposed", "https://forge/7")
    bot.forge.pull = replace(bot.forge.pull, open=False)
    await bot.deliver("stop", action="closed")
    assert (only(opportunities).state, only(opportunities).url) == ("found", "")


async def test_another_change_of_the_package_proposes_nothing(bot: Any, smaller: Any) -> None:
    opportunities = recorded_opportunities(bot)
    smaller["edits"] = (MadeEdit("demo", "nginx", ("lua",)), MadeEdit("other", "nginx", ("perl",)))
    await check(bot)
    assert only(opportunities).state == "found"


async def test_a_head_without_the_edit_takes_the_proposal_back(bot: Any, smaller: Any) -> None:
    opportunities = recorded_opportunities(bot)
    await check(bot)
    smaller["edits"] = ()
    await check(bot, {"nginx/nginx.spec": "Name: nginx\nRequires: perl\n"})
    assert only(opportunities).state == "found"


async def test_merged_it_has_landed_with_what_its_check_measured(bot: Any, smaller: Any) -> None:
    opportunities = recorded_opportunities(bot)
    await check(bot)
    await merge(bot)
    await merge(bot)
    edit = only(opportunities)
    assert (edit.state, edit.saved, edit.published) == ("landed", 899_000, False)
    assert (edit.url, edit.changed) == ("https://forge/7", MERGED["merged"])
    assert [(i.before, i.after) for i in edit.images] == [(900_000, 1_000)]
    # The published packages have the requirement until the merged change is built.
    opportunities.record(WEB, "two", [(PERL, ON_IT)])
    assert only(opportunities).state == "landed"


async def test_a_text_proposes_only_edits_of_the_source_that_it_changes(
    bot: Any, smaller: Any
) -> None:
    opportunities = recorded_opportunities(bot)
    smaller["edits"] = ()
    other = replace(PERL, package="curl", source="curl")
    place = Place("demo", "curl", "minimal")
    opportunities.record(place, "x", [(other, replace(ON_IT, workload="curl"))])
    ids = {opportunity.change.source: opportunity.id for opportunity in opportunities.all()}
    text = f"Opportunity: {ids['nginx']}\nOpportunity: {ids['curl']}"
    bot.forge.pull = replace(bot.forge.pull, text=text)
    await check(bot)
    states = {opportunity.change.source: opportunity.state for opportunity in opportunities.all()}
    assert states == {"nginx": "proposed", "curl": "found"}


async def test_a_private_pull_request_is_not_shown(bot: Any, smaller: Any) -> None:
    opportunities = recorded_opportunities(bot)
    bot.forge.pull = replace(bot.forge.pull, private=True)
    await check(bot)
    assert (only(opportunities).state, only(opportunities).url) == ("proposed", "")


async def test_a_declined_edit_is_never_proposed(bot: Any, smaller: Any) -> None:
    opportunities = recorded_opportunities(bot)
    await check(bot)
    opportunities.decline(
        DeclinedEdit("gh", "o/r", "nginx:perl", "wanted", "ann", "triage", "2026-01-01", "1", "u")
    )
    await check(bot, {"nginx/nginx.spec": "Name: nginx\nRecommends: perl\n# more\n"})
    assert only(opportunities).state == "declined"


async def test_an_issue_stays_where_it_is_proposed_when_the_pull_request_is_closed(
    bot: Any, smaller: Any
) -> None:
    opportunities = recorded_opportunities(bot)
    opportunities.propose([only(opportunities).id], "https://forge/issues/1")
    await check(bot)
    assert only(opportunities).url == "https://forge/7"
    bot.forge.pull = replace(bot.forge.pull, open=False)
    await bot.deliver("stop", action="closed")
    assert (only(opportunities).state, only(opportunities).url) == (
        "proposed", "https://forge/issues/1",
    )  # fmt: skip


async def test_a_repository_that_is_gone_proposes_nothing(bot: Any, smaller: Any) -> None:
    opportunities = recorded_opportunities(bot)
    await check(bot)
    event = RepositoriesEvent("gh", (), (KEY.repository,))
    publisher = bot.engine.publisher
    runs = Runs(bot.store, bot.engine, bot.settings)
    await repositories_changed(bot.store, publisher, runs, event)
    assert only(opportunities).state == "found"


def test_a_commit_whose_text_names_it_has_landed_unmeasured(bot: Any) -> None:
    opportunities = recorded_opportunities(bot)
    commit = MergedChange(
        "gh", "o/r", None, "Bump", "ann", "https://forge/c", "d" * 40, "2026-11-01T10:00:00Z",
        None, {"nginx": None}, documents=("demo",),
    )  # fmt: skip
    Proposals(bot.store).merged(replace(commit, sources={"curl": None}), [only(opportunities).id])
    assert only(opportunities).state == "found"
    Proposals(bot.store).merged(commit, [only(opportunities).id])
    assert (only(opportunities).state, only(opportunities).saved) == ("landed", None)


DECLINED_KEY = ImageKey("web", "minimal", "c9", "x86_64")
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
    result = without_declined(RESULT, ("tool:perl",))
    assert [suggestion.spec.text for suggestion in result.suggestions] == ["Requires: lua"]
    assert without_declined(RESULT, ()) == RESULT
    beside = replace(RESULT, suggestions=(), spec_edits=RESULT.suggestions)
    left = without_declined(beside, ("tool:perl",)).spec_edits
    assert [one.spec.text for one in left] == ["Requires: lua"]


def test_a_plan_with_a_declined_edit_is_left_out_of_an_answer() -> None:
    advice = ImageAdvice(DECLINED_KEY, "ok", plans=(plan("perl"), plan("lua", "perl"), plan("lua")))
    finding = ChatFinding(Question("advise", "/minimize advise"), RESULT, advices=(advice,))
    (advice,) = proposing(finding, ("tool:perl",)).advices
    assert advice.plans == (plan("lua"),)
