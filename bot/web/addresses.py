"""Addresses of pages, with quoted names, and the validated parameters of a request.

A malformed parameter is a 400 with a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from aiohttp import web

from bot.model.image import ImageKey
from bot.report.phrase import plain, to_markdown, visible
from bot.store.store import utc_text

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"[-\dT:.]+(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)
_FIRST = "1970-01-01"


_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class PageRange:
    """A part of a list, from `offset` on; `limit` null is all that follows."""

    offset: int
    limit: int | None

    def of(self, rows: Sequence[_T]) -> Sequence[_T]:
        """The rows on this page."""
        return rows[self.offset :] if self.limit is None else rows[self.offset :][: self.limit]

    def next(self, count: int) -> int | None:
        """The offset of the following page of a list of `count`, null if there is none."""
        if self.limit is None or count <= self.offset + self.limit:
            return None
        return self.offset + self.limit

    @property
    def previous(self) -> int | None:
        """The offset of the page before, null if there is none."""
        return max(self.offset - (self.limit or 0), 0) if self.offset else None


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a table's rows: by a column, largest first if `descending`.

    `table` is empty for the first table of a page.
    """

    table: str
    column: str
    descending: bool


@dataclass(frozen=True, slots=True)
class Parameters:
    """The names in the path, the values of the query, and the hidden check that this request may
    see."""

    path: Mapping[str, str]
    query: Mapping[str, str] = field(default_factory=dict)
    opened_check: str = ""

    @property
    def key(self) -> ImageKey:
        """The image that the path names."""
        names = ("workload", "environment", "repository", "arch")
        return ImageKey(*(self.path[name] for name in names))

    @property
    def date(self) -> str | None:
        """The moment of which the page shows the state; null is now."""
        return self.moment("date")

    @property
    def whole(self) -> bool:
        """Return whether all rows are requested: a CSV is not divided into pages."""
        return self.query.get("format") == "csv"

    def page(self, default: int, most: int = 5000) -> PageRange:
        """The requested part of a list: `offset` and `limit`; a CSV without a limit has all
        rows."""
        if self.whole and "limit" not in self.query:
            return PageRange(0, None)
        return PageRange(self.number("offset"), self.number("limit", default, most) or default)

    @property
    def order(self) -> Order | None:
        """The order in `sort`: `COLUMN`, `-COLUMN`, or `TABLE.COLUMN`; null keeps the page's."""
        text = self.text("sort")
        if not text:
            return None
        table, _, column = text.rpartition(".")
        return Order(table, column.removeprefix("-"), column.startswith("-"))

    def moment(self, name: str) -> str | None:
        """A date or an RFC 3339 time in UTC; null for an empty form field."""
        text = self.query.get(name) or None
        if text is None:
            return None
        moment = _moment(text)
        if moment is None:
            raise web.HTTPBadRequest(
                text=f"{name} is not a date: write 2027-03-01, or 2027-03-01T12:00:00Z."
            )
        return moment

    def number(self, name: str, default: int = 0, most: int = 999_999_999) -> int:
        """A whole number from 0 to `most`."""
        text = self.query.get(name, str(default))
        if not text.isascii() or not text.isdigit() or len(text) > 9:
            raise web.HTTPBadRequest(text=f"{name} is not a number.")
        return min(int(text), most)

    def text(self, name: str) -> str:
        """A text, truncated to 200 characters."""
        return self.query.get(name, "").strip()[:200]


WINDOWS = {"week": 7, "month": 31, "quarter": 92, "year": 366, "all": None}


def window(parameters: Parameters, date: str | None) -> str | None:
    """The start of the requested history: `since`, else `window` before the date; null is no
    start."""
    since = parameters.moment("since")
    days = WINDOWS.get(parameters.text("window") or "year", WINDOWS["year"])
    if since is not None or days is None:
        return since
    end = datetime.fromisoformat(date) if date else datetime.now(UTC)
    return (end - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _moment(text: str) -> str | None:
    """A date unchanged, or a time in UTC, but not before 1970; null if it is neither."""
    try:
        time = datetime.fromisoformat(text)
        if _DATE.fullmatch(text):
            return max(text, _FIRST)
        if not _TIME.fullmatch(text):
            return None
        moment = time.astimezone(UTC)
        return utc_text(moment) if moment.year >= 1970 else _FIRST
    except (ValueError, OverflowError):
        return None


def missing(what: str) -> web.HTTPNotFound:
    """A 404 with a sentence."""
    return web.HTTPNotFound(text=what)


def image_url(key: ImageKey, part: str = "", **query: str | None) -> str:
    """The address of an image's page, or of a `part` of it such as `size.svg`."""
    names = (key.repository, key.environment, key.workload, key.arch)
    path = "/".join(quote(name, safe="") for name in names)
    return f"/images/{path}{'/' if part else ''}{part}{query_text(query)}"


def image_link(row: Any, date: str | None) -> str:
    """The address of the page of a row's image, as of a date."""
    return image_url(row.key, date=date)


def package_url(name: str, **query: str | None) -> str:
    """The address of a package name's page."""
    return f"/packages/{quote(name, safe='')}{query_text(query)}"


def objective_url(objective: str, part: str = "", **query: str | None) -> str:
    """The address of an objective's page, by its id; or of a `part` of it."""
    return f"/objectives/{quote(objective, safe='')}{'/' if part else ''}{part}{query_text(query)}"


def check_url(check: str) -> str:
    """The address of a check's page."""
    return f"/checks/{quote(check, safe='')}"


def with_date(url: str, date: str | None) -> str:
    """An address of this server, as of a date."""
    if not date:
        return url
    return f"{url}{'&' if '?' in url else '?'}{urlencode({'date': date})}"


def embed(origin: str, picture: str, page: str, text: str) -> str:
    """Markdown of a picture that links to a page, for a README or a comment."""
    alternative = to_markdown(plain(visible(text)))
    return f"[![{alternative}]({origin}{picture})]({origin}{page})"


def query_text(values: Mapping[str, str | None]) -> str:
    """The query of an address, with its question mark, without empty values."""
    present = {name: value for name, value in values.items() if value}
    return f"?{urlencode(present)}" if present else ""
