"""The weekly summary: one issue for a maintainer, written anew each week, off unless placed."""

import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from bot.distro.objectives import Limits, Sizes, Target
from bot.forge.events import Issue, IssueText
from bot.model.advice import Change, Evidence
from bot.model.opportunity import OpportunityImage
from bot.objectives.issue_writer import publish_issues
from bot.settings.values import IssueSettings
from bot.store.history.values import Cause, MergedChange
from bot.store.opportunities import Opportunities
from bot.store.opportunities import Place as OpportunityPlace
from tests.objectives.daily_history import SMALL, START, DailyHistory

WEEKLY = IssueSettings(weekly={"web-sig": "it:rpms/web"})


class Forge:
    """Keeps what was put."""

    def __init__(self) -> None:
        self.issues = self
        self.texts: list[IssueText] = []

    async def put(self, repository: str, marker: str, text: IssueText) -> Issue:
        assert marker in text.body
        self.texts.append(text)
        return Issue("1", "https://f/1", text.title, text.body, text.state or "open")


async def publish(
    daily: DailyHistory, forge: Any, day: int, settings: IssueSettings = WEEKLY
) -> None:
    moment = START + timedelta(days=day, hours=1)
    issued = await publish_issues(daily.history, {"it": forge}, settings, 1, moment=moment)
    assert issued.failed == ()


async def test_it_is_written_once_a_week_and_says_how_things_stand(daily: DailyHistory) -> None:
    other = replace(SMALL, id="other", name="not theirs", maintainer="others")
    daily.objectives.append(other)
    forge = Forge()
    for day in range(4):
        daily.day("lib", *(["perl"] if day > 1 else []))
        await publish(daily, forge, day)
    assert len(forge.texts) == 1
    assert "2026-W45" in forge.texts[0].body
    await publish(daily, forge, 7)
    (_, second) = forge.texts
    assert second.state is None
    assert second.title == "Minimal images, this week: web-sig"
    for words in (
        "Week 2026-W46",
        "1 broken",
        "web stays small",
        "3 packages",
        "+3\N{NO-BREAK SPACE}MB",
    ):
        assert words in second.body
    assert "not theirs" not in second.body


async def test_an_image_that_cannot_be_installed_is_named_with_the_reason(
    daily: DailyHistory, tmp_path: Path
) -> None:
    daily.day("lib")
    broke = Cause("app", "unsolvable", None, None, None, 0, "distribution")
    daily.day(solvable=False, broke=broke)
    await publish(daily, forge := Forge(), 1)
    assert (
        "(x86_64) can no longer be installed since 2026-11-03. What did it: `app`, by the"
        " distribution. The reason: `nothing provides libx.so.1 needed by app-2-1`."
    ) in forge.texts[0].body
    # One that could never be installed has no day and nobody who did it.
    never = DailyHistory(tmp_path / "never")
    never.day(solvable=False)
    await publish(never, forge, 1)
    never.close()
    assert "(x86_64) cannot be installed. The reason: nothing provides `app`, which the image" in (
        forge.texts[1].body
    )


async def test_what_moved_names_the_package_and_who_did_it(daily: DailyHistory) -> None:
    daily.day("lib")
    daily.history.recorder.record_merged(
        MergedChange("it", "rpms/web", 7, "t", "ann", "https://f/7", "a" * 40,
                     "2026-11-02T00:00:00Z", None, {"app": "2-1"})
    )  # fmt: skip
    daily.day("lib", "perl", app="2")
    await publish(daily, forge := Forge(), 2)
    body = forge.texts[0].body.replace("\u200b", "")
    assert "| `perl` came, by [pull request rpms/web#7](<https://f/7>) |" in body


async def test_what_is_at_risk_says_what_it_nears_and_claims_no_day(daily: DailyHistory) -> None:
    daily.objectives = [
        replace(
            SMALL, limits=Limits(packages=8), target=Target(Sizes(packages=2), date(2026, 12, 1))
        )
    ]
    for day in range(6):
        daily.day(*(f"lib{number}" for number in range(day)))
    await publish(daily, forge := Forge(), 5)
    body = forge.texts[0].body.replace("\N{NO-BREAK SPACE}", " ")
    assert "1 at risk" in body
    assert re.search(
        r"8 packages, 2 packages by 2026-12-01; over the limit about 2026-11-\d\d", body
    )


async def test_a_maintainer_whom_no_objective_names_is_reported(daily: DailyHistory) -> None:
    daily.objectives = []
    daily.day("lib")
    await publish(daily, forge := Forge(), 1)
    assert "No objective names `web-sig` any more." in forge.texts[0].body


async def test_nobody_gets_one_who_did_not_ask(daily: DailyHistory) -> None:
    daily.day("lib")
    await publish(daily, forge := Forge(), 1, IssueSettings())
    assert forge.texts == []


async def test_what_landed_in_the_week_is_in_it_with_what_it_saved(daily: DailyHistory) -> None:
    daily.day("lib")
    opportunities = Opportunities(daily.history.store)
    edits = [
        Change("weaken", "app", "app", f"n{n}", True, f"Recommends: n{n}", 5) for n in (1, 2, 3)
    ]
    image = OpportunityImage("web", "minimal", ("x86_64",), 5)
    place = OpportunityPlace("r", "web", "minimal")
    opportunities.record(place, "x", [(edit, image) for edit in edits])
    days = {"app:n1": "2026-11-01T00:00:00Z", "app:n2": "2025-01-01T00:00:00Z"}
    for opportunity in opportunities.all():
        if opportunity.edit in days:
            landed = replace(opportunity, changed=days[opportunity.edit], url="https://f/9")
            opportunities.land(landed, [replace(image, before=3_000_000, after=1_000_000)])
    await publish(daily, forge := Forge(), 1)
    body = forge.texts[0].body.replace("\N{NO-BREAK SPACE}", " ")
    row = next(line for line in body.split("\n") if "`app:n1`" in line)
    assert "**Edits that landed**" in body
    assert "[2026-11-01](<https://f/9>)" in row
    assert "2 MB" in row
    assert "app:n2" not in body  # long ago
    assert "| found |" in next(line for line in body.split("\n") if "`app:n3`" in line)


async def test_the_three_best_edits_are_proposed_in_it(daily: DailyHistory) -> None:
    daily.day("lib")
    opportunities = Opportunities(daily.history.store)
    edits = [Change("weaken", "app", "app", f"n{n}", True, f"Recommends: n{n}", n * 1_000_000)
             for n in range(1, 6)]  # fmt: skip
    images = [OpportunityImage("web", "minimal", ("x86_64",), edit.saves) for edit in edits]
    place = OpportunityPlace("r", "web", "minimal")
    opportunities.record(place, "x", list(zip(edits, images, strict=True)))
    other = Change("weaken", "far", "far", "n", True, "Recommends: n", 9_000_000)
    elsewhere = OpportunityImage("not-theirs", "minimal", ("x86_64",), other.saves)
    opportunities.record(OpportunityPlace("r", "not-theirs", "minimal"), "x", [(other, elsewhere)])
    await publish(daily, forge := Forge(), 1)
    body = forge.texts[0].body
    assert "**What would save most**" in body
    assert [f"`app:n{n}`" in body for n in range(1, 6)] == [False, False, True, True, True]
    assert "far:n" not in body
    states = {
        opportunity.edit: (opportunity.state, opportunity.url)
        for opportunity in opportunities.all()
    }
    assert states["app:n5"] == ("proposed", "https://f/1")
    assert states["app:n1"] == states["far:n"] == ("found", "")


async def test_what_evidence_speaks_against_is_not_proposed_and_for_comes_first(
    daily: DailyHistory,
) -> None:
    daily.day("lib")
    opportunities = Opportunities(daily.history.store)
    found = {
        "used": (9, Evidence(use=("/usr/bin/app",), looked_into="files")),
        "unknown-a": (7, Evidence()),
        "unknown-b": (6, Evidence(use=(), looked_into="headers")),
        "unknown-c": (5, Evidence()),
        "unused": (1, Evidence(use=(), integrity=True, looked_into="files")),
    }
    edits = [
        Change("weaken", "app", "app", name, True, f"Recommends: {name}", n * 1_000_000, evidence=e)
        for name, (n, e) in found.items()
    ]
    images = [OpportunityImage("web", "minimal", ("x86_64",), edit.saves) for edit in edits]
    place = OpportunityPlace("r", "web", "minimal")
    opportunities.record(place, "x", list(zip(edits, images, strict=True)))
    await publish(daily, forge := Forge(), 1)
    proposed = [name for name in found if f"`app:{name}`" in forge.texts[0].body]
    assert proposed == ["unknown-a", "unknown-b", "unused"]
