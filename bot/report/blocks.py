"""Blocks of a report, written once, rendered as Markdown, HTML and text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.model.result import Verdict
from bot.report.phrase import Phrase, listing, plain
from bot.report.sizes import plural

MORE = "\N{HORIZONTAL ELLIPSIS}"


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
    """A report: a headline, open sections, then folded ones, what to do next, and the origin.

    `tone` is the verdict.
    """

    headline: Phrase
    sections: tuple[Section, ...]
    next_steps: tuple[Phrase, ...]
    footer: tuple[Phrase, ...]
    tone: Verdict


@dataclass(frozen=True, slots=True)
class Detail:
    """Limits of a report: `shown` rows of the open tables.

    `rows` is for images and objectives, `arrivals` for packages, `changed` for changed packages,
    `lines` for lists; `folded` is false to leave folded sections out.
    """

    graph_nodes: int = 40
    folded: bool = True
    changed: int = 50
    rows: int = 60
    arrivals: int = 300
    lines: int = 20
    shown: int = 6


def section(title: str, blocks: Iterable[Block], *, folded: bool = False) -> Section | None:
    """A section, or null if there is nothing in it."""
    listed = tuple(blocks)
    return Section(title, listed, folded) if listed else None


def truncated(items: Sequence[Phrase], most: int, noun: str) -> tuple[Phrase, ...]:
    """At most `most` items, then the number of the others: `… and 3 more images`."""
    others = len(items) - most
    return tuple(items) if others <= 0 else (*items[:most], _more(others, noun))


def truncated_listing(items: Sequence[Phrase], most: int, noun: str) -> Phrase:
    """At most `most` items in a sentence: `a, b and 3 more packages`."""
    others = len(items) - most
    last = [plain(plural(others, f"more {noun}"))] if others > 0 else []
    return listing([*items[:most], *last])


def table(
    head: Sequence[str],
    rows: Sequence[tuple[Phrase, ...]],
    right: Iterable[int],
    most: int,
    noun: str,
    others: int = 0,
) -> list[Block]:
    """A table of at most `most` rows, and below it the number of the rest and of `others`."""
    if not rows:
        return []
    blocks: list[Block] = [Table(tuple(head), tuple(rows[:most]), frozenset(right))]
    more = max(len(rows) - most, 0) + others
    if more:
        blocks.append(Paragraph(_more(more, noun)))
    return blocks


def bullets(items: Sequence[Phrase], most: int, noun: str) -> list[Block]:
    """A list of at most `most` items and the number of the others; nothing where there is none."""
    return [Bullets(truncated(items, most, noun))] if items else []


def _more(count: int, noun: str) -> Phrase:
    return plain(f"{MORE} and {plural(count, f'more {noun}')}")
