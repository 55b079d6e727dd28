"""Starting and stopping of runs, for deliveries and commands, and acceptance of their results."""

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
    """The narrowing of a check: workloads, architectures, changes checked together with it, and the
    hidden marker of the comment with its answer."""

    workloads: tuple[str, ...]
    arches: tuple[str, ...]
    answers: str
    others: tuple[OtherHead, ...] = ()


class Runs:
    """The runs of pull requests: records in the store, and workflows in the engine."""

    def __init__(self, store: Store, engine: Engine, settings: Settings) -> None:
        self._store = store
        self._engine = engine
        self._settings = settings
        self._commands = Commands(store)
        self._opportunities = Opportunities(store)

    async def of(self, key: PullRequestKey) -> list[CheckRecord]:
        """The records (without results) of a pull request's checks that are not narrowed, oldest
        first."""
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
        """Start a check of the head commit and stop the pull request's other checks.

        `origin` is the id of the request: the same one leads to the same run. `received` is its
        time, RFC 3339 in UTC. A narrowed check (`part`) runs beside the others. `pusher` is who
        pushed the head, if the request says so. Raises MinimizeError while too many checks are
        open.
        """
        key = pull.key
        open_checks = await asyncio.to_thread(self._store.open_checks)
        if len(open_checks) >= self._settings.limits.waiting_checks:
            raise MinimizeError(f"{len(open_checks)} checks are open already.")
        permission = await self.decision("allow", pull)
        acceptance = await self.decision("accept", pull)
        branch = (key.forge, key.repository, pull.base_ref)
        declined = await asyncio.to_thread(self._opportunities.declined_edits, *branch[:2])
        job = replace(
            job_of_head(run_id(key, pull.head_sha, origin), key, pull),
            documents=self._settings.documents_for(*branch),
            allowed=permission.user if permission is not None else "",
            acceptance=acceptance_of(acceptance),
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
        # The record first: the end of a run without a record would never be noticed.
        if not await asyncio.to_thread(self._store.add_check, _record(job, pull, origin, received)):
            # An earlier try was interrupted here, perhaps long ago.
            await asyncio.to_thread(self._store.reopen_check, job.id)
        await self._engine.publisher.begin(job)
        unpredicted = [check for check in open_checks if check.predicted is None]
        if part is None and len(unpredicted) >= max(self._settings.engine.predictions, 1):
            await self._engine.publisher.queued(job)
        await self._engine.start_check(job)
        if part is None:
            await self.stop(key, f"{pull.head_sha[:12]} is the head now.", newest=job)
        return job

    async def stop(
        self,
        key: PullRequestKey,
        reason: str,
        *,
        newest: CheckJob | None = None,
        keep: str = "",
        title: str = "Superseded",
    ) -> int:
        """Stop the open runs of a pull request and set their commits' statuses; return their
        number.

        The run `newest`, narrowed runs of its commit, and runs of the commit `keep` go on. A run
        that has concluded keeps its record and status, though the store may still list it as open.
        """
        records = await asyncio.to_thread(
            self._store.checks_of, key.forge, key.repository, key.number
        )
        stopping = [r for r in records if r.open and r.head_sha != keep and not _goes_on(r, newest)]
        stopped = 0
        for record in stopping:
            # For the collector, which concludes the check if a crash interrupts this.
            await asyncio.to_thread(self._store.update_open_check, record.id, problem=reason)
            await self._engine.cancel_check(record.id)
            # Read once nothing more can come: the collector closes the record of a concluded run.
            if (await self._engine.running([record.id]))[record.id].progress.done:
                continue
            stopped += 1
            job = await self._engine.job_of(record.id) if record.narrowed else job_of(record)
            # A newer run of the same commit sets the status.
            newer_sets_status = (
                not record.narrowed and newest is not None and record.head_sha == newest.head_sha
            )
            if job is not None and not newer_sets_status:
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
        """The user who pushed the head, by an earlier check of it; empty if none has one."""
        pushers = [r.pusher for r in await self.of(pull.key) if r.head_sha == pull.head_sha]
        return next((pusher for pusher in reversed(pushers) if pusher), "")

    async def decision(self, kind: DecisionKind, pull: PullRequest) -> Decision | None:
        """The newest decision of this kind for the head commit."""
        return await asyncio.to_thread(
            self._commands.decision, kind, *pull.key.parts, pull.head_sha
        )


def acceptance_of(decision: Decision | None) -> Acceptance | None:
    """A decision to accept, as results have it; null for none."""
    if decision is None:
        return None
    return Acceptance(decision.user, decision.reason, decision.time)


def job_of(record: CheckRecord) -> CheckJob:
    """The job of a record, with the fields that writing to the forge needs."""
    key = PullRequestKey(record.forge, record.repository, record.number)
    return job_of_head(record.id, key, record)


def _goes_on(record: CheckRecord, newest: CheckJob | None) -> bool:
    if newest is None:
        return False
    return record.id == newest.id or (record.narrowed and record.head_sha == newest.head_sha)


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
    """Apply an acceptance to a finished check; doing so twice changes nothing.

    A check with nothing to accept stays as it is; to one that still runs, the collector applies the
    decision at its end.
    """
    changes = await accepted_changes(publisher, record, decision)
    if changes and not record.open:
        await asyncio.to_thread(lambda: store.update_check(record.id, **changes))


async def accepted_changes(
    publisher: Publisher, record: CheckRecord, decision: Decision
) -> CheckChanges:
    """Record an acceptance's comment and status; return the changed fields of the record, or none.

    `record` has the check's result. Nothing is done unless that is final, of all images, and
    changed by the acceptance.
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
