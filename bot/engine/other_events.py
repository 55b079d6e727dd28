"""Events beside those of a pull request's commits: a re-run, checks that ended, a merge queue, and
repositories that come and go."""

from __future__ import annotations

import asyncio

from bot.engine.engine import Engine
from bot.engine.publishing import Publisher
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
    ForgeGoneError,
    ForgeRefusedError,
    PullRequestEvent,
    PullRequestKey,
    StatusReport,
)
from bot.store.proposals import Proposals
from bot.store.records import CheckRecord
from bot.store.repositories import Repositories
from bot.store.store import Store

# The queue's commit is several pull requests, each checked by itself.
MERGE_GROUP_TITLE = "Checked on its pull requests"


async def rerun_of(store: Store, forge: Forge, event: RerunEvent) -> PullRequestEvent | None:
    """The pull request whose check shall run again, or None if the check is not one of ours.

    By the id that our status carries: the forge names no pull request for a fork's commit. A check
    of another repository is never found, whatever id somebody else's App wrote; but one that was
    made while the repository had another name is.
    """
    record = await asyncio.to_thread(_record, store, event)
    if record is None:
        return None
    key = PullRequestKey(event.forge, event.repository, record.number)
    if record.repository != event.repository and not await _same_pull(forge, record, key):
        return None
    return PullRequestEvent(key, "check", event.head_sha, "rerequested")


def _record(store: Store, event: RerunEvent) -> CheckRecord | None:
    if event.check is None:
        about = (event.forge, event.repository, event.head_sha)
        return store.newest_check_of_commit(*about) or store.newest_check_of_commit(
            event.forge, None, event.head_sha
        )
    found = store.check(event.check)
    same = found is not None and (found.forge, found.head_sha) == (event.forge, event.head_sha)
    return found if same else None


async def _same_pull(forge: Forge, record: CheckRecord, key: PullRequestKey) -> bool:
    """Return whether the forge leads from the name of then to this very pull request."""
    then = PullRequestKey(record.forge, record.repository, record.number)
    try:
        was, now = await forge.pull_request(then), await forge.pull_request(key)
    except (ForgeGoneError, ForgeRefusedError):
        return False  # not there, or not for us: it tells nothing
    return bool(was.url) and was.url == now.url


async def wake_waiting(
    store: Store, engine: Engine, event: ChecksEvent, delivery: str
) -> tuple[bool, str]:
    """Wake the runs that wait for a check of this commit; return whether any does, in words."""
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


async def answer_merge_group(publisher: Publisher, event: MergeGroupEvent, delivery: str) -> None:
    """Set the status of a merge queue's commit: a required one that never comes blocks it.

    A repeated request gets another status, for the first is there already.
    """
    again = f"-{delivery}" if event.again else ""
    report = StatusReport(
        check=f"{MERGE_GROUP_CHECK}{event.head_sha}{again}",
        state="success",
        title=MERGE_GROUP_TITLE,
        summary="Each pull request of the queue has its own check; the merged commit has no other.",
    )
    await publisher.merge_group(event.key, event.head_sha, event.base_ref, report)


async def repositories_changed(
    store: Store, publisher: Publisher, runs: Runs, event: RepositoriesEvent
) -> str:
    """Record which repositories are ours to serve; stop the checks of those that are no more, and
    forget what they should say. Return a sentence."""
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
