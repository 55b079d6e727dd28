"""The parts of a report on a check, in the order of a maintainer's questions.

What happens; by what causes, and how to avoid each; whether avoiding one is enough; how this is
known; all figures (folded); and what to do next. It is a pure function of the result, for comments,
pages and terminals.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from bot.git.repository import WORKING_TREE
from bot.model.result import CheckResult
from bot.report import evidence, images, packages
from bot.report.blocks import Block, Detail, Document, Paragraph, Section, section
from bot.report.brought import Cause, causes_of, causes_table, sufficiency
from bot.report.configuration import configuration
from bot.report.grouping import Row, architecture_rows, changed_rows, groups_of, place_of_image
from bot.report.headline import headline
from bot.report.objectives import limits, newly_broken, worst_violation
from bot.report.phrase import Phrase, prose
from bot.report.suggestion import line_advice, other_lines
from bot.report.surface import attack_surface
from bot.report.template import say, sentences, short_image
from bot.report.together import together

# The number of a commit id's characters in a command that people type: enough for git.
_SHORT = 12


def document(result: CheckResult, detail: Detail, *, chat: bool = False) -> Document:
    """Return the whole report; with `chat` it has the lines that people may write to the bot."""
    rows = changed_rows(result)
    sections: list[Section | None] = [
        section("", _persons(result, chat=chat)),
        section("", _causes(rows, result, detail)),
        together(result, detail),
        line_advice(result, detail),
        images.repository(result, detail),
        evidence.not_evaluated(result, detail),
        evidence.failed_builds(result, detail),
        configuration(result.configuration, detail),
    ]
    if detail.folded:
        sections += [
            packages.packages(rows, result, detail),
            packages.graph(rows, detail),
            limits(result, detail),
            images.each_image(architecture_rows(result.images), detail),
            images.moved_files(rows, detail),
            evidence.builds(result, detail),
        ]
    return Document(
        headline=headline(result),
        sections=tuple(part for part in sections if part is not None),
        next_steps=tuple(next_steps(result, chat=chat)),
        footer=evidence.footer(result),
        tone=result.verdict,
    )


def _persons(result: CheckResult, *, chat: bool) -> list[Block]:
    return [Paragraph(phrase) for phrase in persons_words(result, chat=chat)]


def persons_words(result: CheckResult, *, chat: bool) -> Iterator[Phrase]:
    """Yield sentences: that a person must allow the build, or who accepted the limits and why."""
    if result.verdict == "action_required":
        yield say.not_built(line=f"/minimize allow {result.head}" if chat else "")
    accepted = result.accepted
    if accepted is not None:
        reason = prose(accepted.reason, 2000)
        yield say.accepted(user=accepted.user, time=accepted.time, reason=reason)


def _causes(rows: Sequence[Row], result: CheckResult, detail: Detail) -> list[Block]:
    """Return the causes with the savings without them, and the sentence on which are enough."""
    comparable = [row for row in rows if row.comparable]
    causes = causes_of(row.lead for row in comparable)
    groups = groups_of(result)
    blocks: list[Block] = [
        *images.broken(rows, detail),
        *causes_table(causes, result, detail),
        *images.leaving(comparable),
        *images.grouped(groups, detail),
    ]
    if enough := _enough(causes, result):
        blocks.append(Paragraph(enough))
    if others := other_lines(result.spec_edits):
        blocks.append(Paragraph(others))
    if architectures := evidence.architectures_line(rows, result):
        blocks.append(Paragraph(sentences(architectures, evidence.caveat(result))))
    return [*blocks, *attack_surface(rows, detail)]


def _enough(causes: Sequence[Cause], result: CheckResult) -> Phrase:
    """Return the sentence on which causes to remove for the image in the headline."""
    if not newly_broken(result):
        return ()
    image, _ = worst_violation(result)
    own = [cause for cause in causes if any(caused.key == image.key for caused in cause.images)]
    enough = sufficiency(image, own)
    places = {place_of_image(checked) for checked in result.images}
    if len(places) == 1 or not enough:
        return enough
    name = short_image(place_of_image(image), places, emphasis=True)
    return say.for_image(image=name, sentence=enough)


def _advised(result: CheckResult, grown: Sequence[str]) -> str:
    """Return the workload to ask advice for: its image is furthest over a limit, or grows."""
    broken = [worst_violation(result)[0].key.workload] if newly_broken(result) else []
    return next((name for name in (*broken, *grown) if not name.startswith("@")), "")


def next_steps(result: CheckResult, *, chat: bool) -> Iterator[Phrase]:
    """Yield the next steps: the exact lines to write to the bot, the exact command to run."""
    if chat and result.only_limits and result.accepted is None:
        yield say.may_accept(line=f"/minimize accept {result.head} REASON")
    if chat and result.interrupted:
        yield say.may_try_again(line="/minimize check")
    rows = [row for group in groups_of(result) if group.kind == "moved" for row in group.rows]
    grown = [row for row in rows if row.lead.known_delta > 0]
    workload = _advised(result, [row.place[0] for row in grown])
    if chat and workload:
        yield say.may_advise(line=f"/minimize advise {workload}")
    if (result.specs or result.requests) and (result.judged == "failure" or grown):
        line = local_command(result)
        if line:
            yield say.may_check(line=line)


def local_command(result: CheckResult) -> str:
    """Return the shell's line that gives this result in a clone; empty if there is none."""
    way = result.reproduction
    if way is None:
        return ""
    commits = ["--base", result.base[:_SHORT]]
    if result.head != WORKING_TREE:
        commits += ["--head", result.head[:_SHORT]]
    no_build = result.specs and not result.builds and result.stage == "final"
    check = ["minimize", "check", *commits, *way.arguments, *(["--no-build"] if no_build else [])]
    lines = [["git", "fetch", *way.fetch]] if way.fetch else []
    return " && ".join(shlex.join(words) for words in [*lines, check])
