"""Dispatching of deliveries: each starts or stops runs, or is ignored. Deliveries are stored before
they come here, and a crash at any point leads to the same runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime
from functools import partial

import sqlalchemy as sa

from bot.engine.conversation import Conversation
from bot.engine.engine import Engine
from bot.engine.events import (
    PullEvents,
    age_of,
    answer_merge_group,
    repositories_changed,
    rerun_of,
    wake_waiting,
)
from bot.engine.merged import MergedChanges, Pushes
from bot.engine.missed_events import FOUND_EVENTS, MovedBases, found_event
from bot.engine.quotas import QuotaError
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
    PullRequestEvent,
    PullRequestKey,
)
from bot.settings.values import Settings
from bot.store.deliveries import GroupWriter, settle_delivery
from bot.store.records import Delivery, DeliveryState
from bot.store.repositories import Repositories
from bot.store.store import Store, now
from bot.telemetry.logs import working_on
from bot.telemetry.metrics import DELIVERIES
from bot.telemetry.traces import record_root, span

LOG = logging.getLogger(__name__)
_IDLE = 1.0
_GATHER = 0.03  # seconds between two queries of the store
# Attempts at a delivery that fails by a bug in the bot.
_ATTEMPTS = 8
# Misses, a day apart, after which a delivery's subject is taken for deleted.
_MISSES = 3
_LONGEST_REFUSED = 6 * 3600.0  # seconds, at most, between tries of what a forge refuses
_AT_ONCE = 50  # deliveries of one forge that are handled at once


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
        """`writer` writes outcomes in batches with new deliveries; without one each is written
        separately. `lag` is the seconds after which a forge is asked again."""
        self._writer = writer
        self._store = store
        self._forges = forges
        self._engine = engine
        self._runs = Runs(store, engine, settings)
        self._conversation = Conversation(store, engine, self._runs, settings)
        self._pushes = Pushes(settings, merged_changes)
        self._moved_bases = MovedBases(store, settings)
        self._repositories = Repositories(store)
        # Monotonic time at which a delivery of each forge was last handled.
        self._answer_times: dict[str, float] = {}
        self._wakeup = asyncio.Event()
        self._locks: defaultdict[PullRequestKey, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._pull_events = PullEvents(
            store, engine, self._runs, settings, merged_changes, self._locks, lag=lag
        )
        self._handling: dict[int, asyncio.Task[None]] = {}
        # Number of deliveries that are being handled, by forge.
        self._in_hand: Counter[str] = Counter()

    def wake(self) -> None:
        """Signal that a delivery has been stored."""
        self._wakeup.set()

    async def run(self) -> None:
        """Handle new deliveries until cancelled, those that a crash left among them."""
        try:
            while True:
                self._wakeup.clear()
                try:
                    started = await self._start_new()
                except Exception:
                    # The loop must go on: the store or the engine may be back in the next round.
                    LOG.exception("new deliveries could not be started")
                    started = 0
                    await asyncio.sleep(_IDLE)
                if not started:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_IDLE):
                            await self._wakeup.wait()
                # Each write wakes this loop: deliveries that come in meanwhile are read together.
                await asyncio.sleep(_GATHER)
        finally:
            await self._cancel_all()

    async def handle_new(self) -> int:
        """Handle the deliveries that are due now, as many as are handled at once; return the number
        of those started."""
        started = await self._start_new()
        await asyncio.gather(*self._handling.values())
        return started

    async def _start_new(self) -> int:
        """Start handling deliveries that are due; return their number.

        Each forge has its own limit, so that a slow one does not block the others.
        """
        if not self._handling:
            # Unused locks are dropped.
            self._locks.clear()
        full = {forge for forge, count in self._in_hand.items() if count >= _AT_ONCE}
        open_ = (count for forge, count in self._in_hand.items() if forge not in full)
        most = _AT_ONCE - max(open_, default=0)
        # A delivery settled during the query may still be listed.
        in_hand = set(self._handling)
        fresh = await asyncio.to_thread(
            self._store.new_deliveries, most, without=in_hand, without_forges=full
        )
        for delivery in fresh:
            task = asyncio.create_task(self._handle(delivery))
            self._handling[delivery.id] = task
            self._in_hand[delivery.forge] += 1
            task.add_done_callback(partial(self._task_done, delivery))
        return len(fresh)

    def _task_done(self, delivery: Delivery, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            # The outcome is not stored: it is handled again after a pause.
            LOG.error("delivery %d could not be settled", delivery.id, exc_info=task.exception())
            asyncio.get_running_loop().call_later(_IDLE, self._forget, delivery)
        else:
            self._forget(delivery)

    def _forget(self, delivery: Delivery) -> None:
        del self._handling[delivery.id]
        self._in_hand[delivery.forge] -= 1
        if self._in_hand[delivery.forge] == _AT_ONCE - 1:
            self.wake()

    async def _cancel_all(self) -> None:
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
            self._answer_times[delivery.forge] = time.monotonic()
            await self._settle(delivery, "done" if done else "ignored", reason)
            LOG.info("delivery %s (%s): %s", delivery.delivery, delivery.event, reason)
        except ForgeDeniedError as error:
            # Such as a revoked token or a missing permission, which people correct.
            await self._postpone(delivery, str(error), longest=_LONGEST_REFUSED, over=False)
        except (ForgeGoneError, ForgeRefusedError) as error:
            await self._retry_missing(delivery, error)
        except QuotaError as error:
            await asyncio.to_thread(
                self._store.postpone_delivery, delivery.id, str(error), error.seconds, counted=False
            )
        except ForgeError as error:
            # Tries are at most 20 s apart in a delivery's first hour.
            longest = 20.0 if age_of(delivery) < 3600 else 300.0
            await self._postpone(delivery, str(error), error.wait, longest=longest, over=False)
        except MinimizeError as error:
            await self._postpone(delivery, str(error), over=False)
        except sa.exc.OperationalError as error:
            # The engine's database is locked, full or unreachable, which passes.
            reason = f"The engine's database does not answer: {error.orig}."
            await self._postpone(delivery, reason, over=False)
        except Exception:
            # One bad delivery must not stop the others.
            LOG.exception("delivery %s could not be handled", delivery.delivery)
            await self._postpone(delivery, "A bug in the bot; see its log.")

    async def _retry_missing(self, delivery: Delivery, error: Exception) -> None:
        """Try a delivery again whose subject the forge does not have. It is given up after three
        misses a day apart while the forge answers otherwise, and ignored at once if its repository
        was removed from the bot."""
        forge = self._forges[delivery.forge]
        place = repository_of(forge, delivery)
        gone = await asyncio.to_thread(self._repositories.is_gone, delivery.forge, place)
        if gone:
            await self._settle(delivery, "ignored", f"{place} is no longer there for the bot.")
            return
        answers = time.monotonic() - self._answer_times.get(delivery.forge, -1e9) < 86_400
        over = delivery.misses >= _MISSES and answers
        await self._postpone(delivery, str(error), longest=_LONGEST_REFUSED, over=over, missed=True)

    async def _settle(self, delivery: Delivery, state: DeliveryState, reason: str) -> None:
        """Record the outcome, through the group writer if there is one."""
        DELIVERIES.labels(delivery.forge, state).inc()
        received = datetime.fromisoformat(delivery.received).timestamp()
        attributes = {"event": delivery.event, "forge": delivery.forge, "outcome": state}
        record_root("delivery", delivery.delivery, received, time.time(), attributes)
        if self._writer is None:
            await asyncio.to_thread(self._store.settle_delivery, delivery.id, state, reason)
            return
        handled = now()
        await self._writer.write(
            lambda db: settle_delivery(db, delivery.id, state, reason, handled)
        )

    async def _postpone(
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

        It is given up if `over`, or, where that is null, after the last attempt.
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
            return await self._pull_events.take(forge, event, delivery)
        if isinstance(event, ChecksEvent):
            return await wake_waiting(self._store, self._engine, event, delivery.delivery)
        return await self._decide_other(forge, event, delivery)

    async def _decide_other(
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
            return await self._handle_push(forge, event, delivery)
        assert isinstance(event, CommentEvent)
        async with self._locks[event.key]:
            return await self._conversation.handle(forge, event, delivery)

    async def _rerun(self, forge: Forge, event: RerunEvent, delivery: Delivery) -> tuple[bool, str]:
        pull_event = await rerun_of(self._store, forge, event)
        if pull_event is None:
            return False, f"No check of {event.repository} is the one to run again."
        return await self._pull_events.take(forge, pull_event, delivery)

    async def _handle_push(
        self, forge: Forge, event: PushEvent, delivery: Delivery
    ) -> tuple[bool, str]:
        restarted = await self._moved_bases.take(forge, event)
        done, sentence = await self._pushes.take(forge, event, delivery.received)
        checks = f" {restarted} checks begin again." if restarted else ""
        return done or restarted > 0, sentence + checks


def repository_of(forge: Forge, delivery: Delivery) -> str:
    """The repository that a delivery is about; empty if it is about none."""
    event = _event(forge, delivery)
    key = getattr(event, "key", None)
    return key.repository if key is not None else getattr(event, "repository", "")


def _event(forge: Forge, delivery: Delivery) -> Event:
    if delivery.event in FOUND_EVENTS:
        return found_event(forge.name, delivery.event, delivery.body)
    return forge.event(delivery.event, delivery.body)
