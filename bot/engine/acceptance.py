"""Acceptance of a limit that a change goes over: the check's result becomes another."""

from __future__ import annotations

import asyncio

from bot.check.verdict import accept
from bot.engine.publishing import Publisher
from bot.engine.runs import acceptance_of, job_of
from bot.model.result_json import check_from_json
from bot.store.commands import Decision
from bot.store.records import CheckChanges, CheckRecord
from bot.store.store import Store


async def publish_acceptance(
    store: Store, publisher: Publisher, record: CheckRecord, decision: Decision
) -> None:
    """Apply an acceptance to a finished check; the same again changes nothing.

    Where there is nothing of this to accept, or the check still runs, nothing happens: it takes the
    decision with it when it ends (the collector).
    """
    changes = await accepted_changes(publisher, record, decision)
    if changes and not record.open:
        await asyncio.to_thread(lambda: store.update_check(record.id, **changes))


async def accepted_changes(
    publisher: Publisher, record: CheckRecord, decision: Decision
) -> CheckChanges:
    """Record what the forge shall say; return the changed fields of the record, or nothing.

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
    stored = await publisher.publish(job_of(record), after)
    return {"verdict": stored.verdict, "summary": stored.title, "result_id": stored.id}
