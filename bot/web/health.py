"""`/health/ready`: checks the parts that the bot needs, in parallel, within a second.

A part that does not answer in time is a problem, and is not asked again while it is being asked.
Forges and repositories are asked rarely, without a credential, and a short outage is no problem:
deliveries wait on disk meanwhile, and repositories have a last good state.
"""

from __future__ import annotations

import asyncio
import math
import shutil
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import aiohttp

from bot.engine.engine import Engine
from bot.errors import MinimizeError
from bot.outbound.authorities import tls_context
from bot.outbound.proxies import proxy_url
from bot.settings.values import Settings
from bot.store.store import Store

_SECONDS = 0.7
_FEWEST_BYTES = 50_000_000
_FORGE_TIMEOUT = aiohttp.ClientTimeout(total=5)
# Seconds between two questions to a forge, and to the repositories.
_FORGE_EVERY, _REPOSITORIES_EVERY = 15.0, 600.0
# Seconds without answer after which a forge is a problem.
_FORGE_GRACE = 60.0


@dataclass(slots=True)
class Probe:
    """A part of readiness: `ask` returns a sentence on what is wrong, or nothing.

    It is asked again once its answer is `every` seconds old, and becomes a problem after `grace`
    seconds of wrong answers; infinity: never.
    """

    name: str
    ask: Callable[[], Awaitable[str]]
    every: float = 0.0
    grace: float = 0.0
    _asking: asyncio.Task[str] | None = None
    _answer: str = ""
    _asked: float = -math.inf
    _wrong_since: float | None = None

    def begin(self, now: float) -> asyncio.Task[str] | None:
        """Ask if it is time, and return the pending question."""
        self._take()
        if self._asking is None and now - self._asked >= self.every:
            self._asked = now
            self._asking = asyncio.create_task(self._asked_now(), name=f"health {self.name}")
        return self._asking

    def state(self, now: float) -> tuple[str, bool]:
        """A sentence on what is wrong (empty: nothing), and whether it is a problem now."""
        self._take()
        text = self._answer
        if self._asking is not None:
            text = f"{self.name} does not answer."
        if not text:
            self._wrong_since = None
            return "", False
        if self._wrong_since is None:
            self._wrong_since = now
        return text, now - self._wrong_since >= self.grace

    def stop(self) -> None:
        """Cancel the pending question."""
        if self._asking is not None:
            self._asking.cancel()

    def _take(self) -> None:
        if self._asking is not None and self._asking.done():
            self._answer = "" if self._asking.cancelled() else self._asking.result()
            self._asking = None

    async def _asked_now(self) -> str:
        try:
            return await self.ask()
        except MinimizeError as error:
            return error.what


@dataclass(frozen=True, slots=True)
class Readiness:
    """The parts that prevent the bot from working, and the fault of each part (empty: none)."""

    problems: tuple[str, ...]
    parts: dict[str, str]


@dataclass
class Health:
    """The state of the bot; `tasks` are the loops that must always run."""

    store: Store
    data: Path
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    probes: Sequence[Probe] = ()
    launched: bool = False
    stopping: bool = False

    async def readiness(self, clock: Callable[[], float] = time.monotonic) -> Readiness:
        """Ask every part, for at most a second."""
        pending = [asking for probe in self.probes if (asking := probe.begin(clock()))]
        if pending:
            await asyncio.wait(pending, timeout=_SECONDS)
        problems, parts = self._own_problems(), {}
        for probe in self.probes:
            parts[probe.name], problem = probe.state(clock())
            if problem:
                problems.append(parts[probe.name])
        return Readiness(tuple(problems), parts)

    def stop(self) -> None:
        """Report from now on that the bot is being stopped, and ask no more."""
        self.stopping = True
        for probe in self.probes:
            probe.stop()

    def _own_problems(self) -> list[str]:
        problems = []
        if self.stopping:
            problems.append("The bot is being stopped.")
        elif not self.launched:
            problems.append("The engine is not started yet.")
        return problems + [f"The loop {t.get_name()} has ended." for t in self.tasks if t.done()]


def probes_of(settings: Settings, store: Store, engine: Engine) -> tuple[Probe, ...]:
    """The parts of a server: store, engine, disks, forges, repositories."""

    async def ask_store() -> str:
        await asyncio.to_thread(store.delivery_counts)
        return ""

    async def ask_engine() -> str:
        await asyncio.to_thread(engine.answers)
        return ""

    async def ask_disk() -> str:
        return await asyncio.to_thread(_disk_problem, (settings.data, settings.cache))

    return (
        Probe("The store", ask_store),
        Probe("The engine's database", ask_engine),
        Probe("The disk", ask_disk),
        *(
            Probe(f"The forge {name}", _forge_question(name, forge.api_url), _FORGE_EVERY,
                  _FORGE_GRACE)
            for name, forge in settings.forges.items()
        ),
        Probe("The repositories", _repositories_question(settings), _REPOSITORIES_EVERY, math.inf),
    )  # fmt: skip


def _disk_problem(folders: Sequence[Path]) -> str:
    for folder in folders:
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        if shutil.disk_usage(existing).free < _FEWEST_BYTES:
            return f"The disk of {folder} is almost full."
    return ""


def _forge_question(name: str, api_url: str) -> Callable[[], Awaitable[str]]:
    """Ask the API's address without a credential: any answer but a server error is good."""

    async def ask() -> str:
        try:
            async with (
                aiohttp.ClientSession(
                    timeout=_FORGE_TIMEOUT, connector=aiohttp.TCPConnector(ssl=tls_context())
                ) as session,
                session.get(api_url, allow_redirects=False, proxy=proxy_url(api_url)) as response,
            ):
                if response.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                    return ""
                return f"The forge {name} answers {response.status}."
        except (aiohttp.ClientError, TimeoutError) as error:
            return f"The forge {name} cannot be reached: {type(error).__name__}."

    return ask


def _repositories_question(settings: Settings) -> Callable[[], Awaitable[str]]:
    """Ask the repositories of the documents that the settings' rules name."""

    def wrong() -> str:
        from bot.distro.cache import Cache
        from bot.distro.load import load_configuration
        from bot.distro.online import ask_repositories

        configuration = load_configuration(settings.config, cache=Cache(settings.cache))
        names = dict.fromkeys(i for rule in settings.repositories for i in rule.documents)
        documents = [d for i in names if (d := configuration.repositories.get(i)) is not None]
        answers = ask_repositories(documents)
        away = [f"{a.document}/{a.repository} {a.arch}" for a in answers if not a.reachable]
        if away and len(away) == len(answers):
            return f"No repository can be read: not {', '.join(away)}."
        return f"Repositories that cannot be read: {', '.join(away)}." if away else ""

    async def ask() -> str:
        return await asyncio.to_thread(wrong)

    return ask
