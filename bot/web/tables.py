"""Tables of a page: one description, shown as HTML and given as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bot.report import format_delta, format_size
from bot.web.measures import measure

Row = Mapping[str, Any]
Kind = Literal[
    "text", "code", "size", "delta", "count", "change", "metric", "trend", "time", "state"
]
_FIGURES = ("size", "delta", "count", "change", "metric", "trend")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Column:
    """One column: where its value is in a row, how it is shown, where it leads.

    `also` gives a second, quiet line. `metric` and `trend` are in the unit of the row's metric.
    CSV has the value itself, under `name`.
    """

    name: str
    title: str
    kind: Kind = "text"
    value: Callable[[Row], Any] | None = None
    link: Callable[[Row], str | None] | None = None
    also: Callable[[Row], str | None] | None = None

    @property
    def figure(self) -> bool:
        """Whether it holds numbers, which stand to the right."""
        return self.kind in _FIGURES

    def of(self, row: Row) -> Any:
        """The value in a row."""
        return self.value(row) if self.value else row[self.name]

    def shown(self, row: Row) -> str:
        """The value as people read it; empty where there is none."""
        value = self.of(row)
        if self.kind in ("metric", "trend"):
            return measure(row["metric"], value, delta=self.kind == "trend")
        if value is None:
            return "not known" if self.figure else ""
        shown = _SHOWN.get(self.kind)
        if shown is not None:
            return shown(value)
        return ("yes" if value else "") if isinstance(value, bool) else str(value)


def _signed(value: int) -> str:
    return f"{value:+,}".replace("-", "\N{MINUS SIGN}") if value else "0"


_SHOWN: dict[str, Callable[[Any], str]] = {
    "size": format_size,
    "delta": format_delta,
    "change": _signed,
    "count": "{:,}".format,
    "time": lambda value: str(value)[:16].replace("T", " "),
}


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a caption. `header` is the column that names a row; `more` where others are."""

    caption: str
    columns: tuple[Column, ...]
    rows: Sequence[Row]
    header: int = 0
    more: str | None = None


def to_csv(table: Table) -> str:
    """RFC 4180, with the columns' names as its first line.

    What a spreadsheet would take for a formula is given as text.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([column.name for column in table.columns])
    writer.writerows([_plain(c.of(row)) for c in table.columns] for row in table.rows)
    return out.getvalue()


def image_columns(*, link: Callable[[Row], str | None]) -> tuple[Column, ...]:
    """The four columns that name an image."""
    return (
        Column("workload", "Workload", link=link),
        Column("environment", "Environment"),
        Column("repository", "Repository"),
        Column("arch", "Architecture"),
    )


def first(rows: Iterable[Row], most: int) -> tuple[list[Row], bool]:
    """The first `most` rows, and whether there were others."""
    listed = list(rows)
    return listed[:most], len(listed) > most


def _plain(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else value
