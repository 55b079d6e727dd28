"""The addresses of the pages; every name in them is quoted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from bot.model.image import ImageKey
from bot.report.phrase import plain, to_markdown, visible


def image_url(key: ImageKey, part: str = "", **query: str | None) -> str:
    """The page of an image, or a `part` of it such as `size.svg`."""
    names = (key.repository, key.environment, key.workload, key.arch)
    path = "/".join(quote(name, safe="") for name in names)
    return f"/images/{path}{'/' if part else ''}{part}{_query(query)}"


def image_link(row: Any, date: str | None) -> str:
    """The page of a row's image, as of a date."""
    return image_url(row.key, date=date)


def package_url(name: str, **query: str | None) -> str:
    """The page of a package name."""
    return f"/packages/{quote(name, safe='')}{_query(query)}"


def objective_url(objective: str, part: str = "", **query: str | None) -> str:
    """The page of an objective, by its id."""
    return f"/objectives/{quote(objective, safe='')}{'/' if part else ''}{part}{_query(query)}"


def check_url(check: str) -> str:
    """The page of a check."""
    return f"/checks/{quote(check, safe='')}"


def with_date(url: str, date: str | None) -> str:
    """An address of this server, as of a date."""
    if not date:
        return url
    return f"{url}{'&' if '?' in url else '?'}{urlencode({'date': date})}"


def embed(origin: str, picture: str, page: str, text: str) -> str:
    """Markdown of a picture that leads to a page, for a README or a comment."""
    alternative = to_markdown(plain(visible(text)))
    return f"[![{alternative}]({origin}{picture})]({origin}{page})"


def _query(values: Mapping[str, str | None]) -> str:
    given = {name: value for name, value in values.items() if value}
    return f"?{urlencode(given)}" if given else ""
