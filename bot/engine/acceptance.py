"""Acceptance of a limit, applied to a finished check: store, comment, status."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

from bot.check.verdict import accept
from bot.engine.engine import Engine
from bot.engine.runs import acceptance_of, job_of
from bot.engine.steps import result_values
from bot.model.result import check_from_json
from bot.store.commands import Decision
from bot.store.store import CheckRecord, Store


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
    values = result_values(after)
    # One comment may say several, edited: the last of them counts.
    digest = hashlib.sha256(decision.reason.encode()).hexdigest()[:8]
    await engine.publish(job_of(record), values, f"accept-{decision.comment}-{digest}")
    return {
        "verdict": values["verdict"],
        "summary": values["title"],
        "result": values["result"],
    }
