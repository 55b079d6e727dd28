"""Which objectives drift broke, and the issues about them on both forges."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from bot.demo.forge import LocalForge
from bot.distro.documents import Sizes, Target
from bot.forge import Forge, GitHub
from bot.forge.github_app import AppAuth
from bot.forge.gitlab import GitLab
from bot.objectives.drift import drift_standings
from bot.objectives.issuing import publish_issues, unplaced_drift
from bot.settings import ForgeSettings, IssueSettings
from bot.store.history import Acceptance, MergedChange
from tests.objectives.told import KEY, SMALL, START, Told

PLACED = IssueSettings(objectives={"web-*": "it:rpms/web"})
NOWHERE = IssueSettings()


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    made = Told(tmp_path / "data")
    yield made
    made.close()


def broken(told: Told) -> Any:
    (standing,) = drift_standings(told.history)
    return standing


def test_what_a_run_newly_breaks_is_drift_and_its_steps_are_known(told: Told) -> None:
    told.day("lib")
    run = told.day("lib", "perl", app="2")
    found = broken(told)
    (one,) = found.broken
    assert (one.before, one.state.value, one.why, one.worse) == (2, 3, "drift", False)
    assert found.drifted
    (step,) = one.steps
    assert step.run == run
    assert [c.package for c in step.causes if c.change == "came"] == ["perl"]
    (told_so,) = unplaced_drift(told.history, NOWHERE, run)
    assert "is broken by drift in 1 image, and" in told_so
    # It is said once: by the run that did it.
    assert unplaced_drift(told.history, NOWHERE, told.day("lib", "perl", app="2")) == ()


def test_what_was_never_met_is_no_drift_until_it_gets_worse(told: Told) -> None:
    told.day("a", "b", "c")
    assert (broken(told).broken[0].why, broken(told).drifted) == ("first seen", False)
    told.day("a", "b", "c", "d")
    assert (broken(told).broken[0].worse, broken(told).drifted) == (True, True)


def test_a_lowered_limit_is_a_promise_and_no_drift(told: Told) -> None:
    told.day("lib")
    told.objectives = [replace(SMALL, limits=Sizes(packages=1))]
    told.day("lib")
    assert (broken(told).broken[0].why, broken(told).drifted) == ("promise", False)


def test_a_target_whose_date_passes_is_told(told: Told) -> None:
    target = Target(Sizes(packages=1), date(2026, 11, 2))
    told.objectives = [replace(SMALL, limits=Sizes(), target=target)]
    told.day("lib")
    assert not broken(told).broken
    told.day("lib")
    assert (broken(told).broken[0].why, broken(told).drifted) == ("date", True)


def test_what_cannot_be_measured_for_a_day_breaks_nothing_anew(told: Told) -> None:
    told.day("a", "b", "c")
    told.day(solvable=False)
    assert broken(told).unknown == 1
    told.day("a", "b", "c")
    assert not broken(told).drifted


@pytest.fixture(params=["github", "gitlab"])
async def placed(request: pytest.FixtureRequest, tmp_path: Path):
    """The local forge with rpms/web, and our own connection to it."""
    async with LocalForge(tmp_path / "forge") as local:
        repository = local.add_repository("rpms/web")
        local.commit(repository, "main", {"web.spec": "Name: web\n"}, "Start")
        fields: dict[str, Any] = {"token": {"env": "X"}, "webhook_secrets": [{"env": "X"}]}
        forge: Forge
        if request.param == "github":
            app = local.add_app("minimize", permissions={"issues": "write", "metadata": "read"})
            local.install(app, "rpms")
            settings = ForgeSettings.model_validate(
                {**fields, "type": "github", "api_url": local.api_url}
            )
            named = (str(app.id), app.private_key)
            forge = GitHub("it", settings, auth=AppAuth(), secrets=("s",), app=named)
        else:
            local.set_role(repository, "minimize", "triage")
            settings = ForgeSettings.model_validate(
                {**fields, "type": "gitlab", "api_url": local.url}
            )
            forge = GitLab("it", settings, token=local.token("minimize"), secrets=("s",))
        yield local, forge
        await forge.close()


async def publish(told: Told, forge: Forge, run: int, settings: IssueSettings = PLACED) -> Any:
    return await publish_issues(
        told.history, {"it": forge}, settings, run, public_url="https://min.example", moment=START
    )


async def test_one_issue_is_opened_edited_closed_and_opened_again(told: Told, placed: Any) -> None:
    local, forge = placed
    told.day("lib")
    assert await publish(told, forge, 1) == await publish(told, forge, 1)
    assert (local.issues, local.requests) == ([], [])
    run = told.day("lib", "perl", app="2")
    issued = await publish(told, forge, run)
    assert (len(issued.written), issued.failed, issued.unplaced) == (1, (), ())
    (issue,) = local.issues
    assert issue.title == "Objective broken: web stays small"
    for words in ("3 packages", "2 packages", "`perl`", "came", "the distribution", "app → perl"):
        assert words in issue.body
    assert "https://min.example/objectives/web-small" in issue.body
    asked = len(local.requests)
    assert (await publish(told, forge, told.day("lib", "perl", app="2"))).written == ()
    assert len(local.requests) == asked
    await publish(told, forge, told.day("lib", "perl", "more", app="2"))
    assert "4 packages" in issue.body
    await publish(told, forge, told.day("lib", app="3"))
    assert (issue.state, "is met again" in issue.body) == ("closed", True)
    await publish(told, forge, told.day("lib", "perl", app="3"))
    assert (issue.state, "3 packages" in issue.body) == ("open", True)
    assert len(local.issues) == 1


async def test_what_somebody_closed_stays_closed_until_it_is_broken_anew(
    told: Told, placed: Any
) -> None:
    local, forge = placed
    told.day("lib")
    await publish(told, forge, told.day("lib", "perl"))
    (issue,) = local.issues
    issue.change(issue.title, issue.body, "closed")
    await publish(told, forge, told.day("lib", "perl", "more"))
    assert (issue.state, "4 packages" in issue.body) == ("closed", True)
    await publish(told, forge, told.day("lib"))
    await publish(told, forge, told.day("lib", "perl"))
    assert issue.state == "open"


async def test_killed_between_writing_and_keeping_leads_to_no_second_issue(
    told: Told, placed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    local, forge = placed
    told.day("lib")
    run = told.day("lib", "perl")
    keep = told.history.recorder.record_issue

    def killed(issue: Any) -> None:
        if issue.issue:
            raise KeyboardInterrupt
        keep(issue)

    monkeypatch.setattr(told.history.recorder, "record_issue", killed)
    with pytest.raises(KeyboardInterrupt):
        await publish(told, forge, run)
    assert len(local.issues) == 1
    monkeypatch.setattr(told.history.recorder, "record_issue", keep)
    # The next run meets it again: what was never kept is found and closed all the same.
    await publish(told, forge, told.day("lib"))
    (issue,) = local.issues
    assert issue.state == "closed"


async def test_a_forge_that_is_away_is_tried_again_by_the_next_run(told: Told, placed: Any) -> None:
    local, forge = placed
    told.day("lib")
    local.fail_next("issues", 403, times=1, message="no")
    issued = await publish(told, forge, told.day("lib", "perl"))
    assert len(issued.failed) == 1
    assert (await publish(told, forge, told.day("lib", "perl"))).failed == ()
    assert len(local.issues) == 1


async def test_the_merged_change_that_was_accepted_knowingly_is_named(
    told: Told, placed: Any
) -> None:
    local, forge = placed
    told.day("lib")
    url = f"{local.url}/rpms/web/pull/7"
    told.history.recorder.record_merged(
        MergedChange("it", "rpms/web", 7, "t", "ann", url, "a" * 40, "2026-11-02T00:00:00Z", None,
                     {"app": "2-1"})
    )  # fmt: skip
    told.history.recorder.record_acceptance(
        Acceptance("2026-11-02T00:00:00Z", "it", "rpms/web", 7, "a" * 40, "maria", "perl @all",
                   url, SMALL.id, KEY, "packages", 2, 3, 2)
    )  # fmt: skip
    await publish(told, forge, told.day("lib", "perl", app="2"))
    (issue,) = local.issues
    assert f"[pull request rpms/web#\u200b7](<{url}>)" in issue.body
    assert "maria accepted 3 packages on 2026-11-02" in issue.body
    assert "`@all`" in issue.body


async def test_an_objective_that_is_withdrawn_or_placed_elsewhere_closes_its_issue(
    told: Told, placed: Any
) -> None:
    local, forge = placed
    told.day("lib")
    await publish(told, forge, told.day("lib", "perl"))
    (issue,) = local.issues
    await publish(told, forge, told.day("lib", "perl"), NOWHERE)
    assert (issue.state, "no longer described" in issue.body) == ("closed", True)
    await publish(told, forge, told.day("lib", "perl"))
    assert issue.state == "closed" or "3 packages" in issue.body
    told.objectives = []
    await publish(told, forge, told.day("lib", "perl"))
    assert (issue.state, "no longer described" in issue.body) == ("closed", True)


async def test_a_renamed_document_keeps_its_issue(told: Told, placed: Any) -> None:
    local, forge = placed
    told.day("lib")
    await publish(told, forge, told.day("lib", "perl"))
    told.objectives = [replace(SMALL, id="web-tiny", name="web stays tiny")]
    await publish(told, forge, told.day("lib", "perl"))
    (issue,) = local.issues
    assert (issue.state, issue.title) == ("open", "Objective broken: web stays tiny")
    assert "/objectives/web-tiny" in issue.body
    await publish(told, forge, told.day("lib"))
    assert (issue.state, "is met again" in issue.body) == ("closed", True)


async def test_hostile_names_are_text_and_the_length_is_bounded(told: Told, placed: Any) -> None:
    local, forge = placed
    hostile = "<img src=x> @everyone #1 !2 [x](http://evil) /close `a` --> | ~x"
    told.objectives = [replace(SMALL, name=hostile, description=hostile * 40)]
    told.day("lib")
    brought = [f"@evil|`{number}</a>" for number in range(400)]
    await publish(told, forge, told.day("lib", *brought, app="2"))
    (issue,) = local.issues
    assert len(issue.body) < 65_000
    assert "smaller moves" in issue.body
    html = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(issue.body)
    for active in ("<img", 'http://evil"', "</a>|"):
        assert active not in html
    assert "@everyone" not in issue.title
    words = re.sub(r"<code>.*?</code>", "", html)
    assert "@evil" not in words and "@everyone" not in words and '<a href="http://evil' not in words
