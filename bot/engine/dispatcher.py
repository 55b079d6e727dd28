"""From deliveries to runs: each new delivery is handled once: runs start, stop, or it is ignored.

Deliveries are on disk before this sees them; a crash at any point here leads to the same runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial

from bot.engine.changed_files import changed_files
from bot.engine.conversation import Conversation
from bot.engine.desired import Phase
from bot.engine.engine import Engine
from bot.engine.found import FOUND_EVENT, FOUND_EVENTS, found_event
from bot.engine.job import job_of_head, run_id
from bot.engine.merged import MergedChanges, Pushes
from bot.engine.moved_base import MovedBases
from bot.engine.other_events import (
    answer_merge_group,
    repositories_changed,
    rerun_of,
    wake_waiting,
)
from bot.engine.quotas import Excess, QuotaError, Quotas
from bot.engine.runs import Runs
from bot.errors import MinimizeError
from bot.forge.events import (
    ChecksEvent,
    CommentEvent,
    Event,
    MergeGroupEvent,
    PushEvent,
    RepositoriesEvent,
    RerunEvent,
)
from bot.forge.protocol import Forge
from bot.forge.values import (
    ForgeDeniedError,
    ForgeError,
    ForgeGoneError,
    ForgeRefusedError,
    IgnoredEvent,
    PullRequest,
    PullRequestEvent,
    PullRequestKey,
)
from bot.settings.values import Settings
from bot.store.deliveries import GroupWriter, settle_delivery
from bot.store.records import Delivery, DeliveryState
from bot.store.repositories import Repositories
from bot.store.store import Store, now
from bot.telemetry.context import working_on
from bot.telemetry.metrics import DELIVERIES
from bot.telemetry.traces import record_root, span

LOG = logging.getLogger(__name__)
_IDLE = 1.0
_GATHER = 0.03  # seconds between two looks at the store
# Of a delivery that a mistake of the bot's own holds up.
_ATTEMPTS = 8
# Misses, each a day apart, after which what a delivery is about is gone.
_MISSES = 3
_LONGEST_REFUSED = 6 * 3600.0  # seconds between tries of what a forge refuses
_AT_ONCE = 50  # deliveries in hand
# Actions that start no check of a head that has one with a result.
_NO_NEWS = ("ready_for_review", "found", "base moved")
_FRESH = 30.0  # seconds in which a forge's API may lag behind its webhook


class Dispatcher:
    """Handler of new deliveries; call `wake` when there is one."""

    def __init__(
        self,
        store: Store,
        forges: Mapping[str, Forge],
        engine: Engine,
        settings: Settings,
        merged_changes: MergedChanges,
        *,
        lag: float = 1.0,
        writer: GroupWriter | None = None,
    ) -> None:
        """`writer` writes outcomes together with new deliveries; without one each is written by
        itself. `lag` is the seconds after which a forge is asked again."""
        self._writer = writer
        self._store = store
        self._forges = forges
        self._engine = engine
        self._runs = Runs(store, engine, settings)
        self._quotas = Quotas(store, settings.limits)
        self._conversation = Conversation(store, engine, self._runs, settings)
        self._merged_changes = merged_changes
        self._settings = settings
        self._pushes = Pushes(settings, merged_changes)
        self._moved_bases = MovedBases(store, settings)
        self._repositories = Repositories(store)
        # By the monotonic clock: when a forge last had what a delivery was about.
        self._answered: dict[str, float] = {}
        self._lag = lag
        self._woken = asyncio.Event()
        self._locks: defaultdict[PullRequestKey, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._handling: dict[int, asyncio.Task[None]] = {}

    def wake(self) -> None:
        """Signal that a delivery has been stored."""
        self._woken.set()

    async def run(self) -> None:
        """Handle new deliveries without end; those that a crash left are new as well."""
        try:
            while True:
                self._woken.clear()
                try:
                    started = await self._start_new()
                except Exception:
                    # The store or the engine may be back in the next round, which must come.
                    LOG.exception("new deliveries could not be looked at")
                    started = 0
                    await asyncio.sleep(_IDLE)
                if not started:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_IDLE):
                            await self._woken.wait()
                # Each write of new ones wakes: what comes meanwhile is looked at together.
                await asyncio.sleep(_GATHER)
        finally:
            await self._give_back()

    async def handle_new(self) -> int:
        """Handle the deliveries that are due now, some at a time; return their number."""
        started = await self._start_new()
        await asyncio.gather(*self._handling.values())
        return started

    async def _start_new(self) -> int:
        """Begins with what is due, beside what is in hand: a forge that is slow must not hold up
        the others. How many were begun."""
        if not self._handling:
            # Nobody waits for one now.
            self._locks.clear()
        most = _AT_ONCE - len(self._handling)
        if most <= 0:
            return 0
        # What ends while the store is read may still be listed.
        in_hand = set(self._handling)
        fresh = await asyncio.to_thread(self._store.new_deliveries, most, without=in_hand)
        for delivery in fresh:
            task = asyncio.create_task(self._handle(delivery))
            self._handling[delivery.id] = task
            task.add_done_callback(partial(self._over, delivery.id))
        return len(fresh)

    def _over(self, delivery: int, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            # The store does not have its outcome: again, and not at once.
            LOG.error("delivery %d could not be settled", delivery, exc_info=task.exception())
            asyncio.get_running_loop().call_later(_IDLE, self._handling.pop, delivery, None)
            return
        full = len(self._handling) >= _AT_ONCE
        self._handling.pop(delivery, None)
        if full:
            self.wake()

    async def _give_back(self) -> None:
        """Cancel the deliveries in work: they are still new, and the next start finds them."""
        for task in self._handling.values():
            task.cancel()
        await asyncio.gather(*self._handling.values(), return_exceptions=True)

    async def _handle(self, delivery: Delivery) -> None:
        """Handle one delivery to its end or its next try, and record the outcome."""
        with working_on(delivery=delivery.delivery), span("handle", {"event": delivery.event}):
            await self._handle_now(delivery)

    async def _handle_now(self, delivery: Delivery) -> None:
        try:
            done, reason = await self._decide(delivery)
            self._answered[delivery.forge] = time.monotonic()
            await self._settle(delivery, "done" if done else "ignored", reason)
            LOG.info("delivery %s (%s): %s", delivery.delivery, delivery.event, reason)
        except ForgeDeniedError as error:
            # A revoked token, a permission that is not granted yet: it is put right some day.
            await self._again(delivery, str(error), longest=_LONGEST_REFUSED, over=False)
        except (ForgeGoneError, ForgeRefusedError) as error:
            await self._missed(delivery, error)
        except QuotaError as error:
            await asyncio.to_thread(
                self._store.postpone_delivery, delivery.id, str(error), error.seconds, counted=False
            )
        except ForgeError as error:
            # Who comes back is asked soon, in the first hour.
            longest = 20.0 if _age(delivery) < 3600 else 300.0
            await self._again(delivery, str(error), error.wait, longest=longest, over=False)
        except MinimizeError as error:
            await self._again(delivery, str(error), over=False)
        except Exception:
            # One bad delivery must not stop the others.
            LOG.exception("delivery %s could not be handled", delivery.delivery)
            await self._again(delivery, "A mistake of the bot's own; its log has it.")

    async def _missed(self, delivery: Delivery, error: Exception) -> None:
        """Look again for what the forge does not have; three days of it, while it has other things,
        are enough, and a repository that was taken from us at once."""
        forge = self._forges[delivery.forge]
        place = repository_of(forge, delivery)
        gone = await asyncio.to_thread(self._repositories.is_gone, delivery.forge, place)
        if gone:
            await self._settle(delivery, "ignored", f"{place} is no longer there for the bot.")
            return
        answers = time.monotonic() - self._answered.get(delivery.forge, -1e9) < 86_400
        over = delivery.misses >= _MISSES and answers
        await self._again(delivery, str(error), longest=_LONGEST_REFUSED, over=over, missed=True)

    async def _settle(self, delivery: Delivery, state: DeliveryState, reason: str) -> None:
        """Record the outcome; in one write with many others' where there is a writer."""
        DELIVERIES.labels(delivery.forge, state).inc()
        came = datetime.fromisoformat(delivery.received).timestamp()
        about = {"event": delivery.event, "forge": delivery.forge, "outcome": state}
        record_root("delivery", delivery.delivery, came, time.time(), about)
        if self._writer is None:
            await asyncio.to_thread(self._store.settle_delivery, delivery.id, state, reason)
            return
        handled = now()
        await self._writer.write(
            lambda db: settle_delivery(db, delivery.id, state, reason, handled)
        )

    async def _again(
        self,
        delivery: Delivery,
        reason: str,
        wait: float = 0,
        *,
        longest: float = 900.0,
        over: bool | None = None,
        missed: bool = False,
    ) -> None:
        """Postpone a delivery, `longest` seconds at most, or longer where the forge says so.

        It is given up where it is `over`; null: after its last attempt.
        """
        if delivery.attempts + 1 >= _ATTEMPTS if over is None else over:
            LOG.error("delivery %s is given up: %s", delivery.delivery, reason)
            await self._settle(delivery, "failed", reason)
            return
        DELIVERIES.labels(delivery.forge, "postponed").inc()
        LOG.warning("delivery %s, again later: %s", delivery.delivery, reason)
        pause = max(min(2.0 * 3.0 ** min(delivery.attempts, 20), longest), min(wait, 4000.0))
        await asyncio.to_thread(
            self._store.postpone_delivery, delivery.id, reason, pause, missed=missed
        )

    async def _decide(self, delivery: Delivery) -> tuple[bool, str]:
        """Act on a delivery; return whether it had an effect, and a sentence for the log."""
        forge = self._forges.get(delivery.forge)
        if forge is None:
            return False, f"The settings no longer have a forge {delivery.forge}."
        event = _event(forge, delivery)
        if isinstance(event, PullRequestEvent):
            return await self._about_pull(forge, event, delivery)
        if isinstance(event, ChecksEvent):
            return await wake_waiting(self._store, self._engine, event, delivery.delivery)
        return await self._about_other(forge, event, delivery)

    async def _about_pull(
        self, forge: Forge, event: PullRequestEvent, delivery: Delivery
    ) -> tuple[bool, str]:
        if event.wish == "stop":
            async with self._locks[event.key]:
                if event.merged:
                    return await self._merged(forge, await forge.pull_request(event.key))
                stopped = await self._closed(event.key, event.head_sha)
                return True, f"{event.key} was closed: {stopped} runs stopped."
        # Waiting for a forge that lags must not hold up the newer deliveries of the same one.
        pull = await self._as_it_is_now(forge, event, delivery)
        lock = self._locks[event.key]
        behind = lock.locked()
        async with lock:
            if behind:
                pull = await forge.pull_request(event.key)
            if pull.merged:
                return await self._merged(forge, pull)
            if event.base_sha:
                # The forge's own may be that of the last push to the pull request.
                pull = replace(pull, base_sha=event.base_sha)
            return await self._check(event, delivery, pull)

    async def _closed(self, key: PullRequestKey, sha: str) -> int:
        """Stop the runs of a pull request that was closed; return their number."""
        await self._engine.publisher.closed(key, sha)
        stopped = await self._runs.stop(key, "The pull request was closed.")
        await asyncio.to_thread(self._repositories.over, *key.parts)
        return stopped

    async def _merged(self, forge: Forge, pull: PullRequest) -> tuple[bool, str]:
        """Record a merge. A check of its head goes on: it measures the merged change."""
        await self._runs.stop(pull.key, "The pull request was merged.", keep=pull.head_sha)
        files = await changed_files(forge, pull, self._settings)
        await asyncio.to_thread(self._repositories.over, *pull.key.parts)
        if await asyncio.to_thread(self._merged_changes.merged, pull, files):
            return True, f"{pull.key} was merged: recorded as {pull.merge_sha[:12]}."
        return False, f"{pull.key} was merged, and changed no package."

    async def _about_other(
        self, forge: Forge, event: Event, delivery: Delivery
    ) -> tuple[bool, str]:
        if isinstance(event, IgnoredEvent):
            return False, event.reason
        if isinstance(event, RerunEvent):
            return await self._rerun(forge, event, delivery)
        if isinstance(event, MergeGroupEvent):
            await answer_merge_group(self._engine.publisher, event, delivery.delivery)
            return True, f"The merge queue's commit {event.head_sha[:12]} has its status."
        if isinstance(event, RepositoriesEvent):
            publisher = self._engine.publisher
            return True, await repositories_changed(self._store, publisher, self._runs, event)
        if isinstance(event, PushEvent):
            return await self._pushed(forge, event, delivery)
        assert isinstance(event, CommentEvent)
        async with self._locks[event.key]:
            return await self._conversation.handle(forge, event, delivery)

    async def _rerun(self, forge: Forge, event: RerunEvent, delivery: Delivery) -> tuple[bool, str]:
        again = await rerun_of(self._store, forge, event)
        if again is None:
            return False, f"No check of {event.repository} is the one to run again."
        return await self._about_pull(forge, again, delivery)

    async def _pushed(self, forge: Forge, event: PushEvent, delivery: Delivery) -> tuple[bool, str]:
        begun = await self._moved_bases.take(forge, event)
        done, sentence = await self._pushes.take(forge, event, delivery.received)
        checks = f" {begun} checks begin again." if begun else ""
        return done or begun > 0, sentence + checks

    async def _check(
        self, event: PullRequestEvent, delivery: Delivery, pull: PullRequest
    ) -> tuple[bool, str]:
        key = event.key
        if not pull.open:
            stopped = await self._closed(key, pull.head_sha)
            return stopped > 0, f"{key} is closed by now."
        await asyncio.to_thread(self._repositories.back, key.forge, key.repository)
        check = run_id(key, pull.head_sha, delivery.delivery)
        pusher = event.pusher if event.head_sha == pull.head_sha else ""
        for other in await self._runs.of(key):
            same = other.head_sha == pull.head_sha and other.base_ref == pull.base_ref
            # One that began before it was known who pushed may have trusted somebody else.
            same = same and pusher in ("", other.pusher, pull.author)
            same = same and event.base_sha in ("", other.base_sha)
            settled = other.stage != "stopped" and event.action in _NO_NEWS
            if other.id != check and same and (other.open or settled):
                return False, f"{other.id} has this head commit already."
        excess = await asyncio.to_thread(self._quotas.of_check, pull)
        if excess is not None:
            await self._hold(pull, check, excess)
        job = await self._runs.start(pull, delivery.delivery, delivery.received, pusher=pusher)
        return True, f"{job.id} started."

    async def _hold(self, pull: PullRequest, check: str, excess: Excess) -> None:
        """Say in the status that the check waits for room; QuotaError until there is some."""
        # Looked at again then: a newer commit that came meanwhile is the one that is checked.
        job, publisher = job_of_head(check, pull.key, pull), self._engine.publisher
        await publisher.begin(job)
        await publisher.status(job, Phase.QUEUED, "pending", excess.sentence, excess.sentence)
        raise QuotaError(excess)

    async def _as_it_is_now(
        self, forge: Forge, event: PullRequestEvent, delivery: Delivery
    ) -> PullRequest:
        """The forge's pull request, requested again if it may be older than the event."""
        pull = await forge.pull_request(event.key)
        for _ in range(0 if delivery.event == FOUND_EVENT else 2):
            age = _age(delivery)
            same_base = event.base_ref in ("", pull.base_ref)
            if (pull.head_sha == event.head_sha and same_base) or age > _FRESH:
                break
            await asyncio.sleep(self._lag)
            pull = await forge.pull_request(event.key)
        return pull


def repository_of(forge: Forge, delivery: Delivery) -> str:
    """The repository that a delivery is about; empty where it is about none."""
    event = _event(forge, delivery)
    key = getattr(event, "key", None)
    return key.repository if key is not None else getattr(event, "repository", "")


def _event(forge: Forge, delivery: Delivery) -> Event:
    if delivery.event in FOUND_EVENTS:
        return found_event(forge.name, delivery.event, delivery.body)
    return forge.event(delivery.event, delivery.body)


def _age(delivery: Delivery) -> float:
    """Seconds since a delivery was received."""
    return time.time() - datetime.fromisoformat(delivery.received).timestamp()
