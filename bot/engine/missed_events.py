"""Deliveries that the bot makes itself for events of which no webhook came; stored like others,
once for each name. Comments and pushes are found by polling: a forge without a list of failed
deliveries, or one that the bot may not read, sends none again.

A push to a base branch can make checks of open pull requests out of date. A check compares the head
with the merge base, and reads `.minimize.yaml` at the branch's tip. So a push matters if it changes
that file, or the merge base of a pull request (some of its commits are in the branch now).
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Literal

from bot.chat.commands import WORD
from bot.engine.merged import mirror_of
from bot.engine.outcome import in_thread
from bot.errors import SurroundingsError
from bot.forge.events import CommentEvent, Event, PushEvent, moment
from bot.forge.protocol import Forge
from bot.forge.values import (
    ForgeGoneError,
    ForgeRefusedError,
    OpenPull,
    PullRequestEvent,
    PullRequestKey,
)
from bot.git.mirror import GitMirror
from bot.model.result import REPOSITORY_FILE
from bot.settings.values import Settings
from bot.store.records import NewDelivery
from bot.store.repositories import KnownRepository, NewestCheck, Repositories
from bot.store.store import Store, utc_text

FOUND_EVENT = "minimize found"
FOUND_COMMENT = "minimize found comment"
FOUND_PUSH = "minimize found push"
FOUND_EVENTS = (FOUND_EVENT, FOUND_COMMENT, FOUND_PUSH)
# `found`: a head without a check, or a closed pull request; `base moved`: a base branch that moved.
FoundAction = Literal["found", "base moved"]


def found_delivery(
    key: PullRequestKey,
    head_sha: str,
    base_ref: str,
    action: FoundAction,
    *,
    base_sha: str = "",
    at: float,
) -> NewDelivery:
    """A delivery about a pull request; equal ones within a clock hour (of `at`, seconds since 1970)
    have the same name.

    `base_sha` is the commit that the base branch has moved to.
    """
    hour = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H")
    name = f"{action} {key.repository}#{key.number} {head_sha} {base_ref} {base_sha or hour}"
    body = {
        "repository": key.repository,
        "number": key.number,
        "head_sha": head_sha,
        "base_ref": base_ref,
        "action": action,
        "base_sha": base_sha,
    }
    return NewDelivery(key.forge, FOUND_EVENT, name, json.dumps(body).encode())


def comment_delivery(comment: CommentEvent) -> NewDelivery:
    """A delivery about a comment; its name is the same until the comment is edited."""
    name = f"comment {comment.key.repository}#{comment.key.number} {comment.comment}"
    body = json.dumps(asdict(comment)).encode()
    return NewDelivery(comment.key.forge, FOUND_COMMENT, f"{name} {comment.updated}", body)


def push_delivery(push: PushEvent) -> NewDelivery:
    """A delivery about a branch that moved; the same move has the same name."""
    name = f"push {push.repository} {push.branch} {push.before} {push.after}"
    return NewDelivery(push.forge, FOUND_PUSH, name, json.dumps(asdict(push)).encode())


def found_event(forge: str, event: str, body: bytes) -> Event:
    """The event of a delivery that the functions above made."""
    data = json.loads(body)
    if event == FOUND_COMMENT:
        return CommentEvent(**{**data, "key": PullRequestKey(**data["key"])})
    if event == FOUND_PUSH:
        return PushEvent(**data)
    key = PullRequestKey(forge, data["repository"], data["number"])
    return PullRequestEvent(
        key,
        "check",
        data["head_sha"],
        data["action"],
        base_ref=data["base_ref"],
        base_sha=data["base_sha"],
    )


LOG = logging.getLogger(__name__)
# Limits of one look, most recently changed first.
_MOST_PULLS = 50
_MOST_BRANCHES = 20


class MissedEvents:
    """Finder of new comments and pushes in a repository since the last look, except those of the
    last `fresh` seconds.

    Finding one again makes the same delivery, which is stored once; a command that came by a
    webhook too is executed once.
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
        """The deliveries for what is new at the time `started` (seconds since 1970)."""
        place = (forge.name, repository.name)
        looked = await asyncio.to_thread(self._repositories.read_until, *place)
        until = utc_text(datetime.fromtimestamp(started - self._fresh, UTC))
        deliveries: list[NewDelivery] = []
        try:
            deliveries += await self._comments(
                forge, place, pulls, looked or repository.since, until
            )
            deliveries += await self._pushes(forge, place, newest.values())
        except (ForgeGoneError, ForgeRefusedError) as error:
            if isinstance(error, ForgeRefusedError) and error.wait:
                raise
            LOG.info("events of %s cannot be read: %s", repository.name, error)
        await asyncio.to_thread(self._repositories.record_read_until, *place, until)
        return deliveries

    async def _comments(
        self,
        forge: Forge,
        place: tuple[str, str],
        pulls: Sequence[OpenPull],
        since: str,
        until: str,
    ) -> list[NewDelivery]:
        """The deliveries of comments with a command on pull requests changed after `since`."""
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
        deliveries = []
        for pull in changed[:_MOST_PULLS]:
            key = PullRequestKey(*place, pull.number)
            deliveries += [
                comment_delivery(comment)
                for comment in await forge.comments_since(key, since)
                if WORD in comment.body and moment(comment.updated) < moment(until)
            ]
        return deliveries

    async def _pushes(
        self, forge: Forge, place: tuple[str, str], checks: Iterable[NewestCheck]
    ) -> list[NewDelivery]:
        """The deliveries of moves of open pull requests' base branches since their last known
        tips."""
        tips = {
            check.base_ref: check.base_sha
            for check in sorted(checks, key=lambda one: one.created)
            if not check.over and check.base_ref and check.base_sha
        }
        deliveries = []
        for branch, before in list(tips.items())[:_MOST_BRANCHES]:
            tip = await asyncio.to_thread(self._repositories.branch_read, *place, branch)
            push = await forge.moved(place[1], branch, tip or before)
            if push is not None:
                deliveries.append(push_delivery(push))
        return deliveries


class MovedBases:
    """Finder of the checks that a push makes out of date; handling a push twice finds the same."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._repositories = Repositories(store)
        self._settings = settings

    async def take(self, forge: Forge, event: PushEvent) -> int:
        """Store deliveries that restart checks that a push makes out of date; return their
        number."""
        if not event.after.strip("0"):
            return 0
        checks = await asyncio.to_thread(self._checks, event)
        if not checks:
            return 0
        pulls = {
            pull.number: pull
            for pull in await forge.open_pulls(event.repository)
            if pull.base_ref == event.branch
        }
        current = [c for c in checks if _is_current(c, pulls.get(c.number), event.after)]
        if not current:
            return 0
        keys = [PullRequestKey(event.forge, event.repository, check.number) for check in current]
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
        deliveries = [_moved(check, event) for check in stale]
        if deliveries:
            await asyncio.to_thread(self._store.add_deliveries, deliveries)
        return len(deliveries)

    def _checks(self, event: PushEvent) -> list[NewestCheck]:
        """The newest check of each open pull request into the branch, except stopped ones."""
        newest = self._repositories.newest_checks(event.forge, event.repository)
        open_checks = (
            check for check in newest.values() if check.base_ref == event.branch and not check.over
        )
        return [check for check in open_checks if check.stage != "stopped"]


def _is_current(check: NewestCheck, pull: OpenPull | None, tip: str) -> bool:
    return pull is not None and pull.head_sha == check.head_sha and check.base_sha != tip


def out_of_date(
    mirror: GitMirror, event: PushEvent, checks: Iterable[tuple[NewestCheck, tuple[str, ...]]]
) -> list[NewestCheck]:
    """Those of `checks`, each with the refs of its commits, that a push makes out of date."""
    files: dict[str, bool] = {}
    stale = []
    for check, refs in checks:
        before = mirror.fetch(check.head_sha, check.base_sha, refs=refs)
        after = mirror.fetch(check.head_sha, event.after, refs=refs)
        if check.base_sha not in files:
            files[check.base_sha] = _changes_file(mirror, check.base_sha, event.after)
        if files[check.base_sha] or before != after:
            stale.append(check)
    return stale


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
