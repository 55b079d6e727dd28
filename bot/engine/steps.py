"""The steps of a check, except those that record desired states (`publishing`).

Each may run more than once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
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
from bot.check.architectures import ArchitectureResult, merged_result
from bot.check.external import ExternalPlan, ExternalProgress
from bot.check.verdict import accept, not_allowed
from bot.engine.computation import (
    Commits,
    answer_questions,
    build_change,
    fetch_change,
    finish_change,
    locate_packages,
    predict_change,
    read_base_file,
)
from bot.engine.job import CheckJob, Line, Reply
from bot.engine.merged import mirror_of
from bot.engine.processes import Computing, Slot
from bot.engine.publishing import Publisher
from bot.engine.takeover import workflow_ids
from bot.engine.together import job_of_other, trust_in_all
from bot.engine.trust import Trust
from bot.engine.values import (
    BaseFile,
    BuildDecision,
    BuildEnd,
    Predicted,
    StoredResult,
)
from bot.errors import UsageError
from bot.forge.protocol import Forge
from bot.model.advice import Plan
from bot.model.opportunity import edit_name
from bot.model.result import CheckResult
from bot.model.suggestion import Suggestion
from bot.sandbox.emulation import native_architecture
from bot.settings.values import Settings

LOG = logging.getLogger(__name__)
_BROKEN = ["CANCELLED", "ERROR", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]


class CheckSteps:
    """The steps of checks, which use forges, compute processes, settings and the publisher."""

    def __init__(
        self,
        forges: Mapping[str, Forge],
        computing: Computing,
        settings: Settings,
        publisher: Publisher,
    ) -> None:
        self.publisher = publisher
        self.results = publisher.results
        self.computing = computing
        self._forges = forges
        self._settings = settings

    def forge_of(self, job: CheckJob) -> Forge:
        """The forge that a job is about."""
        return self._forges[job.forge]

    async def fetch(self, job: CheckJob) -> StoredResult | None:
        """Fetch the commits; return the result if the change touches no package, else null.

        A package's files are specs, files that a spec may read, and `.minimize.yaml`.
        """
        commits = await self._commits(job)
        seconds = self._settings.limits.fetch_seconds
        change = await self.computing.run(
            job.id, "predictions", seconds, partial(fetch_change, commits=commits), _about(job)
        )
        most = self._settings.limits.specs
        if change.specs > most:
            raise UsageError(
                f"This change touches {change.specs} spec files, and at most {most} of one change"
                " are evaluated.",
                "Split it, or have limits.specs of the server's settings raised.",
            )
        if change.packaging or job.others:
            return None
        nothing = CheckResult(
            base=job.base_sha,
            head=job.head_sha,
            merge_base=change.merge_base,
            specs=(),
            verdict="success",
        )
        return await asyncio.to_thread(self.results.add, job.id, nothing)

    async def predict(self, job: CheckJob) -> Predicted:
        """Predict, store the result, and find out whether a rebuild could refine it.

        A very large result is read only if the change is trusted.
        """
        commits = await self._commits(job)
        seconds = self._settings.limits.prediction_seconds
        prediction = await self.computing.run(
            job.id,
            "predictions",
            seconds,
            partial(predict_change, job=job, commits=commits, others=await self._others(job)),
            _about(job),
            partial(self._is_trusted, job),
        )
        file = None
        if job.tracked:
            read_file = partial(read_base_file, commits=commits)
            content = await self.computing.run(
                job.id, "predictions", seconds, read_file, _about(job)
            )
            file = BaseFile(content)
        return Predicted(
            await asyncio.to_thread(self._store, job, _fetchable(prediction.result, commits)),
            time.time(),
            any(image.changed for image in prediction.result.images),
            prediction.worth_building,
            prediction.why_not,
            prediction.external,
            file,
            prediction.read,
            prediction.arches,
        )

    async def finish(self, job: CheckJob) -> StoredResult:
        """Rebuild both sides and store the result."""
        commits = await self._commits(job)
        others = await self._others(job)
        work = partial(finish_change, job=job, commits=commits, others=others)
        seconds = self._settings.limits.build_seconds
        # The change may be untrusted: external builds do not require trust.
        accepts = partial(self._is_trusted, job)
        result = await self.computing.run(job.id, "builds", seconds, work, _about(job), accepts)
        return await asyncio.to_thread(self._store, job, _fetchable(result, commits))

    async def build(self, job: CheckJob, arch: str, arches: tuple[str, ...]) -> BuildEnd:
        """Build for `arch`, one of `arches`, and store the result."""
        commits = await self._commits(job)
        work = partial(build_change, job=job, commits=commits, arch=arch, arches=arches)
        slot: Slot = "builds" if arch == native_architecture() else "emulated"
        seconds = self._settings.build_seconds(arch)
        part = await self.computing.run(job.id, slot, seconds, work, _about(job))
        # Without the acceptance, which applies to the merged result.
        stored = await asyncio.to_thread(self.results.add, job.id, part.result)
        return BuildEnd(arch, stored.id, part.transfers)

    async def broken_builds(self, check: str, prefix: str) -> list[BuildEnd]:
        """The ends of the builds for single architectures that were cancelled or broke; their
        workflows' ids are `prefix` followed by the architecture."""
        why = f"The run of the build broke; the bot's log has the reason, under {check}."
        broken = await workflow_ids(workflow_id_prefix=prefix, status=_BROKEN)
        return [BuildEnd(workflow.removeprefix(prefix), problem=why) for workflow in broken]

    async def merge(
        self, job: CheckJob, predicted: str, ends: Sequence[BuildEnd], arches: Sequence[str]
    ) -> StoredResult:
        """Merge the results of the builds that have `ends`, of those for `arches`, and store the
        merged result. `predicted` is the id of the prediction's result."""

        def merge() -> StoredResult:
            by_arch = {end.arch: end for end in ends}
            parts = [
                ArchitectureResult(arch, self.results.get(end.result), end.transfers)
                for arch in arches
                if (end := by_arch.get(arch)) is not None and end.result is not None
            ]
            merged = merged_result(
                self.results.get(predicted),
                parts,
                awaited=[arch for arch in arches if arch not in by_arch],
                lost={end.arch: end.problem for end in ends if end.result is None},
            )
            return self._store(job, merged)

        return await asyncio.to_thread(merge)

    async def conclude(
        self, job: CheckJob, predicted: str, change: Callable[[CheckResult], CheckResult]
    ) -> StoredResult:
        """Apply `change` to a prediction and store it as the final result, as no rebuild follows.

        `predicted` is the id of the prediction's result.
        """

        def conclude() -> StoredResult:
            return self.results.add(job.id, change(self.results.get(predicted)))

        return await asyncio.to_thread(conclude)

    async def locate(self, job: CheckJob, plan: ExternalPlan) -> ExternalProgress:
        """The packages of an external build that are available by now."""
        seconds = self._settings.limits.prediction_seconds
        work = partial(locate_packages, plan=plan)
        return await self.computing.run(job.id, "predictions", seconds, work, _about(job))

    async def ask(self, job: CheckJob, questions: Sequence[Question]) -> tuple[ChatFinding, ...]:
        """The answers to questions about the images of the head commit."""
        commits = await self._commits(job)
        work = partial(answer_questions, job=job, commits=commits, questions=tuple(questions))
        seconds = self._settings.limits.prediction_seconds
        # An answer includes the whole prediction that it was found in.
        accepts = partial(self._is_trusted, job)
        return await self.computing.run(job.id, "predictions", seconds, work, _about(job), accepts)

    async def trust(self, job: CheckJob) -> Trust:
        """The trust in the job's head commits, by the roles of their authors and pushers."""
        return await trust_in_all(job, self.forge_of(job), self._settings.build)

    async def _is_trusted(self, job: CheckJob) -> bool:
        return (await self.trust(job)).trusted

    async def decide(self, job: CheckJob, predicted: Predicted) -> BuildDecision:
        """Decide whether the head commit is built, by the prediction, the trust and the
        settings."""
        if not predicted.read:
            return BuildDecision(False)
        trust = await self.trust(job)
        if trust.problem:
            LOG.warning("%s: the author or pusher could not be checked: %s", job.id, trust.problem)
        if not predicted.worth_building:
            return BuildDecision(False, predicted.why_not or trust.why, trust.trusted)
        if predicted.external is not None:
            # The bot does not build it itself, so it need not be trusted.
            return BuildDecision(True, trusted=trust.trusted)
        if not trust.trusted:
            return BuildDecision(False, trust.why, trusted=False)
        if not self._settings.build.enabled:
            return BuildDecision(False, "Building is switched off.")
        return BuildDecision(True)

    async def find_answers(self, job: CheckJob, reply: Reply) -> str:
        """Compute the answers to a reply's questions and return its text."""
        findings = [
            proposing(finding, job.declined) for finding in await self.ask(job, reply.questions)
        ]
        return body_of(
            reply, {finding.question.text: found_answer(finding) for finding in findings}
        )

    def _store(self, job: CheckJob, result: CheckResult) -> StoredResult:
        result = without_declined(result, job.declined)
        final = accept(result, job.acceptance) if job.acceptance else result
        return self.results.add(job.id, final)

    async def _others(self, job: CheckJob) -> list[Commits]:
        return [await self._commits(job_of_other(job, other)) for other in job.others]

    async def _commits(self, job: CheckJob) -> Commits:
        """The commits of a job, with a current credential for fetching them."""
        source = await self.forge_of(job).source(job.key, job.base_ref)
        mirror = mirror_of(source, self._settings)
        return Commits(mirror, tuple(source.refs), job.head_sha, job.base_sha)


def _about(job: CheckJob) -> str:
    """A name for the repositories that a process has loaded after working for a job."""
    return " ".join(job.documents) or f"{job.forge}:{job.repository}"


def _fetchable(result: CheckResult, commits: Commits) -> CheckResult:
    """A result whose reproduction names where its commits are."""
    if result.reproduction is None:
        return result
    refs = (ref.removeprefix("refs/") for ref in commits.refs)
    way = replace(result.reproduction, fetch=(commits.mirror.url, *refs))
    return replace(result, reproduction=way)


def without_declined(result: CheckResult, declined: Collection[str]) -> CheckResult:
    """A result without suggestions that contain a declined edit."""

    def wanted(suggestions: tuple[Suggestion, ...]) -> tuple[Suggestion, ...]:
        return tuple(
            suggestion for suggestion in suggestions if not set(suggestion.edits) & set(declined)
        )

    suggestions, spec_edits = wanted(result.suggestions), wanted(result.spec_edits)
    return replace(result, suggestions=suggestions, spec_edits=spec_edits)


def proposing(finding: ChatFinding, declined: Collection[str]) -> ChatFinding:
    """An answer without plans that contain a declined edit."""

    def wanted(plan: Plan) -> bool:
        names = {edit_name(change.package, change.capability) for change in plan.changes}
        return not names & set(declined)

    advices = (
        replace(advice, plans=tuple(filter(wanted, advice.plans))) for advice in finding.advices
    )
    return replace(finding, advices=tuple(advices))


def not_rebuilt(result: CheckResult, note: str) -> CheckResult:
    """A prediction as the final result, with a note why it was not built, if any."""
    notes = (*result.notes, f"Predicted, not rebuilt: {note}") if note else result.notes
    return replace(result, stage="final", notes=notes)


def concluded(result: CheckResult, *, trusted: bool) -> CheckResult:
    """The final result of a change; if it is not `trusted`, as one that has to be allowed first."""
    return result if trusted else not_allowed(result)


def rebuild_failed(result: CheckResult, problem: str) -> CheckResult:
    """A prediction as the final result, because the rebuild failed: a success is neutral then."""
    return replace(
        result,
        stage="final",
        problems=(
            *result.problems,
            f"The figures are still predictions, the rebuild failed: {problem}",
        ),
        verdict="failure" if result.judged == "failure" else "neutral",
        interrupted=True,
    )


def body_of(reply: Reply, answers: Mapping[str, ChatAnswer], problem: str = "") -> str:
    """The text of a reply; questions without an answer in `answers` get `problem`."""
    texts = [(line.text, _answer(line, answers, problem)) for line in reply.lines]
    return compose(texts, marker=reply.marker, user=reply.user, url=reply.url)


def _answer(line: Line, answers: Mapping[str, ChatAnswer], problem: str) -> ChatAnswer:
    if line.answer:
        return sentence(line.answer)
    if line.text in answers:
        return answers[line.text]
    command = parse_line(line.text)
    if not isinstance(command, Question):
        return not_understood(command)
    return help_answer() if command.name == "help" else sentence(problem)
