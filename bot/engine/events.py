"""Handling of events: checks start, stop or wait for their quota, and merges are recorded. Other
events: re-runs, ends of other checks, merge queues, and added or removed repositories."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from bot.engine.desired import Phase
from bot.engine.engine import Engine
from bot.engine.job import job_of_head, run_id
from bot.engine.merged import MergedChanges, mirror_of
from bot.engine.missed_events import FOUND_EVENT
from bot.engine.publishing import Publisher
from bot.engine.quotas import Excess, QuotaError, Quotas
from bot.engine.runs import Runs
from bot.forge.events import (
    MERGE_GROUP_CHECK,
    ChecksEvent,
    MergeGroupEvent,
    RepositoriesEvent,
    RerunEvent,
)
from bot.forge.protocol import Forge
from bot.forge.values import (
    ForgeFile,
    ForgeGoneError,
    ForgeRefusedError,
    ForgeTooLargeError,
    PullRequest,
    PullRequestEvent,
    PullRequestKey,
    StatusReport,
)
from bot.settings.values import Settings
from bot.store.proposals import Proposals
from bot.store.records import CheckRecord, Delivery
from bot.store.repositories import Repositories
from bot.store.store import Store

LOG = logging.getLogger(__name__)
# Actions that start no check if the head has one that was not stopped.
_NO_NEWS = ("ready_for_review", "found", "base moved")
_FRESH = 30.0  # seconds for which a forge's API may lag behind its webhooks
Locks = Mapping[PullRequestKey, asyncio.Lock]


class PullEvents:
    """Handler of events about pull requests; `locks` serialises those of the same one."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        runs: Runs,
        settings: Settings,
        merged_changes: MergedChanges,
        locks: Locks,
        *,
        lag: float,
    ) -> None:
        """`lag` is the seconds before a forge that is behind an event is queried again."""
        self._engine = engine
        self._runs = runs
        self._settings = settings
        self._merged_changes = merged_changes
        self._locks = locks
        self._lag = lag
        self._quotas = Quotas(store, settings.limits)
        self._repositories = Repositories(store)
        self._proposals = Proposals(store)

    async def take(
        self, forge: Forge, event: PullRequestEvent, delivery: Delivery
    ) -> tuple[bool, str]:
        """Handle an event; return whether it had an effect, and a sentence for the log.

        Raises QuotaError if the check has to wait for its quota.
        """
        if event.wish == "stop":
            async with self._locks[event.key]:
                if event.merged:
                    return await self._handle_merge(forge, await forge.pull_request(event.key))
                stopped = await self._handle_close(event.key, event.head_sha)
                return True, f"{event.key} was closed: {stopped} runs stopped."
        # Before the lock: waiting for a forge that lags must not block newer deliveries.
        pull = await self._current_pull(forge, event, delivery)
        lock = self._locks[event.key]
        behind = lock.locked()
        async with lock:
            if behind:
                pull = await forge.pull_request(event.key)
            await self._end_hold(event, delivery, pull)
            if pull.merged:
                return await self._handle_merge(forge, pull)
            if event.base_sha:
                # The forge may still report the tip of the last push to the pull request.
                pull = replace(pull, base_sha=event.base_sha)
            return await self._check(event, delivery, pull)

    async def _handle_close(self, key: PullRequestKey, sha: str) -> int:
        """Stop the runs of a pull request that was closed; return their number."""
        await self._engine.publisher.closed(key, sha)
        stopped = await self._runs.stop(key, "The pull request was closed.")
        await asyncio.to_thread(self._repositories.record_over, *key.parts)
        await asyncio.to_thread(self._proposals.settle, key.parts)
        return stopped

    async def _handle_merge(self, forge: Forge, pull: PullRequest) -> tuple[bool, str]:
        """Record a merge. A check of its head goes on: it measures the merged change."""
        await self._runs.stop(pull.key, "The pull request was merged.", keep=pull.head_sha)
        files = await changed_files(forge, pull, self._settings)
        await asyncio.to_thread(self._repositories.record_over, *pull.key.parts)
        recorded = await asyncio.to_thread(self._merged_changes.merged, pull, files)
        await asyncio.to_thread(self._proposals.settle, pull.key.parts)
        if recorded:
            return True, f"{pull.key} was merged: recorded as {pull.merge_sha[:12]}."
        return False, f"{pull.key} was merged, and changed no package."

    async def _check(
        self, event: PullRequestEvent, delivery: Delivery, pull: PullRequest
    ) -> tuple[bool, str]:
        key = event.key
        if not pull.open:
            stopped = await self._handle_close(key, pull.head_sha)
            return stopped > 0, f"{key} is closed by now."
        await asyncio.to_thread(self._repositories.restore, key.forge, key.repository)
        check = run_id(key, pull.head_sha, delivery.delivery)
        pusher = event.pusher if event.head_sha == pull.head_sha else ""
        for record in await self._runs.of(key):
            same = record.head_sha == pull.head_sha and record.base_ref == pull.base_ref
            # A check that began before its pusher was known may have trusted another account.
            same = same and pusher in ("", record.pusher, pull.author)
            same = same and event.base_sha in ("", record.base_sha)
            settled = record.stage != "stopped" and event.action in _NO_NEWS
            if record.id != check and same and (record.open or settled):
                return False, f"{record.id} has this head commit already."
        excess = await asyncio.to_thread(self._quotas.of_check, pull)
        if excess is not None:
            await self._hold(pull, check, excess)
        job = await self._runs.start(pull, delivery.delivery, delivery.received, pusher=pusher)
        return True, f"{job.id} started."

    async def _hold(self, pull: PullRequest, check: str, excess: Excess) -> None:
        """Set the status of a check that waits for its quota, and raise QuotaError."""
        # The delivery is tried again then, and checks the head of that time.
        job, publisher = job_of_head(check, pull.key, pull), self._engine.publisher
        await publisher.begin(job)
        await publisher.status(job, Phase.QUEUED, "pending", excess.sentence, excess.sentence)
        raise QuotaError(excess)

    async def _end_hold(
        self, event: PullRequestEvent, delivery: Delivery, pull: PullRequest
    ) -> None:
        """Conclude the status of a commit whose check waited for its quota and is obsolete."""
        newest = event.head_sha in ("", pull.head_sha)
        # Only a postponed delivery has waited.
        if delivery.reason is None or (newest and pull.open):
            return
        old_pull = replace(pull, head_sha=event.head_sha or pull.head_sha)
        check = run_id(event.key, old_pull.head_sha, delivery.delivery)
        title, reason = "Superseded", f"{pull.head_sha[:12]} is the head now."
        if newest:
            title, reason = "Not checked", "The pull request is not open any more."
        job = job_of_head(check, event.key, old_pull)
        await self._engine.publisher.end_hold(job, "neutral", title, reason)

    async def _current_pull(
        self, forge: Forge, event: PullRequestEvent, delivery: Delivery
    ) -> PullRequest:
        """The forge's pull request, requested again if it may be older than the event."""
        pull = await forge.pull_request(event.key)
        for _ in range(0 if delivery.event == FOUND_EVENT else 2):
            same_base = event.base_ref in ("", pull.base_ref)
            if (pull.head_sha == event.head_sha and same_base) or age_of(delivery) > _FRESH:
                break
            await asyncio.sleep(self._lag)
            pull = await forge.pull_request(event.key)
        return pull


def age_of(delivery: Delivery) -> float:
    """The seconds since a delivery was received."""
    return time.time() - datetime.fromisoformat(delivery.received).timestamp()


async def changed_files(
    forge: Forge, pull: PullRequest, settings: Settings
) -> tuple[ForgeFile, ...]:
    """The files that `pull` changes, from its merge base to its head.

    If the forge refuses to list so many, the commits are fetched. Raises the errors of both.
    """
    try:
        return await forge.changed_files(pull.key)
    except ForgeTooLargeError as error:
        LOG.info("%s Git lists them.", error)
    source = await forge.source(pull.key, pull.base_ref)
    mirror = mirror_of(source, settings)

    def look() -> Iterable[ForgeFile]:
        base = mirror.fetch(pull.head_sha, pull.base_sha, refs=source.refs)
        for file in mirror.changed_files(base, pull.head_sha):
            yield ForgeFile(file.path, file.old_path)

    return await asyncio.to_thread(lambda: tuple(look()))


# The queue's commit merges several pull requests, each checked separately.
MERGE_GROUP_TITLE = "Checked on its pull requests"


async def rerun_of(store: Store, forge: Forge, event: RerunEvent) -> PullRequestEvent | None:
    """The pull request whose check shall run again, or None if the check is not the bot's.

    Found by the id in the bot's status, as the forge names no pull request for a fork's commit.
    Another App may have written that id, so a check of another repository is never taken, except if
    this repository has been renamed.
    """
    record = await asyncio.to_thread(_record, store, event)
    if record is None:
        return None
    key = PullRequestKey(event.forge, event.repository, record.number)
    if record.repository != event.repository and not await _is_same_pull(forge, record, key):
        return None
    return PullRequestEvent(key, "check", event.head_sha, "rerequested")


def _record(store: Store, event: RerunEvent) -> CheckRecord | None:
    if event.check is None:
        commit = (event.forge, event.repository, event.head_sha)
        return store.newest_check_of_commit(*commit) or store.newest_check_of_commit(
            event.forge, None, event.head_sha
        )
    check = store.check(event.check)
    same = check is not None and (check.forge, check.head_sha) == (event.forge, event.head_sha)
    return check if same else None


async def _is_same_pull(forge: Forge, record: CheckRecord, key: PullRequestKey) -> bool:
    """Return whether the check's former repository name redirects to the same pull request."""
    old_key = PullRequestKey(record.forge, record.repository, record.number)
    try:
        before, after = await forge.pull_request(old_key), await forge.pull_request(key)
    except (ForgeGoneError, ForgeRefusedError):
        return False  # missing or not readable: unknown
    return bool(before.url) and before.url == after.url


async def wake_waiting(
    store: Store, engine: Engine, event: ChecksEvent, delivery: str
) -> tuple[bool, str]:
    """Wake the runs that wait for this check; return whether any did, and a sentence for the
    log."""
    records = await asyncio.to_thread(store.open_checks)
    commit = (event.forge, event.repository, event.head_sha)
    runs = [
        record.id
        for record in records
        if (record.forge, record.repository, record.head_sha) == commit
        and await engine.wake(record.id, event.names, delivery)
    ]
    if not runs:
        return False, f"No run waits for such a check of {event.head_sha[:12]}."
    return True, f"{', '.join(runs)} looks at the check."


async def answer_merge_group(publisher: Publisher, event: MergeGroupEvent, delivery: str) -> None:
    """Set the status of a merge queue's commit: a required status that never comes would block the
    queue. A repeated request gets a new status."""
    suffix = f"-{delivery}" if event.again else ""
    report = StatusReport(
        check=f"{MERGE_GROUP_CHECK}{event.head_sha}{suffix}",
        state="success",
        title=MERGE_GROUP_TITLE,
        summary="Each pull request of the queue has its own check; the merged commit has no other.",
    )
    await publisher.merge_group(event.key, event.head_sha, event.base_ref, report)


async def repositories_changed(
    store: Store, publisher: Publisher, runs: Runs, event: RepositoriesEvent
) -> str:
    """Record added and removed repositories; stop the checks of removed ones and drop their desired
    states. Return a sentence for the log."""
    repositories = Repositories(store)
    for name in event.removed:
        await asyncio.to_thread(repositories.remove, event.forge, name)
        for record in await asyncio.to_thread(store.open_checks):
            if (record.forge, record.repository) == (event.forge, name):
                key = PullRequestKey(record.forge, record.repository, record.number)
                await runs.stop(key, "The repository is no longer there for the bot.")
        await publisher.forget_repository(event.forge, name)
    await asyncio.to_thread(Proposals(store).settle_gone)
    await asyncio.to_thread(repositories.add, event.forge, event.added)
    return f"Repositories: {len(event.added)} added, {len(event.removed)} removed."
