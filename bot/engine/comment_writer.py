"""Repeated writing of comments: a stopped run may have had an edit on its way.

Who is stopped cannot take back what it has sent, and a slow forge may do it after the newest run's
own edit. So a while after such a run has ended, its comment is looked at, and written again if it
differs.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.check.verdict import accept
from bot.engine.engine import Engine
from bot.engine.runs import acceptance_of, job_of
from bot.model.result import check_from_json
from bot.store.commands import Commands, Decision
from bot.store.records import CheckRecord
from bot.store.store import Store, utc_text

# A request to a forge ends after 30 seconds, and an edit is sent once.
LATEST = 60.0
_REASON = "settled"


class CommentWriter:
    """The ended checks whose comment is to be compared again, each once."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        *,
        seconds: float = LATEST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._engine = engine
        self._commands = Commands(store)
        self._seconds = seconds
        self._clock = clock
        # Null until the first look: a restart finds again what it had planned.
        self._due: dict[str, float] | None = None

    async def ended(self, record: CheckRecord) -> None:
        """Schedule the comment of an ended check, if another run was stopped for it."""
        if await asyncio.to_thread(self._was_raced, record):
            due = self._due if self._due is not None else {}
            self._due = {**due, record.id: self._clock() + self._seconds}

    async def write(self) -> int:
        """Start the comparisons that are due; return their number."""
        if self._due is None:
            await self._find_again()
        due = [check for check, at in (self._due or {}).items() if at <= self._clock()]
        for check in due:
            await self._write(check)
        self._due = {c: at for c, at in (self._due or {}).items() if c not in due}
        return len(due)

    async def _write(self, check: str) -> None:
        record = await asyncio.to_thread(self._store.check, check)
        if record is None or not record.result or await asyncio.to_thread(self._is_past, record):
            return
        result = check_from_json(record.result)
        # A decision is stored first and then written to the comment, so never undone here.
        decision = await asyncio.to_thread(self._commands.decision_on, "accept", record)
        acceptance = acceptance_of(decision)
        if acceptance is not None:
            result = accept(result, acceptance)
        # The comment alone: nobody but the commit's own run sets its status.
        await self._engine.publish(job_of(record), result, _REASON, with_status=False)

    async def _find_again(self) -> None:
        self._due = {}
        since = utc_text(datetime.now(UTC) - timedelta(seconds=2 * self._seconds))
        rows = await asyncio.to_thread(
            self._store.rows,
            "select id from checks where finished > ? and stage = 'final' and narrowed = 0",
            [since],
        )
        for row in rows:
            record = await asyncio.to_thread(self._store.check, row["id"])
            if record is not None:
                await self.ended(record)

    def _was_raced(self, record: CheckRecord) -> bool:
        if record.narrowed or record.stage != "final":
            return False
        since = utc_text(datetime.now(UTC) - timedelta(seconds=2 * self._seconds))
        return any(
            other.stage == "stopped" and not other.narrowed and (other.finished or "") > since
            for other in self._others(record)
        )

    def _is_past(self, record: CheckRecord) -> bool:
        """Return whether another check of the pull request runs or has written it since."""
        ended = record.finished or ""
        return any(
            not other.narrowed
            and (other.open or (other.stage == "final" and (other.finished or "") > ended))
            for other in self._others(record)
        )

    def _others(self, record: CheckRecord) -> list[CheckRecord]:
        checks = self._store.checks_of(record.forge, record.repository, record.number)
        return [check for check in checks if check.id != record.id]


async def publish_acceptance(
    store: Store, engine: Engine, record: CheckRecord, decision: Decision
) -> None:
    """Apply an acceptance to a finished check; the same again changes nothing.

    Where there is nothing of this to accept, or the check still runs, nothing happens: it takes the
    decision with it when it ends (the collector).
    """
    changes = await accepted_changes(engine, record, decision)
    if changes and not record.open:
        await asyncio.to_thread(lambda: store.update_check(record.id, **changes))


async def accepted_changes(
    engine: Engine, record: CheckRecord, decision: Decision
) -> dict[str, Any]:
    """Start the writing to the forge; return the changed fields of the record, or nothing.

    `record` has the final result. One that is not over, or narrowed, is left alone.
    """
    acceptance = acceptance_of(decision)
    if record.stage != "final" or record.narrowed or not record.result or acceptance is None:
        return {}
    if record.result.get("stage") != "final":
        return {}
    before = check_from_json(record.result)
    after = accept(before, acceptance)
    if after is before:
        return {}
    # One comment may say several, edited: the last of them counts.
    digest = hashlib.sha256(decision.reason.encode()).hexdigest()[:8]
    reason = f"accept-{decision.comment}-{digest}"
    stored = await engine.publish(job_of(record), after, reason, with_status=True)
    return {"verdict": stored.verdict, "summary": stored.title, "result_id": stored.id}
