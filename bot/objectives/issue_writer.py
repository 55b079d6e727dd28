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
class Issued:
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
    turned = any(one.since >= started for one in lost_images(history))

    def unplaced(heading: Heading) -> bool:
        return (turned or heading.id in new) and _place(heading, settings) is None

    return tuple(
        _sentence(one)
        for one in drift_states(history, unplaced)
        if any(b.drifted and (b.state.since or "") >= started for b in one.broken)
        or any(lost.drifted and lost.since >= started for lost in one.lost)
    )


def _sentence(found: DriftState) -> str:
    broken = len({one.state.key for one in found.broken})
    reasons = [f"is broken by drift in {plural(broken, 'image')}"] if broken else []
    if found.lost:
        reasons.append(f"has {plural(len(found.lost), 'image')} that can no longer be installed")
    return (
        f"The objective {found.heading.name!r} ({found.id}) {' and '.join(reasons)},"
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
) -> Issued:
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
        known = history.issue(wish.subject, wish.place)
        if (
            known is not None
            and known.issue
            and (known.body, known.state)
            == (
                wish.text.body,
                wish.meant,
            )
        ):
            continue
        if known is None:
            # Recorded before the write: after a crash the next run searches for the issue.
            opened = now()
            known = DriftIssue(
                wish.subject, wish.place, "", "", "open", opened, opened, "", wish.private
            )
            history.recorder.record_issue(known)
        forge = forges.get(wish.place.forge)
        where = f"{wish.place.forge}:{wish.place.repository}"
        if forge is None:
            failed.append(f"{where}: the settings have no forge {wish.place.forge}.")
            continue
        try:
            recorded = await _write(forge, wish, known)
        except MinimizeError as error:
            failed.append(f"{where}: {error}")
            continue
        history.recorder.record_issue(recorded)
        if recorded.issue and wish.subject.startswith(_WEEK):
            best = best_opportunities(history, wish.subject.removeprefix(_WEEK))
            Opportunities(history.store).propose([one.id for one in best], recorded.url)
        if recorded.issue:
            written.append(f"{recorded.url or where}: {wish.text.title}")
    return Issued(tuple(written), unplaced_drift(history, settings, run), tuple(failed))


async def _write(forge: Forge, wish: _Wish, known: DriftIssue) -> DriftIssue:
    text = wish.text
    if text.state == "open" and known.state == "open" and known.issue:
        # It is open by our record: if it is closed, a person closed it, and it stays so.
        text = replace(text, state=None)
    issue = await forge.issues.put(wish.place.repository, marker(wish.subject), text)
    return replace(
        known,
        issue=issue.id if issue is not None else known.issue,
        url=issue.url if issue is not None else known.url,
        state=wish.meant,
        changed=now(),
        body=wish.text.body,
        private=wish.private,
    )


def _place(heading: Heading, settings: IssueSettings) -> Place | None:
    """Return the place of the issue about an objective; None where the settings name none."""
    own = heading.place
    if own:
        forge, _, repository = own.partition(":")
        return Place(forge, repository) if settings.own else None
    named = settings.place_for(heading.id)
    return None if named is None else Place(*named)


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

    for found in drift_states(history, concerned):
        subject = found.subject
        place = _place(found.heading, settings)
        private = found.heading.private
        url = _page(public_url, found.id) if not private else None
        if place is not None:
            known = known_issues.get((subject, place))
            held = known if known is not None and known.state == "open" else None
            if (found.broken or found.lost) and (held or found.drifted):
                text = drift_issue(found, _changes(history, found), subject, url)
                wishes.append(_Wish(subject, place, text, "open", private))
            elif held and found.unknown:
                text = unmeasured_issue(found, subject, url)
                wishes.append(_Wish(subject, place, text, "open", private))
            elif held and not found.images:
                wishes += _withdrawn([held], found.heading.name)
            elif held:
                text = met_issue(found.heading, found.heading.name, subject, url)
                wishes.append(_Wish(subject, place, text, "closed", private))
        # Issues at an earlier place of the settings are no longer updated.
        wishes += _withdrawn(
            [i for (s, p), i in known_issues.items() if s == subject and p != place],
            found.heading.name,
        )
    gone = {
        subject_of(heading): heading.name
        for heading in history.objective_headings(gone=True, private=True)
    }
    for (subject, _), issue in known_issues.items():
        if subject not in described:
            named = gone.get(subject, subject.removeprefix(SUBJECT))
            wishes += _withdrawn([issue], named)
    return wishes


def _withdrawn(issues: Sequence[DriftIssue], named: str) -> list[_Wish]:
    return [
        _Wish(
            issue.subject,
            issue.place,
            met_issue(None, named, issue.subject, None),
            "closed",
            issue.private,
        )
        for issue in issues
        if issue.state == "open"
    ]


def _changes(history: History, found: DriftState) -> dict[int, MergedChange]:
    steps = [step for one in found.broken for step in one.steps]
    steps += [one.step for one in found.lost if one.step is not None]
    return merged_in(history, (cause for step in steps for cause in step.causes))


def _weekly_wishes(
    history: History, settings: IssueSettings, public_url: str | None, moment: datetime
) -> list[_Wish]:
    wishes = []
    for maintainer, named in settings.weekly.items():
        forge, _, repository = named.partition(":")
        subject, place = f"{_WEEK}{maintainer}", Place(forge, repository)
        known = history.issue(subject, place)
        if known is not None and week_mark(week_of(moment)) in known.body:
            continue
        url = f"{public_url}/objectives" if public_url else None
        text = weekly_issue(history, maintainer, subject, moment, url)
        wishes.append(_Wish(subject, place, text, "open", False))
    return wishes


def _page(public_url: str | None, objective: str) -> str | None:
    return f"{public_url}/objectives/{quote(objective, safe='')}" if public_url else None
