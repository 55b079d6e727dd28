"""The steps of a check: every effect of a run is here. Each may run more than once.

A step that writes to the forge looks first: at the pull request's head, and at what is there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from bot.chat.answers import (
    ChatAnswer,
    compose,
    found_answer,
    help_answer,
    not_understood,
    sentence,
)
from bot.chat.parser import Question, parse_line
from bot.chat.questions import ChatFinding
from bot.check.external import ExternalPlan, ExternalProgress
from bot.check.verdict import accept, not_allowed
from bot.engine.computation import (
    Commits,
    answer_questions,
    fetch_change,
    finish_change,
    locate_packages,
    predict_change,
    read_base_file,
)
from bot.engine.job import CheckJob, Line, Reply
from bot.engine.links import CheckLinks, LinkKeys
from bot.engine.merged import mirror_of
from bot.engine.processes import Computing
from bot.engine.rendering import narrowed_to, with_log_addresses
from bot.engine.results import Results
from bot.engine.trust import Trust, trust_in
from bot.engine.values import (
    BaseFile,
    BuildDecision,
    Predicted,
    Published,
    StoredResult,
)
from bot.forge.protocol import Forge
from bot.forge.values import StatusReport, StatusState
from bot.model.result import CheckResult
from bot.report.annotations import annotations_of
from bot.report.render import (
    COMMENT_LIMIT,
    COMMENT_MARKER,
    comment_needed,
    render_comment,
    render_nothing_any_more,
)
from bot.settings.values import Settings

LOG = logging.getLogger(__name__)


class CheckSteps:
    """The steps, with the forges, the place of computing, the git cache and the limits."""

    def __init__(
        self,
        forges: Mapping[str, Forge],
        computing: Computing,
        settings: Settings,
        results: Results,
        *,
        public_url: str | None = None,
    ) -> None:
        self.results = results
        self.computing = computing
        self._forges = forges
        self._settings = settings
        self._links = CheckLinks(public_url or settings.public_url, LinkKeys.of(settings))

    def forge_of(self, job: CheckJob) -> Forge:
        """The forge that a job is about."""
        return self._forges[job.forge]

    async def status(
        self,
        job: CheckJob,
        state: StatusState,
        title: str,
        summary: str = "",
        result: str | None = None,
        *,
        only_open: bool = False,
    ) -> None:
        """Set the status of the head commit; with the id of a `result`, annotations on the specs'
        lines too.

        `only_open`: a status that is concluded stays as it is.
        A narrowed check sets none: it is no answer for the commit.
        """
        if job.narrowed:
            return
        notes = () if result is None else annotations_of(await self._result(result))
        page = self._links.page(job)
        report = StatusReport(job.id, state, title, summary, page, notes, only_open)
        await self.forge_of(job).set_status(job.key, job.head_sha, report)

    async def fetch(self, job: CheckJob) -> StoredResult | None:
        """Fetch the commits; return the result of a change that touches no package.

        That is neither a spec, nor a file that one may read, nor the repository's `.minimize.yaml`.
        """
        commits = await self._commits(job)
        seconds = self._settings.limits.fetch_seconds
        found = await self.computing.run(
            job.id, "predictions", seconds, partial(fetch_change, commits=commits), _about(job)
        )
        if found.packaging:
            return None
        nothing = CheckResult(
            base=job.base_sha,
            head=job.head_sha,
            merge_base=found.merge_base,
            specs=(),
            verdict="success",
        )
        return await asyncio.to_thread(self.results.add, job.id, nothing)

    async def predict(self, job: CheckJob) -> Predicted:
        """Store the prediction, and find out whether a rebuild could tell more."""
        commits = await self._commits(job)
        seconds = self._settings.limits.prediction_seconds
        found = await self.computing.run(
            job.id,
            "predictions",
            seconds,
            partial(predict_change, job=job, commits=commits),
            _about(job),
        )
        file = None
        if job.tracked:
            read = partial(read_base_file, commits=commits)
            content = await self.computing.run(job.id, "predictions", seconds, read, _about(job))
            file = BaseFile(content)
        return Predicted(
            await asyncio.to_thread(self._store, job, found.result),
            time.time(),
            any(image.changed for image in found.result.images),
            found.worth_building,
            found.why_not,
            found.external,
            file,
            found.read,
        )

    async def finish(self, job: CheckJob) -> StoredResult:
        """Store the result of the rebuild."""
        work = partial(finish_change, job=job, commits=await self._commits(job))
        seconds = self._settings.limits.build_seconds
        result = await self.computing.run(job.id, "builds", seconds, work, _about(job))
        return await asyncio.to_thread(self._store, job, result)

    async def conclude(
        self, job: CheckJob, predicted: str, change: Callable[[CheckResult], CheckResult]
    ) -> StoredResult:
        """Store the final result that a prediction becomes by `change`, as no rebuild follows.

        `predicted` is the id of the prediction's result.
        """

        def conclude() -> StoredResult:
            return self.results.add(job.id, change(self.results.get(predicted)))

        return await asyncio.to_thread(conclude)

    async def locate(self, job: CheckJob, plan: ExternalPlan) -> ExternalProgress:
        """Which packages of a build elsewhere are there by now."""
        seconds = self._settings.limits.prediction_seconds
        work = partial(locate_packages, plan=plan)
        return await self.computing.run(job.id, "predictions", seconds, work, _about(job))

    async def ask(self, job: CheckJob, questions: Sequence[Question]) -> tuple[ChatFinding, ...]:
        """The answers to questions about the images of the head commit."""
        commits = await self._commits(job)
        work = partial(answer_questions, job=job, commits=commits, questions=tuple(questions))
        seconds = self._settings.limits.prediction_seconds
        return await self.computing.run(job.id, "predictions", seconds, work, _about(job))

    async def trust(self, job: CheckJob) -> Trust:
        """The trust in the head commit: who its author and its pusher are to the forge."""
        return await trust_in(job, self.forge_of(job), self._settings.build)

    async def decide(self, job: CheckJob, predicted: Predicted) -> BuildDecision:
        """Decide whether the head commit is built, by whose change it is."""
        if not predicted.read:
            return BuildDecision(False)
        trust = await self.trust(job)
        if not predicted.worth_building:
            return BuildDecision(False, predicted.why_not or trust.why, trust.trusted)
        if predicted.external is not None:
            # It is not us who build: whose change it is does not matter.
            return BuildDecision(True, trusted=trust.trusted)
        if not trust.trusted:
            return BuildDecision(False, trust.why, trusted=False)
        if not self._settings.build.enabled:
            return BuildDecision(False, "Building is switched off.")
        return BuildDecision(True)

    async def comment(self, job: CheckJob, result: str) -> Published:
        """Write, edit or take back the comment of the result with this id.

        No comment is made while no image changes; one from an earlier push is edited to say so.
        On a bot's pull request there is none, unless the settings say so: the status is enough.
        """
        forge = self.forge_of(job)
        now = await forge.pull_request(job.key)
        # What was merged meanwhile is still of this head: its effect is measured to the end.
        newest = (now.head_sha, now.base_ref) == (job.head_sha, job.base_ref)
        if not newest or not (now.open or now.merged):
            return Published(stale=True)
        found = await self._result(result)
        if job.narrowed:
            return await self._answer_narrowed(job, found)
        own = self._settings.forges.get(job.forge)
        if now.author_is_bot and not (own is not None and own.comment_on_bots):
            return Published()
        if found.judged == "neutral" and not comment_needed(found):
            # Not evaluated: an earlier comment may still be true, so it is left.
            return Published()
        page = self._links.page(job)
        found = with_log_addresses(found, lambda number: self._links.log(job, number))
        if comment_needed(found):
            body = render_comment(found, page_url=page, chat=True)
        elif await forge.find_comment(job.key, COMMENT_MARKER) is not None:
            body = render_nothing_any_more(found, page_url=page, chat=True)
        else:
            return Published()
        return await self._put_comment(job, COMMENT_MARKER, body)

    async def _answer_narrowed(self, job: CheckJob, found: CheckResult) -> Published:
        """Write the report in a comment of its own: the usual comment is about all images."""
        found = with_log_addresses(found, lambda number: self._links.log(job, number))
        # Its own marker is longer than the one that the renderer counts.
        limit = COMMENT_LIMIT - len(job.answers)
        page, about = self._links.page(job), narrowed_to(job.workloads, job.arches, found)
        body = render_comment(found, page_url=page, chat=True, about=about, limit=limit)
        return await self._put_comment(
            job, job.answers, body.replace(COMMENT_MARKER, job.answers, 1)
        )

    async def answer(self, job: CheckJob, text: str) -> Published:
        """Write a sentence as the answer of a narrowed check, which has no status."""
        line = " ".join(["/minimize check", *job.workloads, *(f"--arch {a}" for a in job.arches)])
        body = compose([(line, sentence(text))], marker=job.answers, user="", url="")
        return await self._put_comment(job, job.answers, body)

    async def react(self, job: CheckJob, reply: Reply) -> None:
        """Put the reaction for a taken command."""
        await self.forge_of(job).react(job.key, reply.comment, "eyes")

    async def find_answers(self, job: CheckJob, reply: Reply) -> str:
        """The text of a reply, questions answered."""
        found = await self.ask(job, reply.questions)
        return body_of(reply, {one.question.text: found_answer(one) for one in found})

    async def write_reply(self, job: CheckJob, reply: Reply, body: str) -> None:
        """Write a reply, or edit it where a crash came after it was written."""
        await self.forge_of(job).put_comment(job.key, reply.marker, body)

    async def _put_comment(self, job: CheckJob, marker: str, body: str) -> Published:
        comment = await self.forge_of(job).put_comment(job.key, marker, body)
        return Published((comment.id, comment.url))

    def _store(self, job: CheckJob, result: CheckResult) -> StoredResult:
        accepted = accept(result, job.acceptance) if job.acceptance else result
        return self.results.add(job.id, accepted)

    async def _result(self, result: str) -> CheckResult:
        return await asyncio.to_thread(self.results.get, result)

    async def _commits(self, job: CheckJob) -> Commits:
        """The commits of a job, with the present credential for fetching them."""
        source = await self.forge_of(job).source(job.key, job.base_ref)
        mirror = mirror_of(source, self._settings)
        return Commits(mirror, tuple(source.refs), job.head_sha, job.base_sha)


def _about(job: CheckJob) -> str:
    """The repositories that a process has warm once it worked for a job."""
    return " ".join(job.documents) or f"{job.forge}:{job.repository}"


def not_rebuilt(result: CheckResult, note: str) -> CheckResult:
    """A prediction as the final result, with the reason that nobody was to build it, if any."""
    notes = (*result.notes, f"Predicted, not rebuilt: {note}") if note else result.notes
    return replace(result, stage="final", notes=notes)


def concluded(result: CheckResult, *, trusted: bool) -> CheckResult:
    """A prediction as the final result; not `trusted` it waits for somebody to allow it."""
    return result if trusted else not_allowed(result)


def rebuild_failed(result: CheckResult, problem: str) -> CheckResult:
    """A prediction as the final result, because the rebuild failed: a success is neutral then."""
    return replace(
        result,
        stage="final",
        problems=(*result.problems, f"The prediction stands, the rebuild failed: {problem}"),
        verdict="failure" if result.judged == "failure" else "neutral",
        interrupted=True,
    )


def body_of(reply: Reply, found: Mapping[str, ChatAnswer], problem: str = "") -> str:
    """The whole answer; questions that have no answer in `found` get `problem`."""
    answers = [(line.text, _answer(line, found, problem)) for line in reply.lines]
    return compose(answers, marker=reply.marker, user=reply.user, url=reply.url)


def _answer(line: Line, found: Mapping[str, ChatAnswer], problem: str) -> ChatAnswer:
    if line.answer:
        return sentence(line.answer)
    if line.text in found:
        return found[line.text]
    parsed = parse_line(line.text)
    if not isinstance(parsed, Question):
        return not_understood(parsed)
    return help_answer() if parsed.name == "help" else sentence(problem)
