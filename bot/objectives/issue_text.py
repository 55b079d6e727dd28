"""The texts of issues: an objective that drift broke, and a maintainer's week.

The same history gives the same text: an issue is edited when something changed, never else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bot.forge.issues import IssueText
from bot.model.image import ImageKey
from bot.objectives.drift import Broken, DriftState, Lost
from bot.objectives.issue_lead import drift_lead, excess, lost_phrase, remedies, who_phrase
from bot.objectives.jsonform import cause_json
from bot.report.architecture_grouping import arch_order, place_of
from bot.report.blocks import Block, Bullets, Paragraph, Table
from bot.report.causes import blame_words, chain_words, change_words
from bot.report.objectives import limits_phrase, metric_text, metric_value
from bot.report.phrase import (
    Phrase,
    code,
    figure,
    link,
    message,
    name,
    plain,
    prose,
    strong,
    visible,
)
from bot.report.render import render_answer
from bot.report.sizes import format_delta, plural
from bot.report.template import image_phrase, quoted
from bot.store.history.values import Acceptance, MergedChange

_ROWS = 25
_CAUSES = 30
_ACCEPTED = 10
_TITLE = 120
# Issue titles and bodies that both forges take.
_LIMIT = 60_000
_ZERO_WIDTH = "\N{ZERO WIDTH SPACE}"
_WHY = {
    "drift": "",
    "date": ", when its target's date passed",
    "promise": ", when the objective changed",
    "first seen": ", when it was first looked at",
}
_WITHDRAWN = plain(
    "Its document is gone, promises something else, speaks of no image, or has its issue elsewhere:"
    " this one is not kept up to date any more."
)


def marker(subject: str) -> str:
    """The hidden marker of a subject's issue."""
    return f"<!-- minimize:issue {hashlib.sha256(subject.encode()).hexdigest()[:20]} -->"


def issue_title(words: str, named: str) -> str:
    """A title with a foreign name in it: on one line, without mentions."""
    safe = "".join(c + _ZERO_WIDTH if c in "@#!" else c for c in visible(named, _TITLE))
    return f"{words}: {safe}"


def drift_issue(
    found: DriftState, changes: Mapping[int, MergedChange], subject: str, page_url: str | None
) -> IssueText:
    """The issue about an objective that is broken."""
    heading = found.heading
    parts: list[tuple[Phrase, tuple[Block, ...]]] = []
    if found.broken:
        parts = [
            (strong("Where it stands"), tuple(_status_blocks(found.broken))),
            (strong("What moved it"), tuple(_cause_blocks(found.broken, changes))),
        ]
    if found.lost:
        parts.append((strong("What cannot be installed"), _lost_blocks(found.lost, changes)))
    parts.append((strong("What to do"), (Bullets(remedies(found, changes)),)))
    accepted = _accepted_blocks(found.accepted)
    if accepted:
        parts.append((strong("What was accepted knowingly"), accepted))
    description = heading.get("description")
    if description:
        parts.append((strong("What it is for"), (Paragraph(prose(description)),)))
    parts.append((_footer(page_url), ()))
    title = issue_title("Objective broken", heading["name"])
    lead = drift_lead(found, changes)
    return IssueText(title, render_answer(marker(subject), lead, parts, limit=_LIMIT), "open")


def _lost_blocks(lost: Sequence[Lost], changes: Mapping[int, MergedChange]) -> tuple[Block, ...]:
    items = Bullets(tuple(lost_phrase(one, changes) for one in lost[:_ROWS]))
    if len(lost) <= _ROWS:
        return (items,)
    return (items, Paragraph(plain(f"… and {plural(len(lost) - _ROWS, 'more image')}.")))


def unmeasured_issue(found: DriftState, subject: str, page_url: str | None) -> IssueText:
    """The issue about an objective of which some metric could not be measured."""
    lead = (
        *plain("The objective "),
        *quoted(found.heading["name"]),
        *plain(" was not met when it was last measured. Now it is met as far as can be told:"),
        *plain(f" {plural(found.unknown, 'measure')} could not be taken."),
    )
    body = render_answer(marker(subject), lead, [(_footer(page_url), ())], limit=_LIMIT)
    return IssueText(issue_title("Objective not measured", found.heading["name"]), body, "open")


def met_issue(
    heading: Mapping[str, str] | None, named: str, subject: str, page_url: str | None
) -> IssueText:
    """The issue about an objective that is met again, or no longer described (no heading)."""
    ending = " is met again." if heading is not None else " is no longer described here."
    lead = (*plain("The objective "), *quoted(named), *plain(ending))
    footer = _footer(page_url) if heading is not None else _WITHDRAWN
    body = render_answer(marker(subject), lead, [(footer, ())], limit=_LIMIT)
    word = "Objective met again" if heading is not None else "Objective withdrawn"
    return IssueText(issue_title(word, named), body, "closed")


def _footer(page_url: str | None) -> Phrase:
    notice = plain("This issue is kept up to date, and closed when the objective is met.")
    if page_url is None:
        return notice
    return (
        *notice,
        *plain(" "),
        *link("The objective's page", page_url),
        *plain(" has its history."),
    )


def _status_blocks(broken: Iterable[Broken]) -> list[Block]:
    groups: dict[tuple[object, ...], list[Broken]] = {}
    for one in broken:
        state = one.state
        key = (place_of(state.key), state.metric, state.limit, state.target, one.why)
        groups.setdefault(key, []).append(one)
    rows = []
    for group in sorted(groups.values(), key=lambda g: excess(g[0]), reverse=True):
        first = group[0]
        metric = first.state.metric
        rows.append(
            (
                image_phrase(place_of(first.state.key), emphasis=True),
                plain(_arches(one.state.key for one in group)),
                _metric(metric),
                figure(_span(metric, [one.before for one in group])),
                figure(_span(metric, [one.state.value for one in group])),
                _aim(first),
                plain(f"{_day(min(one.since for one in group))}{_WHY[first.why]}"),
            )
        )
    head = ("Image", "Architectures", "What", "Before", "Now", "Limit, target", "Since")
    blocks: list[Block] = [Table(head, tuple(rows[:_ROWS]), frozenset({3, 4, 5}))]
    if len(rows) > _ROWS:
        blocks.append(Paragraph(plain(f"… and {plural(len(rows) - _ROWS, 'more row')}.")))
    return blocks


def _aim(one: Broken) -> Phrase:
    state = one.state
    if state.limit is not None and (state.value or 0) > state.limit:
        return metric_value(state.metric, state.limit)
    return limits_phrase(state.metric, None, state.target, state.target_by)


def _metric(metric: str) -> Phrase:
    kind, _, package = metric.partition(":")
    if kind == "unwanted":
        return (*plain("unwanted "), *code(package))
    words = {"packages": "packages", "installed_size": "installed", "layer_size": "to pull (gzip)"}
    return plain(words.get(metric, metric))


def _span(metric: str, values: Sequence[int | None]) -> str:
    known = sorted({value for value in values if value is not None})
    if not known:
        return "not known"
    texts = list(dict.fromkeys((metric_text(metric, known[0]), metric_text(metric, known[-1]))))
    return " to ".join(texts)


def _arches(keys: Iterable[ImageKey]) -> str:
    return ", ".join(sorted({key.arch for key in keys}, key=arch_order))


def _day(at: str) -> str:
    return at[:10]


@dataclass(slots=True)
class _Row:
    """One cause on several images: its bytes on each."""

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
        return [Paragraph(plain("No package moved: a date or a document did it."))]
    largest = sorted(
        rows.values(), key=lambda r: (-max(map(abs, r.deltas)), r.package, r.evaluated)
    )
    table = Table(
        ("When", "Package", "What", "Change", "Who", "Through", "Architectures"),
        tuple(
            (
                plain(_day(row.evaluated)),
                code(row.package),
                plain(row.change),
                figure(_deltas(row.deltas)),
                row.who,
                code(row.way) if row.way else plain(""),
                plain(_arches(row.keys)),
            )
            for row in largest[:_CAUSES]
        ),
        frozenset({3}),
    )
    blocks: list[Block] = [table]
    if len(largest) > _CAUSES:
        more = plural(len(largest) - _CAUSES, "smaller move")
        blocks.append(Paragraph(plain(f"… and {more}.")))
    return blocks


def _deltas(deltas: Sequence[int]) -> str:
    texts = dict.fromkeys((format_delta(min(deltas)), format_delta(max(deltas))))
    return " to ".join(texts)


def _accepted_blocks(accepted: Sequence[Acceptance]) -> tuple[Block, ...]:
    """The accepted growth with who accepted it: once for all images of a change."""
    phrases: dict[tuple[str, ...], Phrase] = {}
    for one in accepted:
        who = (one.forge, one.repository, str(one.number), one.head_sha, one.metric)
        if who in phrases:
            continue
        if one.private:
            phrases[who] = plain("In a private pull request.")
            continue
        where = f"{one.repository}#{one.number}"
        phrases[who] = (
            *name(one.accepted_by),
            *plain(f" accepted {metric_text(one.metric, one.value)} on {_day(one.accepted)} in "),
            *(link(where, one.url) if one.url else message(where)),
            *plain(": "),
            *quoted(one.reason),
        )
    listed = list(phrases.values())
    return (Bullets(tuple(listed[:_ACCEPTED])),) if listed else ()
