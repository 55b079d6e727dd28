"""Checks as pages and as JSON: rendered here, escaped by jinja2."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from aiohttp import web
from jinja2 import Environment

from bot.model.result import CheckResult, check_from_json
from bot.report.render import render_check_html
from bot.store.records import CheckRecord
from bot.store.store import Store
from bot.web.logs import with_log_urls
from bot.web.pages import csv_response, link_maker, parameters_of
from bot.web.private import opened
from bot.web.responses import PageResponse
from bot.web.responses.checks import about_check, check_json, checks_table, visible_check

_PAGE = 50
_ALL = 1_000_000


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
        found, result = await self._visible(request)

        def render() -> str:
            template = self._templates.get_template("check.html.j2")
            if result is None:
                return template.render(
                    check=found, report=None, builds=(), graph=False, path=request.path
                )
            # The page lists the logs in a table: a report links absolute addresses only.
            bare = replace(result, builds=tuple(replace(b, log=None) for b in result.builds))
            return template.render(
                check=found,
                report=render_check_html(bare),
                builds=result.builds,
                graph=any(image.added for image in result.images),
                api=f"/api{request.rel_url.raw_path}",
                path=request.path,
            )

        return _html(await asyncio.to_thread(render))

    async def one_json(self, request: web.Request) -> web.Response:
        """`/api/checks/{id}`: CONTRACT's `check` object, and `run`: what it was about."""
        found, result = await self._visible(request)
        return web.json_response(check_json(found, result))

    async def _visible(self, request: web.Request) -> tuple[CheckRecord, CheckResult | None]:
        """The check that the path names; its result has the logs' addresses, not their paths."""

        def read() -> tuple[CheckRecord, CheckResult | None]:
            found = visible_check(self._store, request.match_info["id"], opened(request))
            if found.result is None:
                return found, None
            return found, with_log_urls(check_from_json(found.result), found.id)

        return await asyncio.to_thread(read)

    def _page(self, template: str, **values: Any) -> web.Response:
        return _html(self._templates.get_template(template).render(**values))


def _html(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/html")
