"""Comparing what the forges have with what we have, on start and then steadily.

A webhook that never came leaves no trace with us: heads of open pull requests without a check,
checks of pull requests that are closed, commands in comments, moves of base branches, and
deliveries that nobody took are looked for. What is found becomes a delivery of the bot's own, or is
sent again by the forge.
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
# Seconds between two looks at a repository with an unfinished check, and at another one.
_UNFINISHED = 300.0
_OTHERS = 3600.0
_DAY = 86_400.0
_SHARE = 0.1  # of a forge's quota
_REQUESTS = 2  # of a look: a token, and one page
_BURST = 50.0  # requests that may come at once
_IDLE = 5.0
_AWAY = 60.0
# A pull request that changed so lately may have its webhook on its way.
_FRESH = 60.0
# Misses, each a day apart, after which a repository is gone.
_MISSES = 3
# Of failed deliveries: for how long they are sent again, and the first pause between tries.
_SENT_AGAIN = 3 * _DAY
_AGAIN_FIRST = 240.0
_AGAIN_LAST = 6 * 3600.0


class Resync:
    """The comparison of each forge of the settings with the store, without end."""

    def __init__(
        self,
        store: Store,
        forges: Mapping[str, Forge],
        settings: Settings,
        wake: Callable[[], None],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`wake` is called after a delivery of our own was stored; `clock` is seconds since
        1970."""
        self._store = store
        self._repositories = Repositories(store, clock)
        self._missed_events = MissedEvents(self._repositories, _FRESH)
        self._forges = forges
        self._settings = settings
        self._wake = wake
        self._clock = clock

    async def run(self) -> None:
        """Follow all forges."""
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
                # The next look may succeed, and must come.
                LOG.exception("%s could not be compared", forge.name)
                pause = _AWAY
            await asyncio.sleep(pause)

    async def step(self, forge: Forge, turns: Turns) -> float:
        """Do what is due first; return the seconds to wait before the next."""
        if turns.listing_due():
            await _unless_refused(self.list_repositories(forge))
            turns.listed()
        if turns.deliveries_due():
            await _unless_refused(self.send_again(forge, None))
            turns.sent_again()
        known = await asyncio.to_thread(self._repositories.known, forge.name)
        one = turns.next(known)
        if one is None:
            return _IDLE
        limit = forge.rate_limit(one.name)
        if not one.unfinished and not turns.allowed(limit.pause(_SHARE), len(known)):
            return _IDLE
        # Before it: one that fails is looked at again in its turn.
        turns.looked(one)
        if await self.compare(forge, one):
            turns.look_soon(one)
        await _unless_refused(self.send_again(forge, one.name))
        return 0.0

    async def list_repositories(self, forge: Forge) -> None:
        """Learn of the repositories that the forge says are ours to serve."""
        names = await forge.repositories()
        if names:
            await asyncio.to_thread(self._repositories.add, forge.name, names)

    async def compare(self, forge: Forge, repository: KnownRepository) -> bool:
        """Have what is missed of a repository's pull requests started or stopped.

        Return whether some changed so lately that they are to be looked at again soon.
        """
        place, started = (forge.name, repository.name), self._clock()
        try:
            pulls = await forge.open_pulls(repository.name)
        except ForgeGoneError as error:
            await self._missed(*place, str(error))
            return False
        except ForgeRefusedError as error:
            if error.wait:
                raise
            LOG.info("%s cannot be compared: %s", repository.name, error)
            return False
        await asyncio.to_thread(self._repositories.found, *place)
        newest = await asyncio.to_thread(self._repositories.newest_checks, *place)
        settled = [one for one in pulls if started - _seconds(one.updated) > _FRESH]
        found = [
            found_delivery(_key(place, one.number), one.head_sha, one.base_ref, "found", at=started)
            for one in settled
            if is_missed(one, newest.get(one.number), repository.since)
        ]
        found += [
            found_delivery(_key(place, one.number), one.head_sha, one.base_ref, "found", at=started)
            for one in newest.values()
            if not one.over and one.number not in {pull.number for pull in pulls}
        ]
        found += await self._missed_events.find(forge, repository, pulls, newest, started)
        await self._store_found(found)
        return len(settled) < len(pulls)

    async def _store_found(self, found: Sequence[NewDelivery]) -> None:
        if not found:
            return
        receipts = await asyncio.to_thread(self._store.add_deliveries, found)
        for one, receipt in zip(found, receipts, strict=True):
            if not receipt.repeat:
                LOG.info("no webhook told of it: %s", one.delivery)
        self._wake()

    async def _missed(self, forge: str, name: str, problem: str) -> None:
        misses = await asyncio.to_thread(self._repositories.missed, forge, name)
        LOG.info("%s is not there, seen on %d days: %s", name, misses, problem)
        if misses >= _MISSES:
            LOG.warning("%s is gone: %s", name, problem)
            await asyncio.to_thread(self._repositories.remove, forge, name)

    async def send_again(self, forge: Forge, repository: str | None) -> int:
        """Have the deliveries sent again that nobody took; return their number.

        Those of a repository's own hook, or (null) of the hook for all.
        """
        public, kind = self._settings.public_url, self._settings.forges[forge.name].type
        hook, now = f"{public}/webhook/{kind}", self._clock()
        if public is None and repository is not None:
            return 0  # which of its hooks is ours is not known
        sent = 0
        for one in await forge.failed_deliveries(repository, hook, now - _SENT_AGAIN):
            pause = min(_AGAIN_FIRST * 2.0 ** (one.attempts - 1), _AGAIN_LAST)
            if now - one.at < pause:
                continue
            # One whose answer was lost came all the same.
            if await asyncio.to_thread(self._store.has_delivery, forge.name, one.delivery):
                continue
            # One that is refused, as after the hook's address changed, must not hold up the others.
            if await _unless_refused(forge.send_again(one)):
                LOG.info("the delivery %s is sent again", one.delivery)
                sent += 1
        return sent


async def _unless_refused(asking: Awaitable[object]) -> bool:
    """Ask the forge for something that others do not depend on; return whether it was done."""
    try:
        await asking
    except (ForgeGoneError, ForgeRefusedError) as error:
        if isinstance(error, ForgeRefusedError) and error.wait:
            raise
        LOG.info("left until its next turn: %s", error)
        return False
    return True


class Turns:
    """The order of a forge's repositories: when each is due, within a share of the quota."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looked: dict[str, float] = {}
        # Those where something was on its way.
        self._soon: set[str] = set()
        self._listed = self._sent = -1e9
        self._allowed, self._at = _BURST, clock()

    def listing_due(self) -> bool:
        """Return whether the repositories are to be listed, each hour."""
        return self._clock() - self._listed >= _OTHERS

    def listed(self) -> None:
        """Record that they were."""
        self._listed = self._clock()

    def deliveries_due(self) -> bool:
        """Return whether failed deliveries are to be looked for, each five minutes."""
        return self._clock() - self._sent >= _UNFINISHED

    def sent_again(self) -> None:
        """Record that they were."""
        self._sent = self._clock()

    def next(self, known: Sequence[KnownRepository]) -> KnownRepository | None:
        """The repository that is due: one with an unfinished check first, then the longest unseen;
        null while none is."""
        self._looked = {one.name: at for one in known if (at := self._looked.get(one.name))}
        self._soon &= self._looked.keys()
        now = self._clock()

        def due(one: KnownRepository) -> float:
            pause = _FRESH if one.name in self._soon else _OTHERS
            # Of a busy repository something is always on its way.
            return self._looked.get(one.name, -1e9) + (_UNFINISHED if one.unfinished else pause)

        ready = [one for one in known if due(one) <= now]
        return min(ready, key=lambda one: (not one.unfinished, due(one)), default=None)

    def allowed(self, pause: float, count: int) -> bool:
        """Return whether another look may be taken: `pause` seconds for each request, or as many as
        `count` repositories need to be seen each day."""
        now = self._clock()
        pause = min(pause, _DAY / max(count, 1) / _REQUESTS)
        self._allowed = min(_BURST, self._allowed + (now - self._at) / pause)
        self._at = now
        if self._allowed < _REQUESTS:
            return False
        self._allowed -= _REQUESTS
        return True

    def looked(self, one: KnownRepository) -> None:
        """Record that a repository was looked at."""
        self._looked[one.name] = self._clock()
        self._soon.discard(one.name)

    def look_soon(self, one: KnownRepository) -> None:
        """Have a repository that was looked at seen again once what is on its way has come."""
        self._soon.add(one.name)


def is_missed(pull: OpenPull, newest: NewestCheck | None, since: str) -> bool:
    """Return whether an open pull request's head has no check that it should have.

    One without any that was last changed before its repository was ours to serve has none to have.
    """
    if newest is None:
        return _seconds(pull.updated) >= _seconds(since)
    if newest.stage == "stopped" and (newest.over or newest.problem == NEVER_STARTED):
        return True
    return (newest.head_sha, newest.base_ref) != (pull.head_sha, pull.base_ref)


def _key(place: tuple[str, str], number: int) -> PullRequestKey:
    return PullRequestKey(*place, number)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
