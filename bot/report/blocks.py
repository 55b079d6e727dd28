"""The blocks of a report, made once and rendered as Markdown, HTML and text."""

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
    """A table; `right` are the indexes of the columns with figures, which are right-aligned."""

    head: tuple[str, ...]
    rows: tuple[tuple[Phrase, ...], ...]
    right: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph as Mermaid source."""

    source: str


Block = Paragraph | Bullets | Table | Graph


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks under a title in our own words ("" for none); `folded` ones are closed at first."""

    title: str
    blocks: tuple[Block, ...]
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """A report: headline, open sections, folded ones, next steps, and origin.

    `tone` is the verdict.
    """

    headline: Phrase
    sections: tuple[Section, ...]
    next_steps: tuple[Phrase, ...]
    footer: tuple[Phrase, ...]
    tone: Verdict


@dataclass(frozen=True, slots=True)
class Detail:
    """Limits of a report: the numbers of rows that it shows.

    `graph_nodes` are the nodes of a graph, 0 for no graph. `open_rows` is for the open tables,
    `rows` for images and objectives, `arrivals` for packages, `changed` for changed packages,
    `lines` for lists; with `folded` false there are no folded sections.
    """

    graph_nodes: int = 40
    folded: bool = True
    changed: int = 50
    rows: int = 60
    arrivals: int = 300
    lines: int = 20
    open_rows: int = 6


def section(title: str, blocks: Iterable[Block], *, folded: bool = False) -> Section | None:
    """Return a section, or None if it would be empty."""
    listed = tuple(blocks)
    return Section(title, listed, folded) if listed else None


def truncated(items: Sequence[Phrase], most: int, noun: str) -> tuple[Phrase, ...]:
    """Return at most `most` items, then the number of the others: `… and 3 more images`."""
    others = len(items) - most
    return tuple(items) if others <= 0 else (*items[:most], _more(others, noun))


def truncated_listing(items: Sequence[Phrase], most: int, noun: str) -> Phrase:
    """Return at most `most` items in a sentence: `a, b and 3 more packages`."""
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
    """Return a table of at most `most` rows, and below it the number of all others."""
    if not rows:
        return []
    blocks: list[Block] = [Table(tuple(head), tuple(rows[:most]), frozenset(right))]
    more = max(len(rows) - most, 0) + others
    if more:
        blocks.append(Paragraph(_more(more, noun)))
    return blocks


def bullets(items: Sequence[Phrase], most: int, noun: str) -> list[Block]:
    """Return a list of at most `most` items and the number of the others; nothing for no items."""
    return [Bullets(truncated(items, most, noun))] if items else []


def _more(count: int, noun: str) -> Phrase:
    return plain(f"{MORE} and {plural(count, f'more {noun}')}")
