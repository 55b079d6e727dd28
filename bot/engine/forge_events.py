"""Events that are not about a pull request's commits: re-runs, merge queues, pushes."""

from __future__ import annotations

import asyncio

from bot.engine.engine import Engine
from bot.forge import (
    MERGE_GROUP_CHECK,
    ChecksEvent,
    Forge,
    MergeGroupEvent,
    PullRequestEvent,
    PullRequestKey,
    RerunEvent,
    StatusReport,
)
from bot.store import CheckRecord, Store

# The queue's commit is several pull requests, each checked by itself.
MERGE_GROUP_TITLE = "Checked on its pull requests"


def rerun_of(store: Store, event: RerunEvent) -> PullRequestEvent | None:
    """The pull request whose check shall run again, or None if the check is not one of ours.

    By the id that our status carries: the forge names no pull request for a fork's commit. A
    check of another repository is never found, whatever id somebody else's App wrote.
    """
    record = _record(store, event)
    if record is None:
        return None
    key = PullRequestKey(record.forge, record.repository, record.number)
    return PullRequestEvent(key, "check", record.head_sha, "rerequested")


def _record(store: Store, event: RerunEvent) -> CheckRecord | None:
    if event.check is not None:
        found = store.check(event.check)
        if found is not None and (found.forge, found.repository) == (event.forge, event.repository):
            return found
        return None
    return store.newest_check_of_commit(event.forge, event.repository, event.head_sha)


async def wake_waiting(
    store: Store, engine: Engine, event: ChecksEvent, delivery: str
) -> tuple[bool, str]:
    """Lets the runs look that wait for a check of this commit; whether any does, in words."""
    records = await asyncio.to_thread(store.open_checks)
    about = (event.forge, event.repository, event.head_sha)
    woken = [
        record.id
        for record in records
        if (record.forge, record.repository, record.head_sha) == about
        and await engine.wake(record.id, event.names, delivery)
    ]
    if not woken:
        return False, f"No run waits for such a check of {event.head_sha[:12]}."
    return True, f"{', '.join(woken)} looks at the check."


async def answer_merge_group(forge: Forge, event: MergeGroupEvent, delivery: str) -> None:
    """Sets the status of a merge queue's commit: a required one that never comes blocks it.

    One that is asked for again is another status, for the first is there and says it already.
    """
    again = f"-{delivery}" if event.again else ""
    report = StatusReport(
        check=f"{MERGE_GROUP_CHECK}{event.head_sha}{again}",
        state="success",
        title=MERGE_GROUP_TITLE,
        summary="Each pull request of the queue has its own check; the merged commit has no other.",
    )
    await forge.set_status(event.key, event.head_sha, report)
