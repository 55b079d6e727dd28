"""Tables of a page: columns are annotations of a row's fields, and give HTML, CSV and OpenAPI."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, get_type_hints

from aiohttp import web

from bot.model.surface import KINDS
from bot.report.objectives import metric_text
from bot.report.sizes import format_delta, format_size
from bot.web.addresses import Order

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue

Row = Any  # a dataclass with a key or without, or a mapping
Kind = Literal[
    "text", "code", "size", "delta", "count", "change", "metric", "trend", "time", "state", "figure"
]
Link = Callable[[Row, str | None], str | None]
_FIGURES = ("size", "delta", "count", "change", "metric", "trend", "figure")
_UNITS = {"size": "bytes", "delta": "bytes", "time": "RFC 3339, UTC"}
# Characters with which spreadsheets begin a formula, full-width forms included (OWASP: CSV
# Injection), also after blanks.
_FORMULA = tuple("=+-@\t\r\n\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}"
                 "\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}")  # fmt: skip
_KEY = ("workload", "environment", "repository", "arch")
METRICS = {"packages": "packages", "installed_size": "installed size", "layer_size": "layer size"}
_UNWANTED = "unwanted:"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its title and format. As annotation of a row's field it has the field's name.

    `value` computes a value that no field has; a lambda that uses a module's names must stand
    outside of the annotation, which is evaluated elsewhere. `link` is an address, given the row and
    the page's date; `also` gives a second, subdued line. `metric` and `trend` are in the unit of
    the row's metric; `figure` is a number with its own text. CSV has the value itself, under
    `name`. `only` limits the column to the page or the CSV; a `spare` one is on the page only if
    some row has a value, a `wide` one only if there is room. `words` gives the page's text instead
    of the format's. A column is sorted by its value, unless it is not `sortable`. `curve` is an SVG
    path, 72 by 16 pixels. `blank` says on the page why a cell is empty.
    """

    title: str
    kind: Kind = "text"
    name: str = ""
    value: Callable[[Row], Any] | None = None
    link: Link | None = None
    also: Callable[[Row], str | None] | None = None
    only: Literal["html", "csv"] | None = None
    spare: bool = False
    wide: bool = False
    words: Callable[[Row], str] | None = None
    sortable: bool = True
    curve: Callable[[Row], str] | None = None
    blank: str = ""

    @property
    def figure(self) -> bool:
        """Return whether it has numbers, which are right-aligned."""
        return self.kind in _FIGURES

    def of(self, row: Row) -> Any:
        """The value in a row."""
        if self.value:
            return self.value(row)
        return row[self.name] if isinstance(row, Mapping) else getattr(row, self.name)

    def tone(self, row: Row) -> str:
        """The class of a difference: `grew`, `shrank`, or empty."""
        value = self.of(row)
        return "" if not value else "grew" if value > 0 else "shrank"

    def shown(self, row: Row) -> str:
        """The formatted value; empty if there is none."""
        if self.words:
            return self.words(row)
        value = self.of(row)
        if self.kind in ("metric", "trend"):
            return measure(row.metric, value, delta=self.kind == "trend")
        if value is None:
            return "not known" if self.figure else ""
        shown = _SHOWN.get(self.kind)
        if shown is not None:
            return shown(value)
        return ("yes" if value else "") if isinstance(value, bool) else str(value)

    def fills(self, row: Row) -> bool:
        """Return whether it has a value in a row."""
        return bool(self.shown(row)) and (self.words is not None or self.of(row) is not None)

    def __get_pydantic_json_schema__(
        self, core: Any, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The field's schema with the column's title and unit."""
        unit = {"x-unit": _UNITS[self.kind]} if self.kind in _UNITS else {}
        return {**handler(core), "title": self.title, **unit}


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
    """Rows under a caption, as of `date`; the first column names a row.

    Only the first `most` are listed, null lists all. `order` is the requested order.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: Sequence[Row]
    date: str | None = None
    most: int | None = None
    order: Order | None = None

    @property
    def listed(self) -> Sequence[Row]:
        """The listed rows."""
        return self.rows if self.most is None else self.rows[: self.most]

    @property
    def count(self) -> int | None:
        """The number of all rows if only the first are listed, else null."""
        return len(self.rows) if len(self.listed) < len(self.rows) else None

    @property
    def shown(self) -> tuple[Column, ...]:
        """The columns of the page."""
        return tuple(
            c
            for c in self.columns
            if c.only != "csv" and not (c.spare and not any(map(c.fills, self.listed)))
        )

    def first(self, most: int | None) -> Table:
        """The table with its first `most` rows; null lists all."""
        return replace(self, most=most)

    def sorted_by(self, order: Order) -> Table:
        """The table in another order. Raises a 404 if it has no such column."""
        return replace(self, rows=ordered(self.rows, self.columns, order), order=order)

    def sort(self, column: Column) -> str:
        """The order after a click on a column's title: numbers begin with the largest."""
        now = self.order if self.order and self.order.column == column.name else None
        return (
            f"{'-' if (column.figure if now is None else not now.descending) else ''}{column.name}"
        )

    def sorting(self, column: Column) -> str:
        """`ascending` or `descending` if the rows are in a column's order, else empty."""
        if self.order is None or self.order.column != column.name:
            return ""
        return "descending" if self.order.descending else "ascending"


def ordered(rows: Sequence[Row], columns: Iterable[Column], order: Order) -> list[Row]:
    """Rows in the order of a column, those without a value last.

    Raises a 404 that names the columns if there is none of this name.
    """
    by_name = {c.name: c for c in columns if c.sortable}
    column = by_name.get(order.column)
    if column is None:
        raise web.HTTPNotFound(text=f"sort can be {', '.join(by_name)}, each also with - before.")
    values = [(column.of(row), row) for row in rows]
    valued = [(_rank(value), row) for value, row in values if value is not None]
    valued.sort(key=lambda pair: pair[0], reverse=order.descending)
    return [*(row for _, row in valued), *(row for value, row in values if value is None)]


def _rank(value: Any) -> tuple[float, str]:
    if isinstance(value, (int, float)):
        return (float(value), "")
    return (float(len(value)), "") if isinstance(value, tuple) else (0.0, str(value).casefold())


def columns(row: type, *order: str | Column) -> tuple[Column, ...]:
    """Columns in order: those of the row's fields by name, and computed ones."""
    by_name = _field_columns(row)
    return tuple(by_name[column] if isinstance(column, str) else column for column in order)


@cache
def _field_columns(row: type) -> dict[str, Column]:
    hints = get_type_hints(row, include_extras=True)
    return {
        name: replace(column, name=column.name or name)
        for name, hint in hints.items()
        for column in getattr(hint, "__metadata__", ())
        if isinstance(column, Column)
    }


def image_columns(link: Link) -> tuple[Column, ...]:
    """The columns for a row's `key`: one on the page, four in the CSV."""
    return (
        Column(
            "Image",
            name="image",
            value=lambda row: f"{row.key.workload} on {row.key.arch}",
            link=link,
            also=lambda row: f"{row.key.environment}, {row.key.repository}",
            only="html",
        ),
        *(Column(n, name=n, value=_of_key(n), only="csv") for n in _KEY),
    )


def _of_key(name: str) -> Callable[[Row], str]:
    return lambda row: str(getattr(row.key, name))


def to_csv(table: Table) -> str:
    """`table` as RFC 4180, with the columns' names in its first line.

    Values that a spreadsheet would take for formulas are marked as text.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    chosen = [column for column in table.columns if column.only != "html"]
    writer.writerow([column.name for column in chosen])
    writer.writerows([_plain(c.of(row)) for c in chosen] for row in table.listed)
    return out.getvalue()


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        value = ", ".join(map(str, value))
    if isinstance(value, str) and (
        value.startswith(_FORMULA) or value.lstrip().startswith(_FORMULA)
    ):
        return f"'{value}"
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else value


def metric_words(metric: str) -> str:
    """The name of an objective's metric in words."""
    if metric.startswith(_UNWANTED):
        return f"unwanted {metric.removeprefix(_UNWANTED)}"
    return KINDS[metric][1] if metric in KINDS else METRICS.get(metric, metric)


def measure(metric: str, value: float | tuple[str, ...] | None, *, delta: bool = False) -> str:
    """A value, or a difference, in its metric's unit; empty if there is none."""
    if value is None:
        return ""
    if isinstance(value, tuple):
        return metric_text(metric, value)
    if metric in ("installed_size", "layer_size"):
        return (format_delta if delta else format_size)(round(value))
    if metric.startswith(_UNWANTED):
        return "present" if value else "absent"
    if delta:
        rounded = round(value, 1)
        return f"{rounded:+.1f}".replace("-", "\N{MINUS SIGN}") if rounded else "0"
    return f"{round(value):,}"
