"""Logs of builds, by their check and their place in it; paths of files are not shown."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aiohttp import web

from bot.store.store import Store
from bot.web.parameters import missing
from bot.web.private import opened
from bot.web.responses.checks import visible_check

_ROOMS = ("builds", "build-logs")


class BuildLogs:
    """The handler of logs: of files below `cache`, and no others."""

    def __init__(self, store: Store, cache: Path) -> None:
        self._store = store
        self._roots = tuple((cache / room).resolve() for room in _ROOMS)

    async def show(self, request: web.Request) -> web.StreamResponse:
        """`/checks/{id}/logs/{number}`: plain text; 404 where it is not stored (any more)."""
        number = request.match_info["number"]
        check = request.match_info["id"]
        path = await asyncio.to_thread(self._find, check, number, opened(request))
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        return web.FileResponse(path, headers=headers)

    def _find(self, check: str, number: str, may_see: str) -> Path:
        builds = (visible_check(self._store, check, may_see).result or {}).get("builds", [])
        if not number.isascii() or not number.isdigit() or int(number[:6]) >= len(builds):
            raise missing("This check has no such build.")
        log = builds[int(number[:6])].get("log")
        path = Path(log).resolve() if log else None
        if path is None or not any(path.is_relative_to(root) for root in self._roots):
            raise missing("This build has no log here.")
        if not path.is_file():
            raise missing("The log of this build is not stored any more.")
        return path
