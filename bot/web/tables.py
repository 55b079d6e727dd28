"""Tables of a page: one description for HTML and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from bot.report.sizes import format_delta, format_size
from bot.web.measures import measure

Row = Mapping[str, Any]
Kind = Literal[
    "text", "code", "size", "delta", "count", "change", "metric", "trend", "time", "state", "figure"
]
_FIGURES = ("size", "delta", "count", "change", "metric", "trend", "figure")
# Beginnings that spreadsheets take for a formula's, full-width forms included (OWASP: CSV
# Injection), also after blanks.
_FORMULA = tuple("=+-@\t\r\n\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}"
                 "\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """One column: the name of its value in a row, its format, its link.

    `also` gives a second, quiet line. `metric` and `trend` are in the unit of the row's metric;
    `figure` is a number in words of its own.
    CSV has the value itself, under `name`. `only` is where the column is, if not in both; a
    `spare` one is on the page only where some row has something in it.
    """

    name: str
    title: str
    kind: Kind = "text"
    value: Callable[[Row], Any] | None = None
    link: Callable[[Row], str | None] | None = None
    also: Callable[[Row], str | None] | None = None
    only: Literal["html", "csv"] | None = None
    spare: bool = False

    @property
    def figure(self) -> bool:
        """Return whether it holds numbers, which stand to the right."""
        return self.kind in _FIGURES

    def of(self, row: Row) -> Any:
        """The value in a row."""
        return self.value(row) if self.value else row[self.name]

    def tone(self, row: Row) -> str:
        """The class of a difference: `grew`, `shrank`, or empty."""
        value = self.of(row)
        return "" if not value else "grew" if value > 0 else "shrank"

    def shown(self, row: Row) -> str:
        """The formatted value; empty where there is none."""
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
    """Rows under a caption; the first column names a row.

    `count` is the number of all rows where these are only the first; a CSV has them all.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: Sequence[Row]
    count: int | None = None

    @property
    def shown(self) -> tuple[Column, ...]:
        """The columns of the page."""
        return tuple(
            c
            for c in self.columns
            if c.only != "csv" and not (c.spare and not any(c.shown(row) for row in self.rows))
        )

    @property
    def given(self) -> tuple[Column, ...]:
        """The columns of the CSV."""
        return tuple(c for c in self.columns if c.only != "html")

    def first(self, most: int | None) -> Table:
        """The table with its first `most` rows and the number of all; null keeps it as it is."""
        if most is None or len(self.rows) <= most:
            return self
        return replace(self, rows=self.rows[:most], count=self.count or len(self.rows))


def to_csv(table: Table) -> str:
    """`table` as RFC 4180, with the columns' names as its first line.

    Values that a spreadsheet would take for formulas are marked as text.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    columns = table.given
    writer.writerow([column.name for column in columns])
    writer.writerows([_plain(c.of(row)) for c in columns] for row in table.rows)
    return out.getvalue()


def image_columns(*, link: Callable[[Row], str | None]) -> tuple[Column, ...]:
    """The columns that name an image: one on the page, four in the CSV."""
    return (
        Column(
            "image",
            "Image",
            value=lambda row: f"{row['workload']} on {row['arch']}",
            link=link,
            also=lambda row: f"{row['environment']}, {row['repository']}",
            only="html",
        ),
        *(Column(name, name, only="csv") for name in _KEY),
    )


_KEY = ("workload", "environment", "repository", "arch")


def _plain(value: Any) -> Any:
    if isinstance(value, str) and (
        value.startswith(_FORMULA) or value.lstrip().startswith(_FORMULA)
    ):
        return f"'{value}"
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else value
