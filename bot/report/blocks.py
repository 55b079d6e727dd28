"""Blocks of a report, written once, rendered as Markdown, HTML and text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from bot.report.phrase import Phrase, plain
from bot.report.sizes import plural


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
    """A report; its `tone` is good, bad or neutral."""

    headline: Phrase
    lead: tuple[Phrase, ...]
    sections: tuple[Section, ...]
    footer: tuple[Phrase, ...]
    tone: Literal["success", "failure", "neutral"]


@dataclass(frozen=True, slots=True)
class Detail:
    """Limits of a report: `shown` rows of the main tables openly, the others folded.

    `rows` is for images and objectives, `arrivals` for packages, `changed` for changed packages,
    `lines` for lists; `folded` is false to leave folded sections out.
    """

    graph_nodes: int = 40
    folded: bool = True
    changed: int = 50
    rows: int = 60
    arrivals: int = 300
    lines: int = 20
    shown: int = 15


def section(title: str, blocks: Iterable[Block], *, folded: bool = False) -> Section | None:
    """A section, or null if there is nothing in it."""
    listed = tuple(blocks)
    return Section(title, listed, folded) if listed else None


def truncated(
    items: Sequence[Phrase], most: int, noun: str, lead: str = "\u2026 and "
) -> tuple[Phrase, ...]:
    """At most `most` items, then the number of the others; `lead` is "" inside a sentence."""
    if len(items) <= most:
        return tuple(items)
    return (*items[:most], plain(lead + plural(len(items) - most, f"more {noun}")))
