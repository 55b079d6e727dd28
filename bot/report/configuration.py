"""The section on a change to `.minimize.yaml` in the same pull request; its texts are foreign."""

from __future__ import annotations

from collections.abc import Iterable

from bot.model.image import ImageKey
from bot.model.result import ConfigurationChange, FieldChange, FileProblem
from bot.report.blocks import Block, Detail, Paragraph, Section, bullets, table, truncated
from bot.report.grouping import arch_names, image_on, place_of
from bot.report.phrase import Phrase, code, joined, message, plain
from bot.report.template import Place, say, sentences

_TITLE = "Once the change to the configuration is merged"
# Characters of a field's text in a table; the page and the JSON have more.
_LONGEST = 120
_VERBS = {"added": "adds", "changed": "changes", "removed": "removes"}


def configuration(change: ConfigurationChange | None, detail: Detail) -> Section | None:
    """Return the section on `change`, or None if the change does not touch the file."""
    if change is None:
        return None
    verb = _VERBS[change.action]
    if change.problems:
        lead = say.configuration_wrong(verb=verb, path=change.path)
        items = [_problem(change.path, problem) for problem in change.problems]
        problems = bullets(items, detail.lines, "problem")
        return Section(_TITLE, (Paragraph(lead), *problems))
    rows = [_field(field) for field in change.fields]
    remarks = [*_scope(change, detail), *_judgement(change), *map(message, change.notes)]
    blocks: list[Block] = [
        Paragraph(say.configuration_counts(verb=verb, path=change.path)),
        *table(("Field", "Now", "Then"), rows, (), detail.lines, "field"),
        *bullets(remarks, detail.lines, "line"),
    ]
    return Section(_TITLE, tuple(blocks))


def configuration_sentence(change: ConfigurationChange | None) -> Phrase:
    """Return a sentence on `change` for a status; empty if the file does not change."""
    if change is None:
        return ()
    if change.problems:
        return say.after_merge_nothing(problem=_problem(change.path, change.problems[0]))
    effects = say.configuration_effects(
        path=change.path,
        done="changes" if change.action == "changed" else f"is {change.action}",
        fields=len(change.fields),
        more=len(change.more),
        fewer=len(change.fewer),
    )
    return sentences(effects, *_judgement(change)) if change.verdict else effects


def _problem(path: str, problem: FileProblem) -> Phrase:
    line = "" if problem.line is None else str(problem.line)
    return say.configuration_problem(
        path=path, line=line, field=problem.field or "", problem=problem.message
    )


def _field(field: FieldChange) -> tuple[Phrase, ...]:
    sides = (field.before, field.after)
    return (
        code(field.field),
        *(plain("not set") if s is None else code(s[:_LONGEST]) for s in sides),
    )


def _scope(change: ConfigurationChange, detail: Detail) -> Iterable[Phrase]:
    for keys, scope in ((change.more, say.scope_more), (change.fewer, say.scope_fewer)):
        if keys:
            places: dict[Place, list[ImageKey]] = {}
            for key in keys:
                places.setdefault(place_of(key), []).append(key)
            images = [image_on(place, arch_names(on)) for place, on in sorted(places.items())]
            yield scope(
                count=len(keys), images=joined(truncated(images, detail.lines, "place"), "; ")
            )


def _judgement(change: ConfigurationChange) -> Iterable[Phrase]:
    if change.verdict is None:
        return
    broken = sorted({(o.name, o.metric) for i in change.images for o in i.objectives if o.worse})
    yield say.would_be(verdict=change.verdict)
    for name, metric in broken[:5]:
        yield say.would_break(objective=name, metric=metric)
