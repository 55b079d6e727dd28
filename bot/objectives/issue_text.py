"""The texts of issues: an objective that drift broke, and a maintainer's week.

The same history gives the same text: an issue is only edited when something changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bot.forge.events import IssueText
from bot.model.amount import Amount, excess, number
from bot.model.image import ImageKey
from bot.model.surface import KINDS
from bot.objectives.drift import Broken, DriftState, lost_images, merged_in
from bot.objectives.issue_lead import (
    best_edits,
    distance,
    drift_lead,
    landed_edits,
    lost_phrase,
    remedies,
    say,
    who_phrase,
)
from bot.objectives.jsonform import cause_json
from bot.objectives.status import ObjectiveStatus, objective_statuses
from bot.report.blocks import Block, Bullets, Paragraph, bullets, table
from bot.report.causes import blame_words, chain_words, change_words
from bot.report.grouping import arch_names, place_of
from bot.report.objectives import limits_phrase, metric_phrase, metric_text, metric_value
from bot.report.phrase import Phrase, code, figure, link, message, plain, prose, visible
from bot.report.render import render_answer
from bot.report.sizes import format_count_delta, format_delta
from bot.report.template import image_phrase, quoted
from bot.store.history.history import History
from bot.store.history.values import Acceptance, Heading, MergedChange

_ROWS = 25
_CAUSES = 30
_ACCEPTED = 10
_TITLE = 120
# The length of issue bodies that all forges accept.
_LIMIT = 60_000
_ZERO_WIDTH = "\N{ZERO WIDTH SPACE}"


def marker(subject: str) -> str:
    """Return the hidden marker of a subject's issue."""
    return f"<!-- minimize:issue {hashlib.sha256(subject.encode()).hexdigest()[:20]} -->"


def issue_title(words: str, named: str) -> str:
    """Return a title with a foreign name in it, on one line, without mentions."""
    safe = "".join(c + _ZERO_WIDTH if c in "@#!" else c for c in visible(named, _TITLE))
    return f"{words}: {safe}"


def drift_issue(
    found: DriftState, changes: Mapping[int, MergedChange], subject: str, page_url: str | None
) -> IssueText:
    """Return the issue about a broken objective."""
    heading = found.heading
    parts: list[tuple[Phrase, tuple[Block, ...]]] = []
    if found.broken:
        parts = [
            (say.status(), tuple(_status_blocks(found.broken))),
            (say.what_moved(), tuple(_cause_blocks(found.broken, changes))),
        ]
    if found.lost:
        lost = [lost_phrase(one, changes) for one in found.lost]
        parts.append((say.what_is_lost(), tuple(bullets(lost, _ROWS, "image"))))
    parts.append((say.what_to_do(), (Bullets(remedies(found, changes)),)))
    accepted = _accepted_blocks(found.accepted)
    if accepted:
        parts.append((say.what_was_accepted(), accepted))
    description = heading.description
    if description:
        parts.append((say.what_it_is_for(), (Paragraph(prose(description)),)))
    lead = drift_lead(found, changes)
    return _issue("Objective broken", heading.name, subject, lead, _footer(page_url), parts)


def unmeasured_issue(found: DriftState, subject: str, page_url: str | None) -> IssueText:
    """Return the issue about an objective with a metric that could not be measured."""
    name = found.heading.name
    lead = say.not_measured(objective=name, count=found.unknown)
    return _issue("Objective not measured", name, subject, lead, _footer(page_url))


def met_issue(heading: Heading | None, named: str, subject: str, page_url: str | None) -> IssueText:
    """Return the issue about an objective that is met again, or not described any more."""
    if heading is None:
        lead, footer, title = say.withdrawn, say.withdrawn_note(), "Objective withdrawn"
    else:
        lead, footer, title = say.met_again, _footer(page_url), "Objective met again"
    text = _issue(title, named, subject, lead(objective=named), footer)
    return replace(text, state="closed")


def _issue(
    words: str,
    objective: str,
    subject: str,
    lead: Phrase,
    footer: Phrase,
    parts: Sequence[tuple[Phrase, tuple[Block, ...]]] = (),
) -> IssueText:
    body = render_answer(marker(subject), lead, [*parts, (footer, ())], limit=_LIMIT)
    return IssueText(issue_title(words, objective), body, "open")


def _footer(page_url: str | None) -> Phrase:
    return say.up_to_date() if page_url is None else say.with_history(url=page_url)


def _status_blocks(broken: Iterable[Broken]) -> list[Block]:
    groups: dict[tuple[object, ...], list[Broken]] = {}
    for one in broken:
        state = one.state
        key = (place_of(state.key), state.metric, state.limit, state.target, one.why)
        groups.setdefault(key, []).append(one)
    rows = []
    for group in sorted(groups.values(), key=lambda g: distance(g[0]), reverse=True):
        first = group[0]
        metric = first.state.metric
        rows.append(
            (
                image_phrase(place_of(first.state.key), emphasis=True),
                plain(arch_names(one.state.key for one in group)),
                _metric(metric),
                figure(_span(metric, [one.before for one in group])),
                figure(_span(metric, [one.state.value for one in group])),
                _aim(first),
                say[f"since_{first.why.replace(' ', '_')}"](since=min(one.since for one in group)),
            )
        )
    head = ("Image", "Architectures", "What", "Before", "Now", "Limit, target", "Since")
    return table(head, rows, {3, 4, 5}, _ROWS, "row")


def _aim(one: Broken) -> Phrase:
    state = one.state
    if state.limit is not None and excess(state.value, state.limit):
        return metric_value(state.metric, state.limit)
    return limits_phrase(state.metric, None, state.target, state.target_by)


def _metric(metric: str) -> Phrase:
    if metric.startswith("unwanted:"):
        return metric_phrase(metric)
    if metric in KINDS:
        return metric_phrase(metric)
    words = {"packages": "packages", "installed_size": "installed", "layer_size": "to pull (gzip)"}
    return plain(words.get(metric, metric))


def _span(metric: str, values: Sequence[Amount | None]) -> str:
    known = sorted({value for value in values if value is not None}, key=number)
    if not known:
        return "not known"
    texts = list(dict.fromkeys((metric_text(metric, known[0]), metric_text(metric, known[-1]))))
    return " to ".join(texts)


@dataclass(slots=True)
class _Row:
    """One cause in several images, with its bytes in each."""

    evaluated: str
    package: str
    change: str
    who: Phrase
    way: str
    deltas: list[int] = field(default_factory=list)
    keys: set[ImageKey] = field(default_factory=set)


def _cause_blocks(broken: Iterable[Broken], changes: Mapping[int, MergedChange]) -> list[Block]:
    rows: dict[tuple[str, ...], _Row] = {}
    seen: set[tuple[int, ImageKey]] = set()
    for one in broken:
        for step in one.steps:
            if (step.run, step.key) in seen:
                continue
            seen.add((step.run, step.key))
            for cause in step.causes:
                about = cause_json(cause, changes)["cause"]
                words, way = blame_words(about), chain_words(about["chain"])
                key = (step.evaluated, cause.package, change_words(about), words, way)
                who = who_phrase(cause, changes)
                row = rows.setdefault(key, _Row(step.evaluated, cause.package, key[2], who, way))
                row.deltas.append(cause.known_delta)
                row.keys.add(step.key)
    if not rows:
        return [Paragraph(say.nothing_moved())]
    largest = sorted(
        rows.values(), key=lambda r: (-max(map(abs, r.deltas)), r.package, r.evaluated)
    )
    lines = [
        (
            plain(row.evaluated[:10]),
            code(row.package),
            plain(row.change),
            figure(_deltas(row.deltas)),
            row.who,
            code(row.way) if row.way else (),
            plain(arch_names(row.keys)),
        )
        for row in largest
    ]
    head = ("When", "Package", "What", "Change", "Who", "Through", "Architectures")
    blocks = table(head, lines[:_CAUSES], {3}, _CAUSES, "move")
    others = len(lines) - _CAUSES
    return [*blocks, Paragraph(say.smaller_moves(moves=others))] if others > 0 else blocks


def _deltas(deltas: Sequence[int]) -> str:
    texts = dict.fromkeys((format_delta(min(deltas)), format_delta(max(deltas))))
    return " to ".join(texts)


def _accepted_blocks(accepted: Sequence[Acceptance]) -> tuple[Block, ...]:
    """Return the accepted growth with who accepted it, once for all images of a change."""
    phrases: dict[tuple[str, ...], Phrase] = {}
    for one in accepted:
        who = (one.forge, one.repository, str(one.number), one.head_sha, one.metric)
        if who in phrases:
            continue
        if one.private:
            phrases[who] = say.accepted_privately()
            continue
        where = f"{one.repository}#{one.number}"
        phrases[who] = say.accepted(
            user=one.accepted_by,
            value=metric_text(one.metric, one.value),
            accepted=one.accepted,
            where=link(where, one.url) if one.url else message(where),
            reason=one.reason,
        )
    listed = list(phrases.values())
    return (Bullets(tuple(listed[:_ACCEPTED])),) if listed else ()


_MOST = 15
_OUTLOOKS = ("broken", "at risk", "unknown", "met")


def week_of(moment: datetime) -> str:
    """Return the ISO week of a time, such as `2026-W48`."""
    year, week, _ = moment.isocalendar()
    return f"{year}-W{week:02}"


def week_mark(week: str) -> str:
    """Return the hidden mark of a summary's week."""
    return f"<!-- minimize:week {week} -->"


def weekly_issue(
    history: History, maintainer: str, subject: str, now: datetime, page_url: str | None
) -> IssueText:
    """Return the summary of a maintainer's objectives; people open or close the issue."""
    headings = {h.id: h for h in history.objective_headings() if h.maintainer == maintainer}
    found = [s for s in objective_statuses(history, now) if s.state.objective in headings]
    workloads = {h.workload for h in headings.values()}
    week = week_of(now)
    counts = [f"{sum(s.outlook == o for s in found)} {o}" for o in _OUTLOOKS]
    lead = say.week_without(week=week, maintainer=maintainer)
    if headings:
        statuses = ", ".join(counts)
        lead = say.week(week=week, objectives=len(headings), count=len(found), statuses=statuses)
    parts: list[tuple[Phrase, tuple[Block, ...]]] = [
        (title, tuple(blocks))
        for title, blocks in (
            (say.broken_title(), _week_rows([s for s in found if s.outlook == "broken"])),
            (say.at_risk_title(), _week_rows([s for s in found if s.outlook == "at risk"])),
            (say.movers_title(), _movers(history, workloads, now)),
            (say.lost_title(), _unsolvable(history, workloads)),
            (say.landed_title(), landed_edits(history, maintainer, now)),
            (say.best_title(), best_edits(history, maintainer)),
        )
        if blocks
    ]
    if page_url is not None:
        parts.append((say.all_objectives(url=page_url), ()))
    parts.append((say.weekly(), ()))
    body = render_answer(f"{marker(subject)}\n{week_mark(week)}", lead, parts, limit=_LIMIT)
    return IssueText(issue_title("Minimal images, this week", maintainer), body, None)


def _week_rows(found: Sequence[ObjectiveStatus]) -> list[Block]:
    rows = [
        (
            quoted(one.name),
            _image(one.state.key),
            code(one.state.metric),
            metric_value(one.state.metric, one.state.value),
            _limits(one),
            figure(_trend(one)),
        )
        for one in found
    ]
    head = ("Objective", "Image", "What", "Now", "Limit, target", "In a week")
    return table(head, rows, {3, 4, 5}, _MOST, "measure")


def _image(key: ImageKey) -> Phrase:
    return say.image_arch(image=image_phrase(place_of(key)), arch=key.arch)


def _limits(one: ObjectiveStatus) -> Phrase:
    state = one.state
    targets = limits_phrase(state.metric, state.limit, state.target, state.target_by)
    # A trend is too uncertain for an exact day.
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
