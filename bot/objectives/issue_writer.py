"""Writing issues to the forges, each once.

An issue is recorded before it is written, and the forge is always searched for it first. So an
interrupted run leads to no second issue, and an issue on an unreachable forge is tried again by the
next run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import quote

from bot.errors import MinimizeError
from bot.forge.events import IssueText
from bot.forge.protocol import Forge
from bot.objectives.drift import (
    SUBJECT,
    DriftState,
    drift_states,
    lost_images,
    merged_in,
    subject_of,
)
from bot.objectives.issue_lead import best_opportunities
from bot.objectives.issue_text import (
    drift_issue,
    marker,
    met_issue,
    unmeasured_issue,
    week_mark,
    week_of,
    weekly_issue,
)
from bot.report.sizes import plural
from bot.settings.values import IssueSettings
from bot.store.history.history import History
from bot.store.history.values import DriftIssue, Heading, MergedChange, Place
from bot.store.opportunities import Opportunities
from bot.store.store import now

_WEEK = "week "


@dataclass(frozen=True, slots=True)
class IssueReport:
    """The outcome in sentences: `written` on forges, `unplaced` without a place, `failed`."""

    written: tuple[str, ...] = ()
    unplaced: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Wish:
    """The wanted text of one issue; `meant` is its state by our data, not people's."""

    subject: str
    place: Place
    text: IssueText
    meant: Literal["open", "closed"]
    private: bool


def unplaced_drift(history: History, settings: IssueSettings, run: int) -> tuple[str, ...]:
    """Return a sentence for each objective without a place that drift broke in this run."""
    # An interrupted run reported nothing of what it stored: its changes count too.
    started = history.run_started(history.first_reported_run(run)) or ""
    new = {
        s.objective
        for s in history.objective_states()
        if s.met is False and (s.since or "") >= started
    }
    has_new_loss = any(image.since >= started for image in lost_images(history))

    def unplaced(heading: Heading) -> bool:
        return (has_new_loss or heading.id in new) and _place(heading, settings) is None

    return tuple(
        _sentence(drift)
        for drift in drift_states(history, unplaced)
        if any(b.drifted and (b.state.since or "") >= started for b in drift.broken)
        or any(lost.drifted and lost.since >= started for lost in drift.lost)
    )


def _sentence(drift: DriftState) -> str:
    broken = len({metric.state.key for metric in drift.broken})
    reasons = [f"is broken by drift in {plural(broken, 'image')}"] if broken else []
    if drift.lost:
        reasons.append(f"has {plural(len(drift.lost), 'image')} that can no longer be installed")
    return (
        f"The objective {drift.heading.name!r} ({drift.id}) {' and '.join(reasons)},"
        " and the settings name no place for an issue about it."
    )


async def publish_issues(
    history: History,
    forges: Mapping[str, Forge],
    settings: IssueSettings,
    run: int,
    *,
    public_url: str | None = None,
    moment: datetime | None = None,
    is_silent: Callable[[str, str], bool] = lambda _forge, _repository: False,
) -> IssueReport:
    """Write the issues that changed since they were last written; without any, no forge is called.

    If a forge fails, only its own issues fail. Issues of repositories (forge, name) for which
    `is_silent` is true stay as they are until it is false.
    """
    written: list[str] = []
    failed: list[str] = []
    wishes = [
        *_drift_wishes(history, settings, public_url),
        *_weekly_wishes(history, settings, public_url, moment or datetime.now(UTC)),
    ]
    for wish in wishes:
        if is_silent(wish.place.forge, wish.place.repository):
            continue
        issue = history.issue(wish.subject, wish.place)
        if (
            issue is not None
            and issue.issue
            and (issue.body, issue.state)
            == (
                wish.text.body,
                wish.meant,
            )
        ):
            continue
        if issue is None:
            # Recorded before the write: after a crash the next run searches for the issue.
            opened = now()
            issue = DriftIssue(
                wish.subject, wish.place, "", "", "open", opened, opened, "", wish.private
            )
            history.recorder.record_issue(issue)
        forge = forges.get(wish.place.forge)
        where = f"{wish.place.forge}:{wish.place.repository}"
        if forge is None:
            failed.append(f"{where}: the settings have no forge {wish.place.forge}.")
            continue
        try:
            recorded = await _write(forge, wish, issue)
        except MinimizeError as error:
            failed.append(f"{where}: {error}")
            continue
        history.recorder.record_issue(recorded)
        if recorded.issue and wish.subject.startswith(_WEEK):
            best = best_opportunities(history, wish.subject.removeprefix(_WEEK))
            Opportunities(history.store).propose([edit.id for edit in best], recorded.url)
        if recorded.issue:
            written.append(f"{recorded.url or where}: {wish.text.title}")
    return IssueReport(tuple(written), unplaced_drift(history, settings, run), tuple(failed))


async def _write(forge: Forge, wish: _Wish, issue: DriftIssue) -> DriftIssue:
    text = wish.text
    if text.state == "open" and issue.state == "open" and issue.issue:
        # It is open by our record: if it is closed, a person closed it, and it stays so.
        text = replace(text, state=None)
    forge_issue = await forge.issues.put(wish.place.repository, marker(wish.subject), text)
    return replace(
        issue,
        issue=forge_issue.id if forge_issue is not None else issue.issue,
        url=forge_issue.url if forge_issue is not None else issue.url,
        state=wish.meant,
        changed=now(),
        body=wish.text.body,
        private=wish.private,
    )


def _place(heading: Heading, settings: IssueSettings) -> Place | None:
    """Return the place of the issue about an objective; None where the settings name none."""
    repository_place = heading.place
    if repository_place:
        forge, _, repository = repository_place.partition(":")
        return Place(forge, repository) if settings.own else None
    place = settings.place_for(heading.id)
    return None if place is None else Place(*place)


def _drift_wishes(history: History, settings: IssueSettings, public_url: str | None) -> list[_Wish]:
    known_issues = {
        (issue.subject, issue.place): issue
        for state in ("open", "closed")
        for issue in history.issues(state=state)
        if issue.subject.startswith(SUBJECT)
    }
    wishes: list[_Wish] = []
    described: set[str] = set()
    subjects = {subject for subject, _ in known_issues}

    def concerned(heading: Heading) -> bool:
        subject = subject_of(heading)
        described.add(subject)
        return subject in subjects or _place(heading, settings) is not None

    for drift in drift_states(history, concerned):
        subject = drift.subject
        place = _place(drift.heading, settings)
        private = drift.heading.private
        url = _page(public_url, drift.id) if not private else None
        if place is not None:
            current = known_issues.get((subject, place))
            open_issue = current if current is not None and current.state == "open" else None
            if (drift.broken or drift.lost) and (open_issue or drift.drifted):
                text = drift_issue(drift, _changes(history, drift), subject, url)
                wishes.append(_Wish(subject, place, text, "open", private))
            elif open_issue and drift.unknown:
                text = unmeasured_issue(drift, subject, url)
                wishes.append(_Wish(subject, place, text, "open", private))
            elif open_issue and not drift.images:
                wishes += _withdrawn([open_issue], drift.heading.name)
            elif open_issue:
                text = met_issue(drift.heading, drift.heading.name, subject, url)
                wishes.append(_Wish(subject, place, text, "closed", private))
        # Issues at an earlier place of the settings are no longer updated.
        wishes += _withdrawn(
            [i for (s, p), i in known_issues.items() if s == subject and p != place],
            drift.heading.name,
        )
    gone = {
        subject_of(heading): heading.name
        for heading in history.objective_headings(gone=True, private=True)
    }
    for (subject, _), issue in known_issues.items():
        if subject not in described:
            name = gone.get(subject, subject.removeprefix(SUBJECT))
            wishes += _withdrawn([issue], name)
    return wishes


def _withdrawn(issues: Sequence[DriftIssue], name: str) -> list[_Wish]:
    return [
        _Wish(
            issue.subject,
            issue.place,
            met_issue(None, name, issue.subject, None),
            "closed",
            issue.private,
        )
        for issue in issues
        if issue.state == "open"
    ]


def _changes(history: History, drift: DriftState) -> dict[int, MergedChange]:
    steps = [step for metric in drift.broken for step in metric.steps]
    steps += [image.step for image in drift.lost if image.step is not None]
    return merged_in(history, (cause for step in steps for cause in step.causes))


def _weekly_wishes(
    history: History, settings: IssueSettings, public_url: str | None, moment: datetime
) -> list[_Wish]:
    wishes = []
    for maintainer, place_name in settings.weekly.items():
        forge, _, repository = place_name.partition(":")
        subject, place = f"{_WEEK}{maintainer}", Place(forge, repository)
        issue = history.issue(subject, place)
        if issue is not None and week_mark(week_of(moment)) in issue.body:
            continue
        url = f"{public_url}/objectives" if public_url else None
        text = weekly_issue(history, maintainer, subject, moment, url)
        wishes.append(_Wish(subject, place, text, "open", False))
    return wishes


def _page(public_url: str | None, objective: str) -> str | None:
    return f"{public_url}/objectives/{quote(objective, safe='')}" if public_url else None
