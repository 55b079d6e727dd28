"""A check's report as blocks: written once, rendered as Markdown, HTML and for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from bot.model import CheckResult
from bot.report.headline import changed_rows, headline, verdict_sentences
from bot.report.phrase import Phrase


@dataclass(frozen=True, slots=True)
class Paragraph:
    phrase: Phrase


@dataclass(frozen=True, slots=True)
class Bullets:
    items: tuple[Phrase, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """`right` are the indexes of the columns with figures."""

    head: tuple[str, ...]
    rows: tuple[tuple[Phrase, ...], ...]
    right: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Graph:
    """Mermaid source."""

    source: str


Block = Paragraph | Bullets | Table | Graph


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks under a title of our own words ("" for none); `folded` ones open on demand."""

    title: str
    blocks: tuple[Block, ...]
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """`tone` is how the whole is meant: good, bad, or nothing to be said about it."""

    headline: Phrase
    lead: tuple[Phrase, ...]
    sections: tuple[Section, ...]
    footer: tuple[Phrase, ...]
    tone: Literal["success", "failure", "neutral"]


@dataclass(frozen=True, slots=True)
class Detail:
    """How much is told: `shown` rows of the main tables openly, the others folded.

    `rows` is for images and objectives, `arrivals` for packages, `changed` for changed packages,
    `lines` for lists; `folded` is off where there is no room for what opens on demand.
    """

    graph_nodes: int = 40
    folded: bool = True
    changed: int = 50
    rows: int = 60
    arrivals: int = 300
    lines: int = 20
    shown: int = 15


EVERYTHING = Detail(60, True, 10_000, 10_000, 10_000, 10_000, 50)
# What is given up, step by step, until a comment fits.
STEPS = (
    Detail(),
    Detail(graph_nodes=0),
    Detail(graph_nodes=0, changed=0, arrivals=100),
    Detail(graph_nodes=0, changed=0, rows=25, arrivals=25, lines=10),
    Detail(graph_nodes=0, folded=False, changed=0, lines=5, shown=12),
    Detail(graph_nodes=0, folded=False, changed=0, lines=2, shown=4),
)


def document(result: CheckResult, detail: Detail) -> Document:
    """The whole report, in the order in which a maintainer asks.

    How much, on which images; what came in and why; what would take it out again; what is wrong;
    then, folded, the rest; at the end how this is known.
    """
    from bot.report import background, images, packages

    rows = changed_rows(result)
    found: list[Section | None] = [
        images.broken(rows, detail),
        images.images(rows, detail),
        packages.came_in(rows, result, detail),
        packages.way_out(rows, result, detail),
        images.objectives(result, detail),
        background.not_evaluated(result, detail),
    ]
    if detail.folded:
        found += [
            images.images(rows, detail, rest=True),
            packages.came_in(rows, result, detail, rest=True),
            packages.left(rows, detail),
            packages.changed_packages(rows, detail),
            images.each_architecture(rows, detail),
            packages.chains(rows, detail),
            background.unchanged(result, detail),
            background.builds(result, detail),
        ]
    found.append(background.evidence(result, detail))
    return Document(
        headline=headline(result),
        lead=verdict_sentences(result),
        sections=tuple(section for section in found if section is not None),
        footer=background.footer(result),
        tone=result.verdict,
    )


def section(title: str, blocks: Iterable[Block], *, folded: bool = False) -> Section | None:
    """A section, or null if there is nothing in it."""
    listed = tuple(blocks)
    return Section(title, listed, folded) if listed else None


def cut(items: Sequence[Phrase], most: int, noun: str) -> tuple[Phrase, ...]:
    """At most `most` items, then how many more there are."""
    from bot.report.phrase import plain
    from bot.report.sizes import plural

    if len(items) <= most:
        return tuple(items)
    return (*items[:most], plain(f"\u2026 and {plural(len(items) - most, f'more {noun}')}"))
