"""The cache warmer: computes expensive values at the start, and after each run."""

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


def cache_warming(archive: Archive) -> Callable[[web.Application], AsyncIterator[None]]:
    """A cleanup context of an application that warms the cache within 15 seconds of a new run."""

    async def run(_application: web.Application) -> AsyncIterator[None]:
        over = asyncio.Event()
        task = asyncio.create_task(_warm_after_runs(archive, over))
        yield
        # The reading thread cannot be cancelled, and history is closed after this.
        over.set()
        await task

    return run


async def _warm_after_runs(archive: Archive, over: asyncio.Event) -> None:
    while not over.is_set():
        try:
            await asyncio.to_thread(warm, archive)
        except MinimizeError as error:
            LOG.warning("getting the pages ready: %s", error.what)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), _EVERY)


def warm(archive: Archive) -> None:
    """Compute the values that all pages need, unless they are cached."""
    if archive.run(None) is None:
        return
    archive.evaluations()
    archive.objective_statuses()
    archive.totals()
    archive.spread()
    archive.used_by_one()
