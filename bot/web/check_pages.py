"""Checks as pages and as JSON: rendered here, escaped by jinja2."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from aiohttp import web
from jinja2 import Environment

from bot.model.result import check_from_json
from bot.report.render import render_check_html
from bot.store.store import CheckRecord, Store
from bot.web.logs import with_log_urls
from bot.web.pages import csv_response, link_maker, parameters_of
from bot.web.private import opened
from bot.web.responses import PageResponse
from bot.web.responses.checks import about_check, checks_table, visible_check

_PAGE = 50
_ALL = 1_000_000
_NOT_YET: dict[str, Any] = {
    "merge_base": None,
    "stage": None,
    "interrupted": False,
    "incomplete": False,
    "only_limits": False,
    "accepted": None,
    "specs": [],
    "problems": [],
    "notes": [],
    "images": [],
    "suggestions": [],
    "builds": [],
}


class CheckPages:
    """The handlers of checks. One of a private repository is shown to holders of its link."""

    def __init__(self, store: Store, templates: Environment) -> None:
        self._store = store
        self._templates = templates

    async def all_html(self, request: web.Request) -> web.Response:
        """`/checks`: the checks, newest first."""
        return await self._list(request, json=False)

    async def all_json(self, request: web.Request) -> web.Response:
        """`/api/checks`: newest first; `next` is the offset of the following ones, or null."""
        return await self._list(request, json=True)

    async def _list(self, request: web.Request, *, json: bool) -> web.Response:
        parameters = parameters_of(request)
        page, date = parameters.page(_PAGE, 500), parameters.date
        most = _ALL if page.limit is None else page.limit
        found = await asyncio.to_thread(
            self._store.recent_checks, most + 1, offset=page.offset, until=date
        )
        following = page.offset + most if len(found) > most else None
        shown = [about_check(check) for check in found[:most]]
        given = csv_response(PageResponse("", {}, {"checks": checks_table(shown)}), parameters)
        if given is not None:
            return given
        if json:
            return web.json_response({"date": date, "checks": shown, "next": following})
        return self._page(
            "checks.html.j2",
            checks=found[:most],
            page=page,
            following=following,
            date=parameters.query.get("date", ""),
            seen=None,
            path=request.path,
            here=link_maker(request.rel_url.raw_path, parameters.query),
            api=f"/api{request.rel_url.raw_path_qs}",
        )

    async def one_html(self, request: web.Request) -> web.Response:
        """`/checks/{id}`: everything about one check."""
        found = await self._visible(request)

        def render() -> str:
            template, result = self._templates.get_template("check.html.j2"), found.result
            if result is None:
                return template.render(
                    check=found, report=None, builds=(), graph=False, path=request.path
                )
            # The page lists the logs in a table: a report links absolute addresses only.
            bare = {**result, "builds": [{**b, "log": None} for b in result.get("builds", [])]}
            return template.render(
                check=found,
                report=render_check_html(check_from_json(bare)),
                builds=result.get("builds", ()),
                graph=any(image["added"] for image in result["images"]),
                api=f"/api{request.rel_url.raw_path}",
                path=request.path,
            )

        return _html(await asyncio.to_thread(render))

    async def one_json(self, request: web.Request) -> web.Response:
        """`/api/checks/{id}`: CONTRACT's `check` object, and `run`: what it was about."""
        found = await self._visible(request)
        missing = {"base": found.base_sha, "head": found.head_sha, "verdict": found.verdict}
        content = found.result or {**missing, **_NOT_YET}
        return web.json_response({**content, "run": about_check(found)})

    async def _visible(self, request: web.Request) -> CheckRecord:
        """The check that the path names, with addresses of logs in place of their files' paths."""
        check = request.match_info["id"]
        found = await asyncio.to_thread(visible_check, self._store, check, opened(request))
        return replace(found, result=with_log_urls(found.result, found.id))

    def _page(self, template: str, **values: Any) -> web.Response:
        return _html(self._templates.get_template(template).render(**values))


def _html(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/html")
