"""Comments and pushes that no webhook told of: found by asking the forge what is new.

A forge that keeps no list of failed deliveries, or shows it to others alone, sends nothing again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from bot.chat.commands import WORD
from bot.engine.found import comment_delivery, push_delivery
from bot.forge.events import moment
from bot.forge.protocol import Forge
from bot.forge.values import ForgeGoneError, ForgeRefusedError, OpenPull, PullRequestKey
from bot.store.records import NewDelivery
from bot.store.repositories import KnownRepository, NewestCheck, Repositories
from bot.store.store import utc_text

LOG = logging.getLogger(__name__)
# Of one look; those that were changed last come first.
_MOST_PULLS = 50
_MOST_BRANCHES = 20


class MissedEvents:
    """Finder of what is new in a repository since it was last looked at, but `fresh` seconds.

    Finding the same again makes the same delivery, which is stored once; a command that a webhook
    brought is not carried out again.
    """

    def __init__(self, repositories: Repositories, fresh: float) -> None:
        self._repositories = repositories
        self._fresh = fresh

    async def find(
        self,
        forge: Forge,
        repository: KnownRepository,
        pulls: Sequence[OpenPull],
        newest: dict[int, NewestCheck],
        started: float,
    ) -> list[NewDelivery]:
        """The deliveries of what is new by `started` (seconds since 1970)."""
        place = (forge.name, repository.name)
        looked = await asyncio.to_thread(self._repositories.looked, *place)
        until = utc_text(datetime.fromtimestamp(started - self._fresh, UTC))
        found: list[NewDelivery] = []
        try:
            found += await self._comments(forge, place, pulls, looked or repository.since, until)
            found += await self._pushes(forge, place, newest.values())
        except (ForgeGoneError, ForgeRefusedError) as error:
            if isinstance(error, ForgeRefusedError) and error.wait:
                raise
            LOG.info("what is new in %s is not for us to read: %s", repository.name, error)
        await asyncio.to_thread(self._repositories.look, *place, until)
        return found

    async def _comments(
        self,
        forge: Forge,
        place: tuple[str, str],
        pulls: Sequence[OpenPull],
        since: str,
        until: str,
    ) -> list[NewDelivery]:
        """Those with a command, on pull requests that have changed since then."""
        changed = sorted(
            (pull for pull in pulls if moment(pull.updated) >= moment(since)),
            key=lambda pull: pull.updated,
            reverse=True,
        )
        if len(changed) > _MOST_PULLS:
            LOG.warning(
                "%s: comments of %d pull requests are not looked for, the %d that were changed last"
                " are",
                place[1],
                len(changed) - _MOST_PULLS,
                _MOST_PULLS,
            )
        found = []
        for pull in changed[:_MOST_PULLS]:
            key = PullRequestKey(*place, pull.number)
            found += [
                comment_delivery(comment)
                for comment in await forge.comments_since(key, since)
                if WORD in comment.body and moment(comment.updated) < moment(until)
            ]
        return found

    async def _pushes(
        self, forge: Forge, place: tuple[str, str], checks: Iterable[NewestCheck]
    ) -> list[NewDelivery]:
        """The moves of the branches that open pull requests go into, away from where we know them
        to be."""
        known = {
            one.base_ref: one.base_sha
            for one in sorted(checks, key=lambda one: one.created)
            if not one.over and one.base_ref and one.base_sha
        }
        found = []
        for branch, before in list(known.items())[:_MOST_BRANCHES]:
            read = await asyncio.to_thread(self._repositories.branch_read, *place, branch)
            moved = await forge.moved(place[1], branch, read or before)
            if moved is not None:
                found.append(push_delivery(moved))
        return found
