"""Recording of desired states: statuses, comments and answers of checks, which the reconciler
sends. Recording the same again changes nothing, so a step may run twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from bot.chat.answers import compose, sentence
from bot.engine.desired import (
    Desired,
    DesiredComment,
    DesiredReaction,
    DesiredStatus,
    DesiredStatuses,
    DesiredSuggestions,
    Phase,
    Subject,
)
from bot.engine.job import CheckJob, Reply
from bot.engine.links import CheckLinks, LinkKeys
from bot.engine.outbox import Outbox
from bot.engine.rendering import line_suggestion, narrowed_to, with_log_addresses
from bot.engine.results import Results
from bot.engine.values import StoredResult
from bot.forge.values import PullRequestKey, StatusReport, StatusState
from bot.model.result import CheckResult
from bot.report.annotations import Annotation, annotations_of
from bot.report.render import (
    COMMENT_LIMIT,
    COMMENT_MARKER,
    comment_needed,
    render_comment,
    render_nothing_any_more,
)
from bot.report.suggestion import offered
from bot.settings.forges import FORGE_TYPES
from bot.settings.values import Settings

D = TypeVar("D", bound=Desired)
QUEUED = "Waits for its turn: other checks are before it"
# States that block a merge; not used in the mode `comment`.
_STOPPING: tuple[StatusState, ...] = ("failure", "action_required")


class Publisher:
    """Recorder of statuses, comments and answers, for runs and for the server.

    It records nothing for a repository in the mode `silent`, no failing status in `comment`.
    """

    def __init__(
        self, outbox: Outbox, results: Results, settings: Settings, public_url: str | None = None
    ) -> None:
        self.outbox = outbox
        self.results = results
        self._settings = settings
        self._links = CheckLinks(public_url or settings.public_url, LinkKeys.of(settings))

    async def begin(self, job: CheckJob) -> None:
        """Make `job` the check of its pull request: later records of earlier checks are ignored."""
        if self._silent(job.key, job.base_ref):
            return
        if job.narrowed:
            await self._comment(job.key, job.answers, lambda comment: comment.begun(job.id))
            return
        await self._statuses(
            job.key, job.head_sha, lambda statuses: statuses.begun(job.number, job.id)
        )
        await self._comment(job.key, COMMENT_MARKER, lambda comment: comment.begun(job.id))
        await self._suggestions(job, lambda suggestions: suggestions.begun(job.id))

    async def queued(self, job: CheckJob) -> None:
        """Record that the check waits for its turn, unless the commit has a result."""
        await self.status(job, Phase.QUEUED, "pending", QUEUED)

    async def status(
        self,
        job: CheckJob,
        phase: Phase,
        state: StatusState,
        title: str,
        summary: str = "",
        result: str | None = None,
    ) -> None:
        """Record the status of the head commit, with annotations on lines of the specs if the id of
        a `result` is given. A narrowed check sets no status."""
        if job.narrowed:
            return
        if self._silent(job.key, job.base_ref):
            return
        notes = () if result is None else annotations_of(await self._result(result))
        report = self._report(job, state, title, summary, notes)
        wanted = DesiredStatus(job.number, job.id, phase, report)
        await self._statuses(job.key, job.head_sha, lambda statuses: statuses.recorded(wanted))

    async def withdraw(self, job: CheckJob, state: StatusState, title: str, summary: str) -> None:
        """Record in the status that the check was stopped. A status that had concluded stays."""
        if self._silent(job.key, job.base_ref):
            return
        report = self._report(job, state, title, summary)
        wanted = DesiredStatus(job.number, job.id, Phase.WITHDRAWN, report)
        await self._statuses(job.key, job.head_sha, lambda statuses: statuses.withdrawn(wanted))

    async def end_hold(self, job: CheckJob, state: StatusState, title: str, summary: str) -> None:
        """Record the status of an obsolete check that waited for its quota, if the commit has
        one."""
        if self._silent(job.key, job.base_ref):
            return
        report = self._report(job, state, title, summary)
        wanted = DesiredStatus(job.number, job.id, Phase.WITHDRAWN, report)
        await self._statuses(
            job.key,
            job.head_sha,
            lambda statuses: (
                statuses if statuses.of(job.number) is None else statuses.withdrawn(wanted)
            ),
        )

    async def closed(self, key: PullRequestKey, sha: str) -> None:
        """Ignore a closed pull request's status if open pull requests have the same commit."""
        await self._statuses(key, sha, lambda statuses: statuses.closed(key.number, over=True))

    async def forget_repository(self, forge: str, repository: str) -> None:
        """Drop the desired states of a removed repository."""
        await asyncio.to_thread(self.outbox.forget_repository, forge, repository)

    async def merge_group(
        self, key: PullRequestKey, sha: str, base_ref: str, report: StatusReport
    ) -> None:
        """Record the status of a merge queue's commit."""
        if self._silent(key, base_ref):
            return
        wanted = DesiredStatus(key.number, report.check, Phase.CONCLUDED, report)
        await self._statuses(
            key, sha, lambda statuses: statuses.begun(key.number, report.check).recorded(wanted)
        )

    async def comment(self, job: CheckJob, phase: Phase, result: str) -> None:
        """Record the comment for the result with this id.

        Without a changed image no comment is created, but that of an earlier push is edited. On a
        forge that cannot edit comments a check comments only at its end.
        """
        if self._silent(job.key, job.base_ref):
            return None
        document = await self._result(result)
        if document.stage != "final" and not self._edits_comments(job.forge):
            return None
        document = with_log_addresses(document, lambda number: self._links.log(job, number))
        if job.narrowed:
            return await self._record(job, phase, job.answers, self._narrowed(job, document))
        if document.stage == "final":
            await self._suggest(job, phase, document)
        needed = comment_needed(document)
        if document.judged == "neutral" and not needed:
            # Not evaluated: an earlier comment may still be true, so it is left.
            return None
        render = render_comment if needed else render_nothing_any_more
        body = render(document, page_url=self._links.page(job), chat=True)
        return await self._record(job, phase, COMMENT_MARKER, body, create=needed)

    async def _suggest(self, job: CheckJob, phase: Phase, document: CheckResult) -> None:
        """Record the suggestions on lines of the diff; none if the settings switch them off."""
        rule = self._settings.rule_for(*job.key.parts[:2], job.base_ref)
        wanted = offered(document) if rule is None or rule.suggestions else ()
        lines = tuple(line_suggestion(suggestion) for suggestion in wanted)
        suggestions = DesiredSuggestions(
            lines, check=job.id, phase=phase, head_sha=job.head_sha, base_ref=job.base_ref
        )
        await self._suggestions(job, lambda earlier: earlier.recorded(suggestions))

    async def decline(self, key: PullRequestKey, edit: str) -> None:
        """Withdraw the suggestions of a declined edit; later checks do not make them again."""
        empty = DesiredSuggestions()
        await self._change(
            Subject.suggestions(key), empty, lambda suggestions: suggestions.without(edit)
        )

    def _narrowed(self, job: CheckJob, document: CheckResult) -> str:
        """The comment of a narrowed check; the usual comment is about all images."""
        # Its marker is longer than the one that the renderer counts.
        limit = COMMENT_LIMIT - len(job.answers)
        page, about = (
            self._links.page(job),
            narrowed_to(job.workloads, job.arches, document, [other.name for other in job.others]),
        )
        body = render_comment(document, page_url=page, chat=True, about=about, limit=limit)
        return body.replace(COMMENT_MARKER, job.answers, 1)

    async def answer(self, job: CheckJob, text: str) -> None:
        """Record a sentence as the comment of a narrowed check; others have a status for it."""
        if not job.narrowed or self._silent(job.key, job.base_ref):
            return
        line = " ".join(["/minimize check", *job.workloads, *(f"--arch {a}" for a in job.arches)])
        body = compose([(line, sentence(text))], marker=job.answers, user="", url="")
        await self._record(job, Phase.WITHDRAWN, job.answers, body)

    async def begin_reply(self, job: CheckJob, reply: Reply) -> None:
        """Make `reply` the answer to its user's question: records of earlier ones are then
        ignored."""
        if not self._silent(job.key, job.base_ref):
            await self._comment(job.key, reply.marker, lambda comment: comment.begun(reply.comment))

    async def reply(self, job: CheckJob, reply: Reply, body: str) -> None:
        """Record the answer to a comment; it replaces an earlier one to the same question."""
        if self._silent(job.key, job.base_ref):
            return
        wanted = DesiredComment(reply.marker, body, check=reply.comment)
        await self._comment(
            job.key, reply.marker, lambda comment: comment.recorded(wanted), reply.comment
        )

    async def react(self, job: CheckJob, reply: Reply) -> None:
        """Record the reaction for a taken command."""
        if self._silent(job.key, job.base_ref):
            return
        wanted = DesiredReaction(reply.comment, "eyes")
        subject = Subject.reaction(job.key, reply.comment, "eyes")
        await self._change(subject, wanted, lambda _: wanted)

    async def publish(self, job: CheckJob, result: CheckResult) -> StoredResult:
        """Store an accepted final result, record its comment and status, and return it."""
        stored = await asyncio.to_thread(self.results.add, job.id, result)
        await self.comment(job, Phase.ACCEPTED, stored.id)
        report = (stored.verdict, stored.title, stored.summary, stored.id)
        await self.status(job, Phase.ACCEPTED, *report)
        return stored

    def _silent(self, key: PullRequestKey, base_ref: str) -> bool:
        return self._settings.mode_for(key.forge, key.repository, base_ref) == "silent"

    def _edits_comments(self, forge: str) -> bool:
        own = self._settings.forges.get(forge)
        return own is None or FORGE_TYPES[own.type].edits_comments

    def _report(
        self,
        job: CheckJob,
        state: StatusState,
        title: str,
        summary: str,
        notes: tuple[Annotation, ...] = (),
    ) -> StatusReport:
        """The status of a check, adapted to its repository's mode."""
        if state in _STOPPING:
            mode = self._settings.mode_for(job.forge, job.repository, job.base_ref)
            if mode == "comment":
                state, title = "success", f"Not enforced: {title}"
        return StatusReport(job.id, state, title, summary, self._links.page(job), notes)

    async def _record(
        self, job: CheckJob, phase: Phase, marker: str, body: str, *, create: bool = True
    ) -> None:
        wanted = DesiredComment(marker, body, create, check=job.id, phase=phase)
        if not job.narrowed:
            wanted = replace(wanted, head_sha=job.head_sha, base_ref=job.base_ref)
        await self._comment(job.key, marker, lambda comment: comment.recorded(wanted), job.id)

    async def _statuses(
        self,
        key: PullRequestKey,
        sha: str,
        change: Callable[[DesiredStatuses], DesiredStatuses],
    ) -> None:
        await self._change(Subject.status(key, sha), DesiredStatuses(), change)

    async def _comment(
        self,
        key: PullRequestKey,
        marker: str,
        change: Callable[[DesiredComment], DesiredComment],
        check: str = "",
    ) -> None:
        empty = DesiredComment(marker, check=check)
        await self._change(Subject.comment(key, marker), empty, change)

    async def _suggestions(
        self, job: CheckJob, change: Callable[[DesiredSuggestions], DesiredSuggestions]
    ) -> None:
        empty = DesiredSuggestions(check=job.id)
        await self._change(Subject.suggestions(job.key), empty, change)

    async def _change(self, subject: Subject, empty: D, change: Callable[[D], D]) -> None:
        await asyncio.to_thread(self.outbox.change, subject, empty, change)

    async def _result(self, result: str) -> CheckResult:
        return await asyncio.to_thread(self.results.get, result)
