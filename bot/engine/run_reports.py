"""Reports of a check's run: status, comment, answer, progress and end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from dbos import DBOS

from bot.engine.desired import Phase
from bot.engine.job import CheckJob
from bot.engine.outcome import RetryPolicy, attempt
from bot.engine.steps import CheckSteps, concluded, rebuild_failed
from bot.engine.values import Outcome, Progress, StoredResult
from bot.forge.values import StatusState
from bot.model.result import CheckResult, Verdict
from bot.report.render import not_built, sentence_markdown

PROGRESS = "progress"
T = TypeVar("T")


class RunReports:
    """A workflow in progress: the part that reports."""

    def __init__(self, steps: CheckSteps, retry_policy: RetryPolicy, job: CheckJob) -> None:
        self._steps = steps
        self._retry_policy = retry_policy
        self._job = job
        self._progress = Progress()

    async def _conclude_failed(self, predicted: StoredResult, outcome: Outcome[Any]) -> None:
        """Conclude with the prediction, because the rebuild failed."""
        await self._conclude(
            await self._conclude_prediction(
                predicted, lambda r: rebuild_failed(r, outcome.sentence)
            )
        )

    async def _conclude_prediction(
        self,
        predicted: StoredResult,
        change: Callable[[CheckResult], CheckResult],
        trusted: bool | None = None,
    ) -> Outcome[StoredResult]:
        """Store the prediction, changed by `change`, as final result; finds `trusted` out if
        null."""
        counts = await self._is_trusted() if trusted is None else trusted
        return await self._do(
            "conclude",
            "concluding",
            lambda: self._steps.conclude(
                self._job, predicted.id, lambda r: concluded(change(r), trusted=counts)
            ),
        )

    async def _is_trusted(self) -> bool:
        """Return whether the change is trusted; false if that cannot be found out."""
        job = self._job
        trust = await self._do("trust", "asking whose change it is", lambda: self._steps.trust(job))
        return trust.ok and trust.returned.trusted

    async def _end_unjudged(self, title: str, summary: str, *, withdrawn: bool = False) -> Verdict:
        """Record the status of a run that ends without a result; return its state: `neutral`, or
        for an untrusted change `action_required`. `withdrawn`: the run was stopped, and a concluded
        status of its commit stays."""
        publisher, job = self._steps.publisher, self._job
        if job.narrowed:
            return "neutral"
        text = sentence_markdown(summary)
        state: Verdict = "neutral"
        if not await self._is_trusted():
            title, text = not_built(job.head_sha, title, text)
            state = "action_required"
        if not withdrawn:
            await self._status(Phase.CONCLUDED, state, title, text)
            return state
        withdraw = partial(publisher.withdraw, job, state, title, text)
        await self._do("status", "recording that it was stopped", withdraw)
        return state

    async def _conclude(self, outcome: Outcome[StoredResult]) -> None:
        """Record the comment of a final result, then the status; give up if there is none."""
        if not outcome.ok:
            return await self._give_up(outcome)
        result = outcome.returned
        await self._report(
            stage="final", verdict=result.verdict, summary=result.title, result=result.id
        )
        await self._publish(Phase.CONCLUDED, result)
        report = (result.verdict, result.title, result.summary, result.id)
        await self._status(Phase.CONCLUDED, *report)
        await self._end()

    async def _status(self, phase: Phase, state: StatusState, title: str, *details: str) -> None:
        """Record the status of the head commit; `more` is its summary, and the id of a result."""
        status = partial(self._steps.publisher.status, self._job, phase, state, title, *details)
        await self._do("status", "recording the status", status)

    async def _answer(self, text: str) -> None:
        """Record a sentence as the comment of a narrowed check; others have a status for it."""
        publisher, job = self._steps.publisher, self._job
        if job.narrowed:
            await self._do("comment", "answering", lambda: publisher.answer(job, text))

    async def _publish(self, phase: Phase, result: StoredResult) -> None:
        """Record the comment of a result."""
        publisher, job = self._steps.publisher, self._job
        await self._do(
            "comment", "recording the comment", lambda: publisher.comment(job, phase, result.id)
        )

    async def _give_up(self, outcome: Outcome[Any]) -> None:
        """Conclude without a result, with the error as the reason."""
        verdict: Verdict = "neutral"
        if outcome.kind != "gone":
            verdict = await self._end_unjudged(outcome.what, outcome.sentence)
            await self._answer(outcome.sentence)
        await self._end(
            stage="final", verdict=verdict, summary=outcome.what, problem=outcome.sentence
        )

    async def _do(self, name: str, doing: str, call: Callable[[], Awaitable[T]]) -> Outcome[T]:
        return await attempt(name, f"{doing} for {self._job.id}", self._retry_policy, call)

    async def _report(self, **changes: Any) -> None:
        """Publish progress for the server's collector, which writes it to the store."""
        self._progress = replace(self._progress, **changes)
        await DBOS.set_event_async(PROGRESS, self._progress)

    async def _end(self, **changes: Any) -> None:
        await self._report(**changes, done=True)
