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
from bot.objectives.drift import BrokenMetric, DriftState, lost_images, merged_in
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
from bot.store.store import utc_text

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


def issue_title(words: str, name: str) -> str:
    """Return a title with a foreign name in it, on one line, without mentions."""
    safe = "".join(c + _ZERO_WIDTH if c in "@#!" else c for c in visible(name, _TITLE))
    return f"{words}: {safe}"


def drift_issue(
    drift: DriftState, changes: Mapping[int, MergedChange], subject: str, page_url: str | None
) -> IssueText:
    """Return the issue about a broken objective."""
    heading = drift.heading
    parts: list[tuple[Phrase, tuple[Block, ...]]] = []
    if drift.broken:
        parts = [
            (say.status(), tuple(_status_blocks(drift.broken))),
            (say.what_moved(), tuple(_cause_blocks(drift.broken, changes))),
        ]
    if drift.lost:
        lost = [lost_phrase(image, changes) for image in drift.lost]
        parts.append((say.what_is_lost(), tuple(bullets(lost, _ROWS, "image"))))
    parts.append((say.what_to_do(), (Bullets(remedies(drift, changes)),)))
    accepted = _accepted_blocks(drift.accepted)
    if accepted:
        parts.append((say.what_was_accepted(), accepted))
    description = heading.description
    if description:
        parts.append((say.what_it_is_for(), (Paragraph(prose(description)),)))
    lead = drift_lead(drift, changes)
    return _issue("Objective broken", heading.name, subject, lead, _footer(page_url), parts)


def unmeasured_issue(drift: DriftState, subject: str, page_url: str | None) -> IssueText:
    """Return the issue about an objective with a metric that could not be measured."""
    name = drift.heading.name
    lead = say.not_measured(objective=name, count=drift.unknown)
    return _issue("Objective not measured", name, subject, lead, _footer(page_url))


def met_issue(heading: Heading | None, name: str, subject: str, page_url: str | None) -> IssueText:
    """Return the issue about an objective that is met again, or not described any more."""
    if heading is None:
        lead, footer, title = say.withdrawn, say.withdrawn_note(), "Objective withdrawn"
    else:
        lead, footer, title = say.met_again, _footer(page_url), "Objective met again"
    text = _issue(title, name, subject, lead(objective=name), footer)
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


def _status_blocks(broken: Iterable[BrokenMetric]) -> list[Block]:
    groups: dict[tuple[object, ...], list[BrokenMetric]] = {}
    for member in broken:
        state = member.state
        key = (place_of(state.key), state.metric, state.limit, state.target, member.why)
        groups.setdefault(key, []).append(member)
    rows = []
    for group in sorted(groups.values(), key=lambda g: distance(g[0]), reverse=True):
        first = group[0]
        metric = first.state.metric
        rows.append(
            (
                image_phrase(place_of(first.state.key), emphasis=True),
                plain(arch_names(m.state.key for m in group)),
                _metric(metric),
                figure(_span(metric, [m.before for m in group])),
                figure(_span(metric, [m.state.value for m in group])),
                _aim(first),
                say[f"since_{first.why.replace(' ', '_')}"](since=min(m.since for m in group)),
            )
        )
    head = ("Image", "Architectures", "What", "Before", "Now", "Limit, target", "Since")
    return table(head, rows, {3, 4, 5}, _ROWS, "row")


def _aim(metric: BrokenMetric) -> Phrase:
    state = metric.state
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
    amounts = sorted({value for value in values if value is not None}, key=number)
    if not amounts:
        return "not known"
    texts = list(dict.fromkeys((metric_text(metric, amounts[0]), metric_text(metric, amounts[-1]))))
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


def _cause_blocks(
    broken: Iterable[BrokenMetric], changes: Mapping[int, MergedChange]
) -> list[Block]:
    rows: dict[tuple[str, ...], _Row] = {}
    seen: set[tuple[int, ImageKey]] = set()
    for metric in broken:
        for step in metric.steps:
            if (step.run, step.key) in seen:
                continue
            seen.add((step.run, step.key))
            for cause in step.causes:
                cause_fields = cause_json(cause, changes)["cause"]
                words, way = blame_words(cause_fields), chain_words(cause_fields["chain"])
                key = (step.evaluated, cause.package, change_words(cause_fields), words, way)
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
    for acceptance in accepted:
        about = (
            acceptance.forge,
            acceptance.repository,
            str(acceptance.number),
            acceptance.head_sha,
            acceptance.metric,
        )
        if about in phrases:
            continue
        if acceptance.private:
            phrases[about] = say.accepted_privately()
            continue
        pull = f"{acceptance.repository}#{acceptance.number}"
        phrases[about] = say.accepted(
            user=acceptance.accepted_by,
            value=metric_text(acceptance.metric, acceptance.value),
            accepted=acceptance.accepted,
            where=link(pull, acceptance.url) if acceptance.url else message(pull),
            reason=acceptance.reason,
        )
    phrase_list = list(phrases.values())
    return (Bullets(tuple(phrase_list[:_ACCEPTED])),) if phrase_list else ()


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
    statuses = [s for s in objective_statuses(history, now) if s.state.objective in headings]
    workloads = {h.workload for h in headings.values()}
    week = week_of(now)
    counts = [f"{sum(s.outlook == o for s in statuses)} {o}" for o in _OUTLOOKS]
    lead = say.week_without(week=week, maintainer=maintainer)
    if headings:
        summary = ", ".join(counts)
        lead = say.week(week=week, objectives=len(headings), count=len(statuses), statuses=summary)
    parts: list[tuple[Phrase, tuple[Block, ...]]] = [
        (title, tuple(blocks))
        for title, blocks in (
            (say.broken_title(), _week_rows([s for s in statuses if s.outlook == "broken"])),
            (say.at_risk_title(), _week_rows([s for s in statuses if s.outlook == "at risk"])),
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


def _week_rows(statuses: Sequence[ObjectiveStatus]) -> list[Block]:
    rows = [
        (
            quoted(status.name),
            _image(status.state.key),
            code(status.state.metric),
            metric_value(status.state.metric, status.state.value),
            _limits(status),
            figure(_trend(status)),
        )
        for status in statuses
    ]
    head = ("Objective", "Image", "What", "Now", "Limit, target", "In a week")
    return table(head, rows, {3, 4, 5}, _MOST, "measure")


def _image(key: ImageKey) -> Phrase:
    return say.image_arch(image=image_phrase(place_of(key)), arch=key.arch)


def _limits(status: ObjectiveStatus) -> Phrase:
    state = status.state
    targets = limits_phrase(state.metric, state.limit, state.target, state.target_by)
    # A trend is too uncertain for an exact day.
    nears = status.outlook == "at risk" and status.crosses is not None
    return say.aim(limits=targets, day=str(status.crosses) if nears else "")


def _trend(status: ObjectiveStatus) -> str:
    if status.trend_per_week is None:
        return "not known"
    change = round(status.trend_per_week)
    return format_count_delta(change) if status.state.metric == "packages" else format_delta(change)


def _movers(history: History, workloads: set[str], now: datetime) -> list[Block]:
    until = utc_text(now)
    movers = [m for m in history.movers(7, until=until, limit=1000) if m.key.workload in workloads]
    since = utc_text(now - timedelta(days=7))
    rows = [
        (
            _image(m.key),
            figure(format_delta(m.known_delta)),
            plain(format_count_delta(m.packages_delta)),
            _largest(history, m.key, since, until),
        )
        for m in movers[:_MOST]
    ]
    blocks = table(("Image", "Size", "Packages", "Most of it"), rows, {1, 2}, _MOST, "image")
    others = len(movers) - len(rows)
    return [*blocks, Paragraph(say.more_images(images=others))] if others else blocks


def _largest(history: History, key: ImageKey, since: str, until: str) -> Phrase:
    """`perl came, by pull request rpms/web#7`: the cause that moved most of an image's week."""
    causes = [cause for step in history.steps(key, since, until) for cause in step.causes]
    if not causes:
        return ()
    cause = max(causes, key=lambda c: abs(c.known_delta))
    changes = merged_in(history, [cause])
    words = change_words(cause_json(cause, changes)["cause"])
    who = () if cause.kind == "unknown" else who_phrase(cause, changes)
    return say.largest(package=cause.package, change=words, who=who)


def _unsolvable(history: History, workloads: set[str]) -> list[Block]:
    lost = [image for image in lost_images(history) if image.key.workload in workloads]
    changes = merged_in(history, (image.cause for image in lost if image.cause is not None))
    return bullets([lost_phrase(image, changes) for image in lost], _MOST, "image")
