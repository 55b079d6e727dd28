"""A check's report, composed in the order of a maintainer's questions."""

from __future__ import annotations

from bot.model.result import CheckResult
from bot.report import evidence, images, packages
from bot.report.blocks import Detail, Document, Section
from bot.report.configuration import configuration
from bot.report.headline import changed_rows, headline
from bot.report.objectives import verdict_sentences

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
