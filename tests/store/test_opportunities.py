"""Opportunities in the store: found, proposed, declined, landed, and found again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.model.advice import Change, Evidence
from bot.model.opportunity import Opportunity, OpportunityImage, edit_name
from bot.model.result import CheckResult
from bot.model.result_json import check_to_store
from bot.store.opportunities import DeclinedEdit, Opportunities, Place
from bot.store.records import CheckRecord
from bot.store.store import Store, open_store

SYSTEMD = Change(
    "order", "nginx", "nginx", "systemd", True, "%{?systemd_ordering}", 2_000, evidence=Evidence(())
)
PERL = Change("weaken", "git", "git", "perl", None, "Recommends: perl", 500)
WEB, TOOLS = Place("c9", "web", "minimal"), Place("c9", "tools", "minimal")
BOTH = ("aarch64", "x86_64")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def opportunities(store: Store) -> Opportunities:
    opportunities = Opportunities(store)
    opportunities.record(WEB, "one", [(SYSTEMD, image(WEB, 1_500))])
    opportunities.record(TOOLS, "one", [(SYSTEMD, image(TOOLS, 500)), (PERL, image(TOOLS, 500))])
    return opportunities


def image(place: Place, saves: int) -> OpportunityImage:
    return OpportunityImage(place.workload, place.environment, BOTH, saves)


def check_of(store: Store, repository: str, source: str) -> None:
    """A check of a repository whose result is about a source."""
    record = CheckRecord("c1", "gh", repository, 1, "a" * 40, created="2026-01-01T00:00:00Z")
    store.add_check(record)
    result = CheckResult(
        base="b", head="a", merge_base="b", specs=(), verdict="success", sources={source: None}
    )
    store.update_open_check("c1", result=check_to_store(result))


def decline(opportunities: Opportunities, edit: str, repository: str = "rpms/nginx") -> None:
    opportunities.decline(
        DeclinedEdit("gh", repository, edit, "needs its users", "ann", "triage",
                     "2026-02-02T00:00:00Z", "7", "https://f/7")
    )  # fmt: skip


def states(opportunities: Opportunities) -> dict[str, str]:
    return {opportunity.edit: opportunity.state for opportunity in opportunities.all()}


def test_an_edit_of_several_images_is_one_with_the_sum_of_its_savings(
    opportunities: Opportunities,
) -> None:
    systemd, perl = opportunities.all()
    assert (systemd.edit, systemd.saves, systemd.state) == ("nginx:systemd", 2_000, "found")
    assert [image.workload for image in systemd.images] == ["web", "tools"]
    assert systemd.change == SYSTEMD
    assert (perl.edit, perl.saves) == ("git:perl", 500)
    assert opportunities.inputs() == {WEB: "one", TOOLS: "one"}


def test_another_advice_takes_the_place_of_the_last(opportunities: Opportunities) -> None:
    opportunities.record(TOOLS, "two", [])
    found = {opportunity.edit: opportunity.saves for opportunity in opportunities.all()}
    assert found == {"nginx:systemd": 1_500, "git:perl": 0}
    assert opportunities.inputs()[TOOLS] == "two"


def test_what_is_found_again_keeps_its_state_and_its_day(opportunities: Opportunities) -> None:
    (before, _) = opportunities.all()
    opportunities.propose([before.id], "https://f/1")
    opportunities.propose([before.id], "https://f/2")
    opportunities.record(WEB, "two", [(SYSTEMD, image(WEB, 1_000))])
    (after, _) = opportunities.all()
    assert (after.state, after.url, after.found) == ("proposed", "https://f/1", before.found)
    assert after.saves == 1_500


def test_what_landed_has_its_saving_and_is_open_again_when_it_is_undone(
    opportunities: Opportunities,
) -> None:
    (one, _) = opportunities.all()
    sizes = [replace(i, before=9_000 + i.saves, after=9_000) for i in one.images]
    opportunities.land(replace(one, url="https://f/3"), [replace(sizes[0], after=None), sizes[1]])
    assert opportunities.all()[0].saved is None  # one of its images was not measured
    sizes[1] = replace(sizes[1], before=9_400)
    opportunities.land(replace(one, url="https://f/3"), sizes)
    (landed, _) = opportunities.all()
    assert (landed.state, landed.saved, landed.url) == ("landed", 1_900, "https://f/3")
    opportunities.record(WEB, "two", [(SYSTEMD, image(WEB, 1_000))])
    (again, _) = opportunities.all()
    assert (again.state, again.saved) == ("found", None)


def test_who_makes_the_source_declines_its_edits(
    store: Store, opportunities: Opportunities
) -> None:
    check_of(store, "rpms/nginx", "nginx")
    decline(opportunities, "nginx:systemd")
    (one, _) = opportunities.all()
    assert (one.state, one.reason, one.user) == ("declined", "needs its users", "ann")
    assert (one.url, one.changed) == ("https://f/7", "2026-02-02T00:00:00Z")
    # Found again, it stays so: nobody hears of it any more.
    opportunities.record(WEB, "two", [(SYSTEMD, image(WEB, 1_000))])
    opportunities.propose([one.id], "https://f/9")
    assert states(opportunities)["nginx:systemd"] == "declined"


def test_another_repository_has_no_say_about_it(store: Store, opportunities: Opportunities) -> None:
    check_of(store, "rpms/other", "other")
    decline(opportunities, "nginx:systemd", "rpms/other")
    assert states(opportunities)["nginx:systemd"] == "found"
    assert opportunities.declined_edits("gh", "rpms/other") == ("nginx:systemd",)
    assert opportunities.declined_edits("gh", "rpms/nginx") == ()


def test_an_edit_is_declined_before_it_is_found(store: Store) -> None:
    opportunities = Opportunities(store)
    check_of(store, "rpms/nginx", "nginx")
    decline(opportunities, "nginx:systemd")
    opportunities.record(WEB, "one", [(SYSTEMD, image(WEB, 1_000))])
    opportunities.settle_declined()
    assert states(opportunities) == {"nginx:systemd": "declined"}


def test_the_name_of_an_edit_is_one_word() -> None:
    assert edit_name("a", "(b if c)") == "a:(bifc)"
    other = Opportunity("c10", SYSTEMD, "found", "", "")
    assert other.id != Opportunity("c9", SYSTEMD, "found", "", "").id
