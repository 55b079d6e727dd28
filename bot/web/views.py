"""Checks as JSON and as pages: plain, rendered here, escaped by jinja2."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from aiohttp import web
from jinja2 import Environment

from bot.report import check_from_json, render_check_html
from bot.store import CheckRecord, Store
from bot.web.answers.checks import visible_check
from bot.web.answers.overview import about_check
from bot.web.logs import with_log_urls
from bot.web.private import opened
from bot.web.questions import Question
from bot.web.tables import Column, Table, to_csv

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


_COLUMNS = tuple(
    Column(name, name)
    for name in (
        "id", "forge", "repository", "number", "title", "author", "head_sha", "stage", "verdict",
        "summary", "created", "predicted", "finished",
    )
)  # fmt: skip


class Views:
    """Pages and their JSON. A check of a private repository is shown to who has its link."""

    def __init__(self, store: Store, templates: Environment) -> None:
        self._store = store
        self._templates = templates

    async def checks(self, request: web.Request) -> web.Response:
        """`/checks`: the checks, newest first."""
        question = Question({}, dict(request.query))
        offset = question.number("offset")
        found = await asyncio.to_thread(self._store.recent_checks, _PAGE + 1, offset=offset)
        following = offset + _PAGE if len(found) > _PAGE else None
        if question.text("format") == "csv":
            text = to_csv(Table("Checks", _COLUMNS, [about_check(c) for c in found[:_PAGE]]))
            return web.Response(text=text, content_type="text/csv")
        return self._page(
            "checks.html.j2", checks=found[:_PAGE], offset=offset, page=_PAGE, following=following
        )

    async def check(self, request: web.Request) -> web.Response:
        """`/checks/{id}`: everything about one check."""
        found = await self._visible(request)

        def render() -> str:
            template, result = self._templates.get_template("check.html.j2"), found.result
            if result is None:
                return template.render(check=found, report=None, builds=(), graph=False)
            # The logs stand in a table of the page's own: a report links only whole addresses.
            bare = {**result, "builds": [{**b, "log": None} for b in result.get("builds", [])]}
            return template.render(
                check=found,
                report=render_check_html(check_from_json(bare)),
                builds=result.get("builds", ()),
                graph=any(image["added"] for image in result["images"]),
                api=f"/api{request.rel_url.raw_path}",
            )

        return _html(await asyncio.to_thread(render))

    async def checks_json(self, request: web.Request) -> web.Response:
        """`/api/checks`: newest first; `next` is the offset of the following ones, or null."""
        question = Question({}, dict(request.query))
        offset, limit = question.number("offset"), question.number("limit", _PAGE, 500) or _PAGE
        found = await asyncio.to_thread(self._store.recent_checks, limit + 1, offset=offset)
        following = offset + limit if len(found) > limit else None
        shown = [about_check(check) for check in found[:limit]]
        return web.json_response({"checks": shown, "next": following})

    async def check_json(self, request: web.Request) -> web.Response:
        """`/api/checks/{id}`: CONTRACT's `check` object, and `run`: what it was about."""
        found = await self._visible(request)
        missing = {"base": found.base_sha, "head": found.head_sha, "verdict": found.verdict}
        content = found.result or {**missing, **_NOT_YET}
        return web.json_response({**content, "run": about_check(found)})

    async def _visible(self, request: web.Request) -> CheckRecord:
        """The check that the path names; a build's log is an address, never a file's path."""
        check = request.match_info["id"]
        found = await asyncio.to_thread(visible_check, self._store, check, opened(request))
        return replace(found, result=with_log_urls(found.result, found.id))

    def _page(self, template: str, **values: Any) -> web.Response:
        return _html(self._templates.get_template(template).render(**values))

    def error(self, status: int, what: str) -> web.Response:
        """The page that says what went wrong."""
        text = self._templates.get_template("error.html.j2").render(status=status, what=what)
        return _html(text, status)


def _html(text: str, status: int = 200) -> web.Response:
    return web.Response(text=text, content_type="text/html", status=status)
