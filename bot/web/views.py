"""Checks as JSON and as pages: plain, rendered here, escaped by jinja2."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bot.report import check_from_json, render_check_html
from bot.store import CheckRecord, Store

_HERE = Path(__file__).parent
_PAGE = 50
_NOT_YET: dict[str, Any] = {
    "merge_base": None,
    "specs": [],
    "problems": [],
    "notes": [],
    "images": [],
    "suggestions": [],
    "builds": [],
}


class Views:
    """Pages and their JSON. Checks of private repositories are not shown at all."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._templates = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    async def index(self, _request: web.Request) -> web.Response:
        """`/`: what this is, and the newest checks."""
        checks = await asyncio.to_thread(self._store.recent_checks, 10)
        return self._page("index.html.j2", checks=checks)

    async def checks(self, request: web.Request) -> web.Response:
        """`/checks`: the checks, newest first."""
        offset = _number(request, "offset")
        found = await asyncio.to_thread(self._store.recent_checks, _PAGE + 1, offset=offset)
        following = offset + _PAGE if len(found) > _PAGE else None
        return self._page(
            "checks.html.j2", checks=found[:_PAGE], offset=offset, page=_PAGE, following=following
        )

    async def check(self, request: web.Request) -> web.Response:
        """`/checks/{id}`: everything about one check."""
        found = await self._public(request)

        def render() -> str:
            report = render_check_html(check_from_json(found.result)) if found.result else None
            return self._templates.get_template("check.html.j2").render(check=found, report=report)

        return _html(await asyncio.to_thread(render))

    async def checks_json(self, request: web.Request) -> web.Response:
        """`/api/checks`: newest first; `next` is the offset of the following ones, or null."""
        offset = _number(request, "offset")
        limit = min(_number(request, "limit", _PAGE), 500) or _PAGE
        found = await asyncio.to_thread(self._store.recent_checks, limit + 1, offset=offset)
        following = offset + limit if len(found) > limit else None
        shown = [_about(check) for check in found[:limit]]
        return web.json_response({"checks": shown, "next": following})

    async def check_json(self, request: web.Request) -> web.Response:
        """`/api/checks/{id}`: CONTRACT's `check` object, and `run`: what it was about."""
        found = await self._public(request)
        missing = {"base": found.base_sha, "head": found.head_sha, "verdict": found.verdict}
        content = found.result or {**missing, **_NOT_YET}
        return web.json_response({**content, "run": _about(found)})

    async def _public(self, request: web.Request) -> CheckRecord:
        """The check that the path names; 404 if there is none, or none for everybody's eyes."""
        found = await asyncio.to_thread(self._store.check, request.match_info["id"])
        if found is None or found.private:
            raise web.HTTPNotFound
        return found

    def _page(self, template: str, **values: Any) -> web.Response:
        return _html(self._templates.get_template(template).render(**values))

    def error(self, status: int, what: str) -> web.Response:
        """The page that says what went wrong."""
        text = self._templates.get_template("error.html.j2").render(status=status, what=what)
        return _html(text, status)


def _html(text: str, status: int = 200) -> web.Response:
    return web.Response(text=text, content_type="text/html", status=status)


def _about(check: CheckRecord) -> dict[str, Any]:
    about = asdict(check)
    for name in ("result", "private", "delivery"):
        del about[name]
    return about


def _number(request: web.Request, name: str, default: int = 0) -> int:
    """A whole number of the query, not below 0; 400 if it is none."""
    text = request.query.get(name, str(default))
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise web.HTTPBadRequest(text=f"{name} is no number.")
    return int(text)
