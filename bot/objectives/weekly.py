"""A maintainer's weekly summary: their objectives' statuses, steps and risks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from bot.forge.issues import IssueText
from bot.model.image import ImageKey
from bot.objectives.drift import lost_images, merged_in
from bot.objectives.issue_lead import lost_phrase, say, who_phrase
from bot.objectives.issue_text import issue_title, marker
from bot.objectives.jsonform import cause_json
from bot.objectives.status import ObjectiveStatus, objective_statuses
from bot.report.architecture_grouping import place_of
from bot.report.blocks import Block, Paragraph, bullets, table
from bot.report.causes import change_words
from bot.report.objectives import limits_phrase, metric_value
from bot.report.phrase import Phrase, code, figure, plain
from bot.report.render import render_answer
from bot.report.sizes import format_count_delta, format_delta
from bot.report.template import image_phrase, quoted
from bot.store.history.history import History

_MOST = 15
_LIMIT = 60_000
_OUTLOOKS = ("broken", "at risk", "unknown", "met")


def week_of(moment: datetime) -> str:
    """The ISO week of a time, such as `2026-W48`."""
    year, week, _ = moment.isocalendar()
    return f"{year}-W{week:02}"


def week_mark(week: str) -> str:
    """The hidden mark of the week that a summary is about."""
    return f"<!-- minimize:week {week} -->"


def weekly_issue(
    history: History, maintainer: str, subject: str, now: datetime, page_url: str | None
) -> IssueText:
    """The summary of a maintainer's objectives; people open or close the issue."""
    headings = {h["id"]: h for h in history.objective_headings() if h["maintainer"] == maintainer}
    found = [s for s in objective_statuses(history, now) if s.state.objective in headings]
    workloads = {str(h["workload"]) for h in headings.values()}
    week = week_of(now)
    counts = [f"{sum(s.outlook == o for s in found)} {o}" for o in _OUTLOOKS]
    lead = say.week_without(week=week, maintainer=maintainer)
    if headings:
        statuses = ", ".join(counts)
        lead = say.week(week=week, objectives=len(headings), count=len(found), statuses=statuses)
    parts: list[tuple[Phrase, tuple[Block, ...]]] = [
        (title, tuple(blocks))
        for title, blocks in (
            (say.broken_title(), _status_blocks([s for s in found if s.outlook == "broken"])),
            (say.at_risk_title(), _status_blocks([s for s in found if s.outlook == "at risk"])),
            (say.movers_title(), _movers(history, workloads, now)),
            (say.lost_title(), _unsolvable(history, workloads)),
        )
        if blocks
    ]
    if page_url is not None:
        parts.append((say.all_objectives(url=page_url), ()))
    parts.append((say.weekly(), ()))
    body = render_answer(f"{marker(subject)}\n{week_mark(week)}", lead, parts, limit=_LIMIT)
    return IssueText(issue_title("Minimal images, this week", maintainer), body, None)


def _status_blocks(found: Sequence[ObjectiveStatus]) -> list[Block]:
    rows = [
        (
            quoted(one.name),
            _image(one.state.key),
            code(one.state.metric),
            metric_value(one.state.metric, one.state.value),
            _aim(one),
            figure(_trend(one)),
        )
        for one in found
    ]
    head = ("Objective", "Image", "What", "Now", "Limit, target", "In a week")
    return table(head, rows, {3, 4, 5}, _MOST, "measure")


def _image(key: ImageKey) -> Phrase:
    return say.image_arch(image=image_phrase(place_of(key)), arch=key.arch)


def _aim(one: ObjectiveStatus) -> Phrase:
    state = one.state
    targets = limits_phrase(state.metric, state.limit, state.target, state.target_by)
    # What a trend says of a day is no more than that.
    nears = one.outlook == "at risk" and one.crosses is not None
    return say.aim(limits=targets, day=str(one.crosses) if nears else "")


def _trend(one: ObjectiveStatus) -> str:
    if one.trend_per_week is None:
        return "not known"
    change = round(one.trend_per_week)
    return format_count_delta(change) if one.state.metric == "packages" else format_delta(change)


def _movers(history: History, workloads: set[str], now: datetime) -> list[Block]:
    until = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    found = [m for m in history.movers(7, until=until, limit=1000) if m.key.workload in workloads]
    since = (now - timedelta(days=7)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    rows = [
        (
            _image(m.key),
            figure(format_delta(m.known_delta)),
            plain(format_count_delta(m.packages_delta)),
            _largest(history, m.key, since, until),
        )
        for m in found[:_MOST]
    ]
    blocks = table(("Image", "Size", "Packages", "Most of it"), rows, {1, 2}, _MOST, "image")
    others = len(found) - len(rows)
    return [*blocks, Paragraph(say.more_images(images=others))] if others else blocks


def _largest(history: History, key: ImageKey, since: str, until: str) -> Phrase:
    """`perl came, by pull request rpms/web#7`: the cause that moved most of an image's week."""
    causes = [cause for step in history.steps(key, since, until) for cause in step.causes]
    if not causes:
        return ()
    cause = max(causes, key=lambda one: abs(one.known_delta))
    changes = merged_in(history, [cause])
    words = change_words(cause_json(cause, changes)["cause"])
    who = () if cause.kind == "unknown" else who_phrase(cause, changes)
    return say.largest(package=cause.package, change=words, who=who)


def _unsolvable(history: History, workloads: set[str]) -> list[Block]:
    bad = [one for one in lost_images(history) if one.key.workload in workloads]
    changes = merged_in(history, (one.cause for one in bad if one.cause is not None))
    return bullets([lost_phrase(one, changes) for one in bad], _MOST, "image")
