"""Resynchronisation with the forges, at the start and steadily, as webhooks may get lost.

Looked for are heads of open pull requests without a check, checks of closed pull requests, commands
in comments, moves of base branches, and failed deliveries. What is found becomes a delivery of the
bot's own, or is sent again by the forge.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

from bot.engine.missed_events import MissedEvents, found_delivery
from bot.errors import MinimizeError
from bot.forge.protocol import Forge
from bot.forge.values import (
    ForgeError,
    ForgeGoneError,
    ForgeRefusedError,
    OpenPull,
    PullRequestKey,
)
from bot.settings.values import Settings
from bot.store.records import NEVER_STARTED, NewDelivery
from bot.store.repositories import KnownRepository, NewestCheck, Repositories
from bot.store.store import Store

LOG = logging.getLogger(__name__)
# Seconds between two comparisons of a repository with an unfinished check, and of others.
_UNFINISHED = 300.0
_OTHERS = 3600.0
_DAY = 86_400.0
_SHARE = 0.1  # of a forge's rate limit
_REQUESTS = 2  # of a comparison: a token, and one page
_BURST = 50.0  # requests that may come at once
_IDLE = 5.0
_AWAY = 60.0
# A pull request that changed so lately may have its webhook on its way.
_FRESH = 60.0
# Misses, a day apart, after which a repository is taken for deleted.
_MISSES = 3
# Of failed deliveries: the seconds for which they are sent again, and the first and longest pause
# between tries.
_SENT_AGAIN = 3 * _DAY
_AGAIN_FIRST = 240.0
_AGAIN_LAST = 6 * 3600.0


class Resync:
    """The comparison of each forge of the settings with the store."""

    def __init__(
        self,
        store: Store,
        forges: Mapping[str, Forge],
        settings: Settings,
        wake: Callable[[], None],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`wake` is called after deliveries were stored; `clock` gives seconds since 1970."""
        self._store = store
        self._repositories = Repositories(store, clock)
        self._missed_events = MissedEvents(self._repositories, _FRESH)
        self._forges = forges
        self._settings = settings
        self._wake = wake
        self._clock = clock

    async def run(self) -> None:
        """Compare all forges until cancelled."""
        following = [asyncio.create_task(self._follow(forge)) for forge in self._forges.values()]
        try:
            await asyncio.gather(*following)
        finally:
            for task in following:
                task.cancel()

    async def _follow(self, forge: Forge) -> None:
        turns = Turns()
        while True:
            pause = _IDLE
            try:
                pause = await self.step(forge, turns)
            except ForgeError as error:
                LOG.warning("%s is compared again later: %s", forge.name, error)
                pause = max(error.wait, _AWAY)
            except MinimizeError as error:
                LOG.warning("%s is compared again later: %s", forge.name, error)
                pause = _AWAY
            except Exception:
                # The loop must go on: the next try may succeed.
                LOG.exception("%s could not be compared", forge.name)
                pause = _AWAY
            await asyncio.sleep(pause)

    async def step(self, forge: Forge, turns: Turns) -> float:
        """Do what is due next; return the seconds to wait before the next step."""
        if turns.listing_due():
            await _unless_refused(self.list_repositories(forge))
            turns.listed()
        if turns.deliveries_due():
            await _unless_refused(self.send_again(forge, None))
            turns.sent_again()
        repositories = await asyncio.to_thread(self._repositories.known, forge.name)
        repository = turns.next(repositories)
        if repository is None:
            return _IDLE
        limit = forge.rate_limit(repository.name)
        if not repository.unfinished and not turns.allowed(limit.pause(_SHARE), len(repositories)):
            return _IDLE
        # Before the comparison: a repository that fails has to wait for its next turn.
        turns.looked(repository)
        if await self.compare(forge, repository):
            turns.look_soon(repository)
        await _unless_refused(self.send_again(forge, repository.name))
        return 0.0

    async def list_repositories(self, forge: Forge) -> None:
        """Add the repositories to the store that the forge lists as served by the bot."""
        names = await forge.repositories()
        if names:
            await asyncio.to_thread(self._repositories.add, forge.name, names)

    async def compare(self, forge: Forge, repository: KnownRepository) -> bool:
        """Store deliveries for missed events of a repository's pull requests.

        Return whether some changed so lately that they have to be compared again soon.
        """
        place, started = (forge.name, repository.name), self._clock()
        try:
            pulls = await forge.open_pulls(repository.name)
        except ForgeGoneError as error:
            await self._handle_miss(*place, str(error))
            return False
        except ForgeRefusedError as error:
            if error.wait:
                raise
            LOG.info("%s cannot be compared: %s", repository.name, error)
            return False
        await asyncio.to_thread(self._repositories.record_found, *place)
        newest = await asyncio.to_thread(self._repositories.newest_checks, *place)
        settled = [pull for pull in pulls if started - _seconds(pull.updated) > _FRESH]
        open_numbers = {pull.number for pull in pulls}
        heads: list[OpenPull | NewestCheck] = [
            pull for pull in settled if is_missed(pull, newest.get(pull.number), repository.since)
        ]
        heads += [c for c in newest.values() if not c.over and c.number not in open_numbers]
        deliveries = [
            found_delivery(
                PullRequestKey(*place, head.number),
                head.head_sha,
                head.base_ref,
                "found",
                at=started,
            )
            for head in heads
        ]
        deliveries += await self._missed_events.find(forge, repository, pulls, newest, started)
        await self._store_new(deliveries)
        return len(settled) < len(pulls)

    async def _store_new(self, deliveries: Sequence[NewDelivery]) -> None:
        if not deliveries:
            return
        receipts = await asyncio.to_thread(self._store.add_deliveries, deliveries)
        for delivery, receipt in zip(deliveries, receipts, strict=True):
            if not receipt.repeat:
                LOG.info("no webhook came for it: %s", delivery.delivery)
        self._wake()

    async def _handle_miss(self, forge: str, name: str, problem: str) -> None:
        misses = await asyncio.to_thread(self._repositories.record_missing, forge, name)
        LOG.info("%s is not there, seen on %d days: %s", name, misses, problem)
        if misses >= _MISSES:
            LOG.warning("%s is gone: %s", name, problem)
            await asyncio.to_thread(self._repositories.remove, forge, name)

    async def send_again(self, forge: Forge, repository: str | None) -> int:
        """Let the forge send failed deliveries again; return their number.

        They are those of the repository's own hook, or (null) of the hook for all repositories.
        """
        public, kind = self._settings.public_url, self._settings.forges[forge.name].type
        hook, now = f"{public}/webhook/{kind}", self._clock()
        if public is None and repository is not None:
            return 0  # without an address the bot's hook cannot be told from others
        sent = 0
        for delivery in await forge.failed_deliveries(repository, hook, now - _SENT_AGAIN):
            pause = min(_AGAIN_FIRST * 2.0 ** (delivery.attempts - 1), _AGAIN_LAST)
            if now - delivery.at < pause:
                continue
            # One whose answer was lost has been stored.
            if await asyncio.to_thread(self._store.has_delivery, forge.name, delivery.delivery):
                continue
            # A refused one (the hook's address may have changed) must not block the others.
            if await _unless_refused(forge.send_again(delivery)):
                LOG.info("the delivery %s is sent again", delivery.delivery)
                sent += 1
        return sent


async def _unless_refused(request: Awaitable[object]) -> bool:
    """Await a request that nothing depends on; return false if it was refused, not just delayed."""
    try:
        await request
    except (ForgeGoneError, ForgeRefusedError) as error:
        if isinstance(error, ForgeRefusedError) and error.wait:
            raise
        LOG.info("left until its next turn: %s", error)
        return False
    return True


class Turns:
    """The order of a forge's repositories: when each is due, within a share of the rate limit."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._look_times: dict[str, float] = {}
        # Those where a webhook may have been on its way.
        self._soon: set[str] = set()
        self._list_time = self._send_time = -1e9
        self._allowance, self._at = _BURST, clock()

    def listing_due(self) -> bool:
        """Return whether the hourly listing of repositories is due."""
        return self._clock() - self._list_time >= _OTHERS

    def listed(self) -> None:
        """Record that the repositories were listed."""
        self._list_time = self._clock()

    def deliveries_due(self) -> bool:
        """Return whether the look for failed deliveries, every five minutes, is due."""
        return self._clock() - self._send_time >= _UNFINISHED

    def sent_again(self) -> None:
        """Record that failed deliveries were looked for."""
        self._send_time = self._clock()

    def next(self, repositories: Sequence[KnownRepository]) -> KnownRepository | None:
        """The repository that is due, those with an unfinished check first, then the longest
        unseen; null if none is."""
        self._look_times = {
            repository.name: at
            for repository in repositories
            if (at := self._look_times.get(repository.name))
        }
        self._soon &= self._look_times.keys()
        now = self._clock()

        def due(repository: KnownRepository) -> float:
            pause = _FRESH if repository.name in self._soon else _OTHERS
            # Not after a minute: of a busy repository a webhook is always on its way.
            return self._look_times.get(repository.name, -1e9) + (
                _UNFINISHED if repository.unfinished else pause
            )

        ready = [repository for repository in repositories if due(repository) <= now]
        return min(
            ready, key=lambda repository: (not repository.unfinished, due(repository)), default=None
        )

    def allowed(self, pause: float, count: int) -> bool:
        """Return whether a repository may be compared now: requests are `pause` seconds apart, or
        less if `count` repositories could not be compared once a day otherwise."""
        now = self._clock()
        pause = min(pause, _DAY / max(count, 1) / _REQUESTS)
        self._allowance = min(_BURST, self._allowance + (now - self._at) / pause)
        self._at = now
        if self._allowance < _REQUESTS:
            return False
        self._allowance -= _REQUESTS
        return True

    def looked(self, repository: KnownRepository) -> None:
        """Record that a repository was compared."""
        self._look_times[repository.name] = self._clock()
        self._soon.discard(repository.name)

    def look_soon(self, repository: KnownRepository) -> None:
        """Make a compared repository due again in a minute: webhooks may be on their way."""
        self._soon.add(repository.name)


def is_missed(pull: OpenPull, newest: NewestCheck | None, since: str) -> bool:
    """Return whether an open pull request's head lacks a check.

    One without any check needs none if it was last changed before the bot served its repository.
    """
    if newest is None:
        return _seconds(pull.updated) >= _seconds(since)
    if newest.stage == "stopped" and (newest.over or newest.problem == NEVER_STARTED):
        return True
    return (newest.head_sha, newest.base_ref) != (pull.head_sha, pull.base_ref)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
