"""A base branch that moved: which checks of open pull requests it makes out of date.

Both sides of a check are compared from the merge base; of the branch's tip it reads
`.minimize.yaml`. So a push matters where it changes that file, or the merge base of a pull request
(commits of its own, or of one that it builds on, are in the branch now).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from bot.engine.found import found_delivery
from bot.engine.merged import mirror_of
from bot.engine.outcome import in_thread
from bot.errors import SurroundingsError
from bot.forge.events import PushEvent
from bot.forge.protocol import Forge
from bot.forge.values import OpenPull, PullRequestKey
from bot.git.mirror import GitMirror
from bot.model.result import REPOSITORY_FILE
from bot.settings.values import Settings
from bot.store.records import NewDelivery
from bot.store.repositories import NewestCheck, Repositories
from bot.store.store import Store


class MovedBases:
    """Finder of the checks that a push makes out of date; the same push again finds the same."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._repositories = Repositories(store)
        self._settings = settings

    async def take(self, forge: Forge, event: PushEvent) -> int:
        """Have the checks started anew that a push makes out of date; return their number."""
        if not event.after.strip("0"):
            return 0
        checks = await asyncio.to_thread(self._checks, event)
        if not checks:
            return 0
        pulls = {
            one.number: one
            for one in await forge.open_pulls(event.repository)
            if one.base_ref == event.branch
        }
        current = [c for c in checks if _is_current(c, pulls.get(c.number), event.after)]
        if not current:
            return 0
        keys = [PullRequestKey(event.forge, event.repository, one.number) for one in current]
        sources = [await forge.source(key, event.branch) for key in keys]
        mirror, limit = mirror_of(sources[0], self._settings), self._settings.limits.fetch_seconds
        refs = [tuple(source.refs) for source in sources]
        try:
            stale = await in_thread(
                limit, lambda: out_of_date(mirror, event, list(zip(current, refs, strict=True)))
            )
        except TimeoutError as error:
            raise SurroundingsError(
                f"What was pushed to {event.branch} of {event.repository} could not be fetched"
                f" within {limit:.0f} s."
            ) from error
        found = [_moved(check, event) for check in stale]
        if found:
            await asyncio.to_thread(self._store.add_deliveries, found)
        return len(found)

    def _checks(self, event: PushEvent) -> list[NewestCheck]:
        """The newest check of each pull request into the branch, but those that were stopped."""
        newest = self._repositories.newest_checks(event.forge, event.repository)
        ours = (one for one in newest.values() if one.base_ref == event.branch and not one.over)
        return [one for one in ours if one.stage != "stopped"]


def _is_current(check: NewestCheck, pull: OpenPull | None, tip: str) -> bool:
    return pull is not None and pull.head_sha == check.head_sha and check.base_sha != tip


def out_of_date(
    mirror: GitMirror, event: PushEvent, checks: Iterable[tuple[NewestCheck, tuple[str, ...]]]
) -> list[NewestCheck]:
    """Those of `checks`, each with the refs of its commits, that read what a push has changed."""
    files: dict[str, bool] = {}
    found = []
    for check, refs in checks:
        before = mirror.fetch(check.head_sha, check.base_sha, refs=refs)
        after = mirror.fetch(check.head_sha, event.after, refs=refs)
        if check.base_sha not in files:
            files[check.base_sha] = _changes_file(mirror, check.base_sha, event.after)
        if files[check.base_sha] or before != after:
            found.append(check)
    return found


def _changes_file(mirror: GitMirror, before: str, after: str) -> bool:
    return mirror.read(before, REPOSITORY_FILE) != mirror.read(after, REPOSITORY_FILE)


def _moved(check: NewestCheck, event: PushEvent) -> NewDelivery:
    key = PullRequestKey(event.forge, event.repository, check.number)
    return found_delivery(
        key,
        check.head_sha,
        check.base_ref,
        "base moved",
        base_sha=event.after,
        at=time.time(),
    )
