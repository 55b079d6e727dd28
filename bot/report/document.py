"""A check's report as a whole: its document, its status, and whether it is worth a comment."""

from __future__ import annotations

from bot.model.result import CheckResult
from bot.report import evidence, images, packages
from bot.report.blocks import Detail, Document, Section
from bot.report.configuration import configuration, configuration_sentence
from bot.report.escape import to_markdown
from bot.report.headline import changed_rows, headline, title
from bot.report.objectives import verdict_sentences
from bot.report.phrase import message

EVERYTHING = Detail(60, True, 10_000, 10_000, 10_000, 10_000, 10_000)
# The details that are left out, step by step, until a comment fits.
STEPS = (
    Detail(),
    Detail(graph_nodes=0),
    Detail(graph_nodes=0, changed=0, arrivals=100),
    Detail(graph_nodes=0, changed=0, rows=25, arrivals=25, lines=10),
    Detail(graph_nodes=0, folded=False, changed=0, lines=5, shown=12),
    Detail(graph_nodes=0, folded=False, changed=0, lines=2, shown=4),
)


def document(result: CheckResult, detail: Detail) -> Document:
    """The whole report, in the order of a maintainer's questions.

    Sizes by image; the added packages and why; the ways to remove them; problems; then, folded,
    the rest; at the end the evidence.
    """
    rows = changed_rows(result)
    found: list[Section | None] = [
        images.broken(rows, detail),
        images.images(rows, detail),
        packages.came_in(rows, result, detail),
        packages.way_out(rows, result, detail),
        images.objectives(result, detail),
        packages.chains(rows, detail),
        evidence.not_evaluated(result, detail),
        configuration(result.configuration, detail),
    ]
    if detail.folded:
        found += [
            images.images(rows, detail, rest=True),
            packages.came_in(rows, result, detail, rest=True),
            packages.left(rows, detail),
            packages.changed_packages(rows, detail),
            images.each_architecture(rows, detail),
            images.moved_files(rows, detail),
            evidence.unchanged(result, detail),
            evidence.builds(result, detail),
        ]
    found.append(evidence.evidence(result, detail))
    return Document(
        headline=headline(result),
        lead=verdict_sentences(result),
        sections=tuple(section for section in found if section is not None),
        footer=evidence.footer(result),
        tone=result.verdict,
    )


def comment_needed(result: CheckResult) -> bool:
    """Return whether a pull request gets a comment: an image changes, or the change is at fault.

    An accepted fault gets one too, as a record. Neutral results without a changed image have the
    status alone.
    """
    at_fault = result.verdict == "failure" or result.accepted is not None
    return at_fault or any(image.changed for image in result.images)


def status_line(result: CheckResult) -> tuple[str, str]:
    """Title (at most 140 characters, plain text) and summary (Markdown) of a status.

    The summary is the beginning of the comment: the effect, the objectives that it violates, and
    who accepted that.

    A change to `.minimize.yaml` stands here, on the check's page and in a comment that there is for
    other reasons. By itself it causes no comment (CONTRACT has none while no image changes) and no
    failure (the head's file is not in force).
    """
    paragraphs = [headline(result), *verdict_sentences(result)]
    proposed = configuration_sentence(result.configuration)
    paragraphs += [proposed] if proposed else []
    return title(result), "\n\n".join(to_markdown(phrase) for phrase in paragraphs)


def sentence_markdown(text: str) -> str:
    """A sentence with foreign parts (paths, names, a host's answer) as harmless Markdown."""
    return str(to_markdown(message(text)))
