"""Starting and stopping runs, for deliveries and commands, and acceptance of what one has found."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from bot.check.verdict import accept
from bot.engine.engine import Engine
from bot.engine.job import CheckJob, OtherHead, job_of_head, run_id
from bot.engine.merged import built_from
from bot.engine.publishing import Publisher
from bot.errors import MinimizeError
from bot.forge.values import PullRequest, PullRequestKey
from bot.model.opportunity import named_opportunities
from bot.model.result import Acceptance
from bot.model.result_json import check_from_json
from bot.settings.values import Settings
from bot.store.commands import Commands, Decision, DecisionKind
from bot.store.opportunities import Opportunities
from bot.store.records import CheckChanges, CheckRecord
from bot.store.store import Store, now


@dataclass(frozen=True, slots=True)
class Narrowing:
    """The images that a check is narrowed to, the changes that it is about too, and the hidden
    marker of the comment with its answer."""

    workloads: tuple[str, ...]
    arches: tuple[str, ...]
    answers: str
    others: tuple[OtherHead, ...] = ()


class Runs:
    """The runs of pull requests: the store's records with the engine's workflows."""

    def __init__(self, store: Store, engine: Engine, settings: Settings) -> None:
        self._store = store
        self._engine = engine
        self._settings = settings
        self._commands = Commands(store)
        self._opportunities = Opportunities(store)

    async def of(self, key: PullRequestKey) -> list[CheckRecord]:
        """The checks of a pull request, oldest first, without results; no narrowed ones."""
        records = await asyncio.to_thread(
            self._store.checks_of, key.forge, key.repository, key.number
        )
        return [record for record in records if not record.narrowed]

    async def start(
        self,
        pull: PullRequest,
        origin: str,
        received: str,
        part: Narrowing | None = None,
        pusher: str = "",
    ) -> CheckJob:
        """Start a check of the head commit and stop the others of the pull request.

        `origin` names the request: the same again is the same run. `received` is when, RFC
        3339 in UTC. A narrowed check (`part`) runs beside the others. `pusher` is who pushed the
        head, where the request tells. MinimizeError while too many checks wait.
        """
        key = pull.key
        open_checks = await asyncio.to_thread(self._store.open_checks)
        if len(open_checks) >= self._settings.limits.waiting_checks:
            raise MinimizeError(f"{len(open_checks)} checks wait already.")
        allowed = await self.decision("allow", pull)
        accepted = await self.decision("accept", pull)
        branch = (key.forge, key.repository, pull.base_ref)
        declined = await asyncio.to_thread(self._opportunities.declined_edits, *branch[:2])
        job = replace(
            job_of_head(run_id(key, pull.head_sha, origin), key, pull),
            documents=self._settings.documents_for(*branch),
            allowed=allowed.user if allowed is not None else "",
            acceptance=acceptance_of(accepted),
            workloads=part.workloads if part else (),
            arches=part.arches if part else (),
            answers=part.answers if part else "",
            others=part.others if part else (),
            declined=declined,
            pusher=pusher or await self.pusher(pull),
            delivery=origin,
            urgency="scheduled" if pull.author_is_bot and part is None else "push",
            tracked=part is None and built_from(self._settings, *branch, pull.default_branch),
        )
        # The record first: an engine's run without one would never be seen to end.
        if not await asyncio.to_thread(self._store.add_check, _record(job, pull, origin, received)):
            # An earlier try got no further, and may be long ago.
            await asyncio.to_thread(self._store.reopen_check, job.id)
        await self._engine.publisher.begin(job)
        unpredicted = [check for check in open_checks if check.predicted is None]
        if part is None and len(unpredicted) >= max(self._settings.engine.predictions, 1):
            await self._engine.publisher.queued(job)
        await self._engine.start_check(job)
        if part is None:
            await self.stop(key, f"{pull.head_sha[:12]} is the head now.", but=job)
        return job

    async def stop(
        self,
        key: PullRequestKey,
        reason: str,
        *,
        but: CheckJob | None = None,
        keep: str = "",
        title: str = "Superseded",
    ) -> int:
        """Stop the open runs of a pull request, all but one, and set their commits' statuses.

        `but` and narrowed runs of the same commit go on, and those of the commit `keep`. One that
        has concluded is over, though the store may not know of it yet: its record and
        status stay. How many were stopped.
        """
        records = await asyncio.to_thread(
            self._store.checks_of, key.forge, key.repository, key.number
        )
        stopping = [r for r in records if r.open and r.head_sha != keep and not _goes_on(r, but)]
        stopped = 0
        for record in stopping:
            # For the collector, which concludes it if a crash comes before the rest of this.
            await asyncio.to_thread(self._store.update_open_check, record.id, problem=reason)
            await self._engine.cancel_check(record.id)
            # Looked at when nothing more can come: who follows the runs closes the record.
            if (await self._engine.running([record.id]))[record.id].progress.done:
                continue
            stopped += 1
            job = await self._engine.job_of(record.id) if record.narrowed else job_of(record)
            # The status of a commit that has a newer run is that run's.
            theirs = not record.narrowed and but is not None and record.head_sha == but.head_sha
            if job is not None and not theirs:
                await self._engine.withdraw(job, title, reason)
            await asyncio.to_thread(
                self._store.update_open_check,
                record.id,
                stage="stopped",
                problem=reason,
                open=False,
                finished=now(),
            )
        return stopped

    async def pusher(self, pull: PullRequest) -> str:
        """Who pushed the head, as an earlier check of it has it; empty where none does."""
        known = [r.pusher for r in await self.of(pull.key) if r.head_sha == pull.head_sha]
        return next((pusher for pusher in reversed(known) if pusher), "")

    async def decision(self, kind: DecisionKind, pull: PullRequest) -> Decision | None:
        """The decision for the head commit."""
        return await asyncio.to_thread(
            self._commands.decision, kind, *pull.key.parts, pull.head_sha
        )


def acceptance_of(decision: Decision | None) -> Acceptance | None:
    """A decision in the form of a check's result."""
    if decision is None:
        return None
    return Acceptance(decision.user, decision.reason, decision.time)


def job_of(record: CheckRecord) -> CheckJob:
    """The job of a record, as far as writing to the forge needs it."""
    key = PullRequestKey(record.forge, record.repository, record.number)
    return job_of_head(record.id, key, record)


def _goes_on(record: CheckRecord, but: CheckJob | None) -> bool:
    if but is None:
        return False
    return record.id == but.id or (record.narrowed and record.head_sha == but.head_sha)


def _record(job: CheckJob, pull: PullRequest, origin: str, received: str) -> CheckRecord:
    return CheckRecord(
        job.id,
        *job.key.parts,
        job.head_sha,
        pull.title,
        job.author,
        pull.url,
        job.base_ref,
        job.base_sha,
        delivery=origin,
        private=job.private,
        created=received,
        narrowed=job.narrowed,
        pusher=job.pusher,
        opportunities=" ".join(named_opportunities(pull.title, pull.text)),
    )


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
