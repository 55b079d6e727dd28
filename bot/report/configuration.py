"""The section on a change to `.minimize.yaml` in the same pull request; all of its text is
foreign."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bot.model.image import ImageKey
from bot.model.result import (
    ConfigurationChange,
    FieldChange,
    FileProblem,
)
from bot.report.architecture_grouping import arch_order
from bot.report.blocks import Block, Bullets, Detail, Paragraph, Section, Table, truncated
from bot.report.phrase import Phrase, code, joined, message, plain
from bot.report.sizes import plural
from bot.report.template import image_phrase

Json = dict[str, Any]
_TITLE = "Once the change to the configuration is merged"
# A field's text in a table; the page and the JSON have more of it.
_LONGEST = 120


def configuration(change: ConfigurationChange | None, detail: Detail) -> Section | None:
    """The section on `change`, or null where the change leaves the file alone."""
    if change is None:
        return None
    lead = (*plain("This change "), *plain(_VERBS[change.action]), *code(change.path))
    if change.problems:
        wrong = plain(", and what it says is not right: no check could be made with it.")
        items = [_problem(change.path, problem) for problem in change.problems]
        bullets = Bullets(truncated(items, detail.lines, "problem"))
        return Section(_TITLE, (Paragraph((*lead, *wrong)), bullets))
    by = plain(". It counts from the merge on; this check goes by the base branch's.")
    blocks: list[Block] = [Paragraph((*lead, *by))]
    if change.fields:
        rows = tuple(_field(field) for field in change.fields[: detail.lines])
        blocks.append(Table(("Field", "Now", "Then"), rows))
        more = len(change.fields) - detail.lines
        if more > 0:
            blocks.append(Paragraph(plain(f"\u2026 and {plural(more, 'more field')}")))
    remarks = [*_scope(change, detail), *_judgement(change)]
    remarks += [message(note) for note in change.notes]
    if remarks:
        blocks.append(Bullets(truncated(remarks, detail.lines, "line")))
    return Section(_TITLE, tuple(blocks))


def configuration_sentence(change: ConfigurationChange | None) -> Phrase:
    """A sentence on `change` for a status; empty where the file stays as it is."""
    if change is None:
        return ()
    path = code(change.path)
    if change.problems:
        first = _problem(change.path, change.problems[0])
        return (*plain("After the merge nothing could be checked: "), *first, *plain("."))
    count = len(change.fields)
    parts = [f"{count} field{'s change' if count != 1 else ' changes'}"]
    if change.more:
        parts.append(f"{plural(len(change.more), 'image')} more would be looked at")
    if change.fewer:
        parts.append(f"{plural(len(change.fewer), 'image')} would be looked at no more")
    sentence = (*path, *plain(f" {_DONE[change.action]}: {', '.join(parts)}, from the merge on."))
    if not change.verdict:
        return sentence
    return (*sentence, *plain(" "), *joined(list(_judgement(change)), " "))


_VERBS = {"added": "adds ", "changed": "changes ", "removed": "removes "}
_DONE = {"added": "is added", "changed": "changes", "removed": "is removed"}


def _problem(path: str, problem: FileProblem) -> Phrase:
    field = (*plain(", "), *code(problem.field)) if problem.field else ()
    return (*code(path), *plain(f" line {problem.line}"), *field, *plain(": "),
            *message(problem.message))  # fmt: skip


def _field(field: FieldChange) -> tuple[Phrase, ...]:
    sides = (field.before, field.after)
    return (
        code(field.field),
        *(plain("not set") if s is None else code(s[:_LONGEST]) for s in sides),
    )


def _scope(change: ConfigurationChange, detail: Detail) -> Iterable[Phrase]:
    for keys, verb in (
        (change.more, "would be looked at"),
        (change.fewer, "would not be any more"),
    ):
        if keys:
            places = truncated([_place(p, a) for p, a in _folded(keys)], detail.lines, "place")
            yield (
                *plain(f"{plural(len(keys), 'image')} {verb}: "),
                *joined(places, "; "),
                *plain("."),
            )


def _folded(keys: Iterable[ImageKey]) -> list[tuple[tuple[str, str, str], list[str]]]:
    found: dict[tuple[str, str, str], list[str]] = {}
    for key in keys:
        found.setdefault((key.workload, key.environment, key.repository), []).append(key.arch)
    return sorted(found.items())


def _place(place: tuple[str, str, str], arches: list[str]) -> Phrase:
    return (*image_phrase(place), *plain(f" ({', '.join(sorted(arches, key=arch_order))})"))


def _judgement(change: ConfigurationChange) -> Iterable[Phrase]:
    if change.verdict is None:
        return
    broken = sorted({(o.name, o.metric) for i in change.images for o in i.objectives if o.worse})
    yield plain(f"With it, this change would be a {change.verdict}.")
    for name, metric in broken[:5]:
        yield (*plain("It would break the objective "), *code(name), *plain(" ("), *code(metric),
               *plain(")."))  # fmt: skip
