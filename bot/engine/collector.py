"""Copying the progress of workflows to the store on the server's machine.

Workers do not write to the store; this copies their progress from the engine's database. Copying
twice writes the same, so a crash loses nothing.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from bot.engine.engine import Engine, Running
from bot.engine.merged import MergedChanges
from bot.engine.runs import accepted_changes, job_of
from bot.engine.values import Progress
from bot.store.commands import Commands
from bot.store.proposals import Proposals
from bot.store.records import NEVER_STARTED, CheckChanges, CheckRecord
from bot.store.store import Store, now, utc_text

LOG = logging.getLogger(__name__)
_BUSY = 0.3
_IDLE = 1.0
_BROKE = "The run broke; the bot's log has the reason."
_STRAY = 120.0  # seconds after which a record without a run is taken for a crash's leftover
# Seconds that the canceller of a run has to report it; then the collector does.
_CANCELLED = 5.0


class Collector:
    """Collector of open checks' progress; `observe` is called when one is predicted and when it
    ends."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        merged_changes: MergedChanges,
        observe: Callable[[str, CheckRecord], None] = lambda _what, _check: None,
    ) -> None:
        self._store = store
        self._engine = engine
        self._merged_changes = merged_changes
        self._commands = Commands(store)
        self._proposals = Proposals(store)
        self._observe = observe
        self._seen: dict[str, CheckChanges] = {}
        # Monotonic time since which a check has had no run, or a cancelled one.
        self._abandoned_since: dict[str, float] = {}

    async def run(self) -> None:
        """Follow open checks until cancelled."""
        while True:
            try:
                open_checks = await self.collect()
            except Exception:
                # The loop must go on: the next round may succeed.
                LOG.exception("the progress of runs could not be stored")
                open_checks = 0
            await asyncio.sleep(_BUSY if open_checks else _IDLE)

    async def collect(self) -> int:
        """Collect once; return the number of open checks."""
        records = await asyncio.to_thread(self._store.open_checks)
        known = await self._engine.running([record.id for record in records])
        for record in records:
            try:
                await self._collect_check(record, known[record.id])
            except Exception:
                # One check that cannot be stored must not block the others.
                LOG.exception("the progress of %s could not be stored", record.id)
        still_open = {record.id for record in records}
        self._seen = {c: changes for c, changes in self._seen.items() if c in still_open}
        abandoned = {
            check for check in still_open if known[check].status is None or known[check].cancelled
        }
        self._abandoned_since = {
            c: since for c, since in self._abandoned_since.items() if c in abandoned
        }
        return len(records)

    async def _collect_check(self, record: CheckRecord, running: Running) -> None:
        changes = _progress_fields(running.progress)
        if running.cancelled and not self._is_abandoned(record.id, _CANCELLED):
            return
        if running.over:
            changes |= _end_fields(record, running)
        elif running.status is None and self._is_abandoned(record.id, _STRAY):
            changes |= {"open": False, "stage": "stopped", "problem": NEVER_STARTED}
        if not changes or self._seen.get(record.id) == changes:
            return
        file, result = running.progress.file, running.progress.result
        if file is not None:
            await asyncio.to_thread(self._merged_changes.store_checked_file, record, file.content)
        if result is not None:
            await asyncio.to_thread(self._engine.results.bring, self._store, record.id, result)
        steps = await self._engine.steps_of(record.id)
        await asyncio.to_thread(self._store.store_steps, record.id, steps)
        if await self._write(record, running, changes):
            self._seen[record.id] = changes
            await self._notify_observer(record)

    async def _write(self, record: CheckRecord, running: Running, changes: CheckChanges) -> bool:
        """Store the changes of an open check, with the acceptance if it ended; return False if it
        was stopped meanwhile."""
        ended = None
        if running.over:
            result = changes.get("result_id")
            body = None if result is None else await asyncio.to_thread(self._store.result, result)
            document = None if body is None else json.loads(body)
            ended = replace(replace(record, **changes), result=document)
        if ended is not None:
            # Before the record is closed: after a crash here it is done again.
            if not running.progress.done:
                await self._conclude_broken(record, ended.problem or "")
            changes = {**changes, **await self._acceptance_fields(ended)}
            await asyncio.to_thread(self._merged_changes.ended, ended)
        if not await asyncio.to_thread(self._store.update_open_check, record.id, **changes):
            return False
        if "result_id" in changes and not record.narrowed:
            pull = (record.forge, record.repository, record.number)
            await asyncio.to_thread(self._proposals.settle, pull)
        if ended is not None:
            # A decision made meanwhile saw an open record, and left applying it to the collector.
            acceptance = await self._acceptance_fields(ended)
            if acceptance:
                await asyncio.to_thread(lambda: self._store.update_check(record.id, **acceptance))
            # Likewise a merge that was recorded meanwhile.
            await asyncio.to_thread(self._merged_changes.ended, ended)
        return True

    async def _notify_observer(self, record: CheckRecord) -> None:
        """Call the observer if the check was predicted or has ended."""
        after = await asyncio.to_thread(self._store.check, record.id)
        if after is not None:
            if record.predicted is None and after.predicted is not None:
                self._observe("predicted", after)
            if not after.open:
                self._observe("finished", after)

    async def _acceptance_fields(self, record: CheckRecord) -> CheckChanges:
        """The changes to an ended check whose violated limit was accepted; none if it was not."""
        decision = await asyncio.to_thread(self._commands.decision_on, "accept", record)
        return (
            {}
            if decision is None
            else await accepted_changes(self._engine.publisher, record, decision)
        )

    def _is_abandoned(self, check: str, seconds: float) -> bool:
        """Return whether a check has had no run, or a cancelled one, for `seconds`, due to a
        crash."""
        since = self._abandoned_since.setdefault(check, time.monotonic())
        return time.monotonic() - since >= seconds

    async def _conclude_broken(self, record: CheckRecord, problem: str) -> None:
        """Report a run that ended without a result, so that its commit does not stay pending and a
        narrowed check has an answer. Of repeated reports the first counts."""
        job = await self._engine.job_of(record.id) if record.narrowed else job_of(record)
        if job is None:
            return
        if problem != _BROKE:
            await self._engine.withdraw(job, "Stopped", problem)
            return
        LOG.error("the run %s ended without a result", record.id)
        reason = f"The bot's log has the reason, under {record.id}."
        await self._engine.withdraw(job, "The check broke", reason)


def _end_fields(record: CheckRecord, running: Running) -> CheckChanges:
    """The fields of a check whose run is over."""
    fields: CheckChanges = {"open": False, "finished": now()}
    if not running.progress.done:
        # The canceller may have stored the reason (`bot.engine.runs`).
        reason = running.progress.problem or record.problem or "The run was cancelled."
        fields |= {"stage": "stopped", "problem": reason if running.cancelled else _BROKE}
    return fields


def _progress_fields(progress: Progress) -> CheckChanges:
    """The fields of a check's record that a run has reported."""
    if progress == Progress():
        return {}
    fields: CheckChanges = {"problem": progress.problem}
    if progress.stage is not None:
        fields["stage"] = progress.stage
    if progress.verdict is not None:
        fields["verdict"] = progress.verdict
    if progress.summary is not None:
        fields["summary"] = progress.summary
    if progress.result is not None:
        fields["result_id"] = progress.result
    if progress.predicted is not None:
        fields["predicted"] = utc_text(datetime.fromtimestamp(progress.predicted, UTC))
    return fields
