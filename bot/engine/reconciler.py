"""Reconciling of the forges with the outbox, with as many attempts as needed.

Every write first reads the forge's state, so that an interrupted one is found again. An older
result never overwrites a newer one: a row has one writer, which reads it before writing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from bot.engine.desired import (
    Claim,
    Desired,
    DesiredComment,
    DesiredReaction,
    DesiredStatuses,
    DesiredSuggestions,
)
from bot.engine.outbox import LEASE, Outbox
from bot.errors import MinimizeError
from bot.forge.protocol import Forge
from bot.forge.values import (
    Comment,
    ForgeDeniedError,
    ForgeError,
    ForgeGoneError,
    ForgeRefusedError,
    PullRequestKey,
)
from bot.settings.values import Settings
from bot.store.records import CommentRecord
from bot.store.store import Store, now
from bot.telemetry.metrics import FORGE_WRITES

LOG = logging.getLogger(__name__)
_IDLE = 1.0
_AT_ONCE = 8  # rows that are being written to one forge
_LONGEST_WAIT = 4000.0  # seconds, at most, for which a forge's request to wait is followed
_HOUR = 3600.0
# Refusals, at least a day apart, after which a version is given up.
_REFUSALS = 3
Written = Callable[[PullRequestKey, DesiredComment, Comment], None]
Settled = Callable[[Desired], None]
IsGone = Callable[[str, str], bool]


@dataclass(frozen=True, slots=True)
class Pauses:
    """Seconds between tries.

    While a forge is unavailable they double from `first`, up to `away` in the first hour and
    `long_away` later. After refusals they grow fourfold from 15 times `first`, up to `refused`.
    """

    first: float = 1.0
    away: float = 20.0
    long_away: float = 300.0
    refused: float = 6 * _HOUR

    def after(self, claim: Claim, *, refused: bool) -> float:
        """The pause in seconds after another failed try; partly random, to spread rows."""
        if refused:
            pause = min(self.first * 15 * 4.0 ** min(claim.attempts, 20), self.refused)
        else:
            most = self.away if claim.failing < _HOUR else self.long_away
            pause = min(self.first * 2.0 ** min(claim.attempts, 20), most)
        return pause * (0.75 + random.random() / 4)


class Reconciler:
    """Writer of the outbox's desired states to the forges; call `wake` when one was recorded."""

    def __init__(
        self,
        outbox: Outbox,
        forges: Mapping[str, Forge],
        settings: Settings,
        *,
        on_comment: Written = lambda _key, _wanted, _comment: None,
        on_settled: Settled = lambda _desired: None,
        is_gone: IsGone = lambda _forge, _repository: False,
        pauses: Pauses | None = None,
    ) -> None:
        """`on_comment` is called for each written comment, `on_settled` for each desired state that
        the forge has; `is_gone` returns whether a forge's repository is no longer served. All in a
        thread."""
        self._outbox = outbox
        self._forges = forges
        self._settings = settings
        self._on_comment = on_comment
        self._on_settled = on_settled
        self._is_gone = is_gone
        self._pauses = pauses or Pauses()
        self._wakeup = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._writing: dict[str, tuple[Claim, asyncio.Task[None]]] = {}
        # Monotonic times until which a forge asked to wait, and at which it last answered.
        self._wait_until: dict[str, float] = {}
        self._answer_times: dict[str, float] = {}
        # A GitLab status may be part of the comment, which is read and written as a whole.
        self._locks: defaultdict[PullRequestKey, asyncio.Lock] = defaultdict(asyncio.Lock)

    def wake(self) -> None:
        """Signal, from any thread, that something was recorded."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wakeup.set)

    async def run(self) -> None:
        """Write due rows until cancelled."""
        self._loop = asyncio.get_running_loop()
        self._outbox.on_change = self.wake
        renewing = asyncio.create_task(self._renew())
        try:
            while True:
                self._wakeup.clear()
                try:
                    started = await self._start()
                except Exception:
                    # The loop must go on: the next try may succeed.
                    LOG.exception("the outbox cannot be read; it is tried again")
                    started = 0
                if not started:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_IDLE):
                            await self._wakeup.wait()
        finally:
            renewing.cancel()
            await self._stop()

    async def reconcile(self) -> int:
        """Write the rows that are due now, and wait for it; return their number."""
        started = await self._start()
        await asyncio.gather(*(task for _, task in self._writing.values()))
        return started

    async def _start(self) -> int:
        """Start writing rows that are due; return their number.

        Each forge has its own limit, so that one that hangs does not block the others.
        """
        if not self._writing:
            self._locks.clear()
        writing = Counter(claim.subject.forge for claim, _ in self._writing.values())
        full = {forge for forge, count in writing.items() if count >= _AT_ONCE}
        held = {forge for forge, until in self._wait_until.items() if until > time.monotonic()}
        room = _AT_ONCE - max((n for forge, n in writing.items() if forge not in full), default=0)
        claims = await asyncio.to_thread(
            self._outbox.claim, room, without=full | held, in_hand=list(self._writing)
        )
        for claim in claims:
            task = asyncio.create_task(self._write(claim))
            self._writing[claim.subject.id] = claim, task
            task.add_done_callback(partial(self._end_write, claim))
        return len(claims)

    def _end_write(self, claim: Claim, _: asyncio.Task[None]) -> None:
        writing = [other.subject.forge for other, _ in self._writing.values()]
        del self._writing[claim.subject.id]
        if writing.count(claim.subject.forge) >= _AT_ONCE:
            self._wakeup.set()

    async def _renew(self) -> None:
        """Renew the claims of running writes; cancel those whose claim was lost."""
        while True:
            await asyncio.sleep(LEASE / 4)
            writing = dict(self._writing)
            if not writing:
                continue
            try:
                claims = [claim for claim, _ in writing.values()]
                renewed = await asyncio.to_thread(self._outbox.renew, claims)
            except MinimizeError as error:
                LOG.warning("claims could not be renewed: %s", error)
                continue
            for subject, (_, task) in writing.items():
                if subject not in renewed:
                    task.cancel()

    async def _stop(self) -> None:
        """Cancel the writes; the next reconciler compares their rows again."""
        writing = list(self._writing.values())
        for _, task in writing:
            task.cancel()
        await asyncio.gather(*(task for _, task in writing), return_exceptions=True)

    async def _write(self, claim: Claim) -> None:
        """Write one row, and record the outcome."""
        try:
            await self._attempt(claim)
        except asyncio.CancelledError:
            await asyncio.shield(asyncio.to_thread(self._outbox.release, claim))
            raise
        except MinimizeError as error:
            # The claim expires, and the row is due again.
            LOG.warning("%s: its outcome could not be recorded: %s", claim.subject.id, error)

    async def _attempt(self, claim: Claim) -> None:
        forge = claim.subject.forge
        try:
            async with self._locks[claim.subject.key]:
                reason = await self._put(claim)
        except (ForgeRefusedError, ForgeGoneError) as error:
            await self._handle_refusal(claim, error)
        except ForgeError as error:
            await self._handle_away(claim, error)
        except Exception as error:
            # One row that cannot be written must not block the others.
            LOG.exception("%s could not be written", claim.subject.id)
            await self._handle_refusal(claim, error)
        else:
            self._answer_times[forge] = time.monotonic()
            if reason:
                LOG.info("%s is not written: %s", claim.subject.id, reason)
                await asyncio.to_thread(self._outbox.drop, claim, reason)
                FORGE_WRITES.labels(claim.subject.kind, "dropped").inc()
            else:
                await asyncio.to_thread(self._outbox.settle, claim)
                FORGE_WRITES.labels(claim.subject.kind, "written").inc()
                await asyncio.to_thread(self._on_settled, claim.desired)

    async def _put(self, claim: Claim) -> str:
        """Write the desired state to the forge; return the reason if it is obsolete, else ""."""
        subject, desired = claim.subject, claim.desired
        forge = self._forges.get(subject.forge)
        if forge is None:
            return f"the settings no longer have a forge {subject.forge}"
        # A run that was stopped may record after the repository's rows were dropped.
        if await asyncio.to_thread(self._is_gone, subject.forge, subject.repository):
            return "the repository is no longer there for the bot"
        if isinstance(desired, DesiredReaction):
            await forge.react(subject.key, desired.comment, desired.reaction)
            return ""
        if isinstance(desired, DesiredComment):
            return await self._put_comment(forge, claim, desired)
        if isinstance(desired, DesiredSuggestions):
            return await self._put_suggestions(forge, subject.key, desired)
        assert isinstance(desired, DesiredStatuses)
        shown = desired.shown
        if shown is not None and shown.report is not None:
            key = PullRequestKey(subject.forge, subject.repository, shown.number)
            await forge.set_status(key, subject.name, shown.report)
        return ""

    async def _put_comment(self, forge: Forge, claim: Claim, wanted: DesiredComment) -> str:
        key = claim.subject.key
        if wanted.body is None:
            return ""
        if wanted.head_sha and (reason := await self._why_outdated(forge, key, wanted)):
            return reason
        if not wanted.create and await forge.find_comment(key, wanted.marker) is None:
            return ""
        comment = await forge.put_comment(key, wanted.marker, wanted.body)
        await asyncio.to_thread(self._on_comment, key, wanted, comment)
        return ""

    async def _put_suggestions(
        self, forge: Forge, key: PullRequestKey, wanted: DesiredSuggestions
    ) -> str:
        if wanted.suggestions is None:
            return ""
        if reason := await self._why_outdated(forge, key, wanted):
            return reason
        await forge.put_suggestions(key, wanted.head_sha, wanted.suggestions)
        return ""

    async def _why_outdated(
        self, forge: Forge, key: PullRequestKey, wanted: DesiredComment | DesiredSuggestions
    ) -> str:
        """The reason not to write about a head commit any more; empty if it is to be written."""
        pull = await forge.pull_request(key)
        # A merged pull request still has this head: its effect is measured to the end.
        newest = (pull.head_sha, pull.base_ref) == (wanted.head_sha, wanted.base_ref)
        if not newest or not (pull.open or pull.merged):
            return "there is a newer commit, or the pull request is closed"
        forge_settings = self._settings.forges.get(key.forge)
        if pull.author_is_bot and not (
            forge_settings is not None and forge_settings.comment_on_bots
        ):
            return "the author is a bot"
        return ""

    async def _handle_away(self, claim: Claim, error: ForgeError) -> None:
        """Postpone a row whose forge is unavailable, fails or limits requests."""
        pause = self._pauses.after(claim, refused=False)
        if error.wait > 0:
            pause = min(error.wait, _LONGEST_WAIT)
            self._wait_until[claim.subject.forge] = time.monotonic() + pause
        self._log(claim, str(error))
        FORGE_WRITES.labels(claim.subject.kind, "again").inc()
        await asyncio.to_thread(self._outbox.postpone, claim, str(error), pause)

    async def _handle_refusal(self, claim: Claim, error: Exception) -> None:
        """Postpone a refused row. Give it up after three days if the forge answers otherwise,
        except if it was refused for a credential or permission, which people can correct."""
        answers = time.monotonic() - self._answer_times.get(claim.subject.forge, -1e9) < 24 * _HOUR
        self._log(claim, str(error))
        if claim.refusals >= _REFUSALS and answers and not isinstance(error, ForgeDeniedError):
            LOG.error("%s is given up: %s", claim.subject.id, error)
            FORGE_WRITES.labels(claim.subject.kind, "given_up").inc()
            await asyncio.to_thread(self._outbox.drop, claim, str(error))
            return
        FORGE_WRITES.labels(claim.subject.kind, "again").inc()
        pause = self._pauses.after(claim, refused=True)
        denied = isinstance(error, ForgeDeniedError)
        record = self._outbox.postpone if denied else self._outbox.refuse
        await asyncio.to_thread(record, claim, str(error), pause)

    def _log(self, claim: Claim, problem: str) -> None:
        """Log a warning for a row's new problem; repetitions only at the debug level."""
        level = logging.DEBUG if problem == claim.problem else logging.WARNING
        LOG.log(level, "%s, again later: %s", claim.subject.id, problem)


def record_comment(
    store: Store, key: PullRequestKey, wanted: DesiredComment, comment: Comment
) -> None:
    """Store the address of a pull request's comment, for the check's pages; ignores answers."""
    if wanted.head_sha:
        record = CommentRecord(*key.parts, comment.id, comment.url, wanted.check, now())
        store.record_comment(record)
