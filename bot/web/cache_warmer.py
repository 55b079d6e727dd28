"""Warms the cache of values that are expensive to compute: at the start, and after each run."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable

from aiohttp import web

from bot.errors import MinimizeError
from bot.web.responses import Archive

LOG = logging.getLogger(__name__)
_EVERY = 15.0


def kept_warm(archive: Archive) -> Callable[[web.Application], AsyncIterator[None]]:
    """A part of an application's life: looks for a new run every 15 seconds, and gets ready."""

    async def run(_application: web.Application) -> AsyncIterator[None]:
        over = asyncio.Event()
        task = asyncio.create_task(_keep(archive, over))
        yield
        # A thread that reads cannot be cancelled, and history is closed after this.
        over.set()
        await task

    return run


async def _keep(archive: Archive, over: asyncio.Event) -> None:
    while not over.is_set():
        try:
            await asyncio.to_thread(warm, archive)
        except MinimizeError as error:
            LOG.warning("getting the pages ready: %s", error.what)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), _EVERY)


def warm(archive: Archive) -> None:
    """Finds what all pages ask for, unless it is known already."""
    if archive.run(None) is None:
        return
    archive.evaluations()
    archive.objective_statuses()
    archive.totals()
    archive.spread()
    archive.used_by_one()
