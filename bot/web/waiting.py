"""The start of a process whose database takes no connections yet: it waits, and says so."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from bot.engine.database import connection_problem

LOG = logging.getLogger(__name__)
# Seconds between two tries, and until the same reason is logged again.
_PAUSE, _AGAIN = 1.0, 60.0
_PART = "The engine's database"
_SAID = f"{_PART} does not answer yet. The log has the reason."


class Supervisor:
    """Whoever started this process and waits for its states, as sd_notify(3) has it; or nobody."""

    def __init__(self) -> None:
        # Not for the processes that are started here.
        self._address = re.sub("^@", "\0", os.environ.pop("NOTIFY_SOCKET", ""))

    def tell(self, state: str) -> None:
        """Send one state, such as READY=1."""
        if self._address:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
                receiver.connect(self._address)
                receiver.send(state.encode())


async def database_answers(
    url: str,
    stop: asyncio.Event,
    supervisor: Supervisor,
    listen: Callable[[], socket.socket] | None = None,
) -> bool:
    """Wait until the engine's database takes connections; false if `stop` was set before.

    The supervisor is told after the first try that the process is there, and for what it waits: a
    machine's start need not wait as well. The socket of `listen` has the answer 503 meanwhile.
    """
    waiting = asyncio.create_task(_wait(url, supervisor, listen))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if waiting.done():
        await waiting
        return True
    waiting.cancel()
    await asyncio.wait({waiting})
    return False


async def _wait(
    url: str, supervisor: Supervisor, listen: Callable[[], socket.socket] | None
) -> None:
    problem = await connection_problem(url)
    if not problem:
        return
    supervisor.tell("READY=1")
    logged: tuple[str, float] = ("", 0.0)
    async with _unready(listen):
        while problem:
            supervisor.tell(f"STATUS=waits for the engine's database: {problem}")
            if problem != logged[0] or time.monotonic() - logged[1] >= _AGAIN:
                logged = problem, time.monotonic()
                LOG.warning(
                    "waiting for the engine's database (engine.database of the settings): %s",
                    problem,
                )
            await asyncio.sleep(_PAUSE)
            problem = await connection_problem(url)
    supervisor.tell("STATUS=")
    LOG.info("the engine's database answers")


@asynccontextmanager
async def _unready(listen: Callable[[], socket.socket] | None) -> AsyncIterator[None]:
    """A server that lives and is not ready, for a block."""

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/health/live":
            return web.json_response({"status": "ok"})
        body = {"status": "not ready", "problems": [_SAID], "parts": {_PART: _SAID}}
        return web.json_response(body, status=503, headers={"Retry-After": "60"})

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application, shutdown_timeout=0, access_log=None)
    await runner.setup()
    try:
        if listen is not None:
            await web.SockSite(runner, listen()).start()
        yield
    finally:
        await runner.cleanup()
