"""The durable runs: the order of a check's steps, and nothing else.

After a crash DBOS runs a workflow again from its beginning, with the recorded values of recorded
steps: so the order must depend on those values alone. Changing the order strands runs in flight:
raise WORKFLOW_VERSION with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal, TypeVar

from dbos import DBOS, SetEnqueueOptions, SetWorkflowID

from bot.engine.build_places import BuildPlace, build_id, plan_of
from bot.engine.desired import Phase
from bot.engine.job import CheckJob, Reply
from bot.engine.outcome import RetryPolicy
from bot.engine.queues import Queues
from bot.engine.run_reports import RunReports
from bot.engine.steps import CheckSteps, body_of, not_rebuilt
from bot.engine.takeover import WAITS
from bot.engine.values import BuildEnd, Predicted, StoredResult
from bot.engine.waiting import (
    LONGEST_PAUSE,
    LOOK,
    WaitSteps,
    build_missing,
    waiting_summary,
    waiting_title,
)
from bot.sandbox.emulation import native_architecture
from bot.telemetry.logs import working_on

WORKFLOW_VERSION = "4"
# Topic of the message to a gathering run that a build has ended, or never will.
BUILT = "built"
# Seconds after which a gathering run looks for builds that ended without a message.
_LOOK_PAUSE = 60.0
Part = Literal["final", "wait", "withdraw"]
Workflow = Callable[..., Coroutine[Any, Any, object]]
T = TypeVar("T")


def part_id(check: str, part: Part) -> str:
    """The id of a check's further workflow: `final` rebuilds and concludes, `wait` waits for an
    external build, `withdraw` reports that it was stopped."""
    return f"{check}-{part}"


class Workflows:
    """The workflows, registered with DBOS when constructed, once for each launch. `places` returns
    the build places of living processes."""

    def __init__(
        self,
        steps: CheckSteps,
        retry_policy: RetryPolicy,
        queues: Queues,
        places: Callable[[], Collection[BuildPlace]],
    ) -> None:
        self.steps = steps
        self.queues = queues
        self.places = places
        self.waits = WaitSteps(steps)
        # The ids of the workflows that this process runs.
        self.in_progress: set[str] = set()
        self.retry_policy = retry_policy
        runs: dict[str, Callable[..., Awaitable[object]]] = {
            "check": _Run.check,
            "wait": _Run.wait,
            "finish": _Run.finish,
            "gather": _Run.gather,
            "build": _Run.build,
            "reply": _Run.reply,
            # Workflows that releases before the outbox queued.
            "queued": _Run.queued,
            "withdraw": _Run.withdraw,
            "publish": _Run.publish,
        }
        self.named = {name: self._register(name, run) for name, run in runs.items()}

    def _register(self, name: str, run: Callable[..., Awaitable[object]]) -> Workflow:
        async def workflow(job: CheckJob, *args: object) -> object:
            workflow_id = DBOS.workflow_id
            assert workflow_id is not None
            self.in_progress.add(workflow_id)
            with working_on(delivery=job.delivery, run=job.id):
                try:
                    return await run(_Run(self, job), *args)
                finally:
                    self.in_progress.discard(workflow_id)
                    self.queues.place_freed()

        return DBOS.workflow(name=name)(workflow)


class _Run(RunReports):
    """One workflow in progress."""

    def __init__(self, workflows: Workflows, job: CheckJob) -> None:
        super().__init__(workflows.steps, workflows.retry_policy, job)
        self._workflows = workflows

    async def check(self) -> None:
        """Set the status, fetch, predict, publish; then queue or await the build, or conclude."""
        steps, job = self._steps, self._job
        await self._status(Phase.PREDICTING, "pending", "Predicting what this change adds")
        outcome = await self._do("fetch", "fetching the commits", lambda: steps.fetch(job))
        if not outcome.ok:
            return await self._give_up(outcome)
        if outcome.value is not None:
            return await self._without_packages(outcome.value)
        predicted = await self._do("predict", "predicting", lambda: steps.predict(job))
        if not predicted.ok:
            return await self._give_up(predicted)
        return await self._publish_prediction(predicted.returned)

    async def _without_packages(self, result: StoredResult) -> None:
        """Conclude a change that touches no package as a success; an earlier comment is updated."""
        await self._publish(Phase.CONCLUDED, result)
        await self._status(Phase.CONCLUDED, "success", result.title)
        await self._end(stage="final", verdict="success", summary=result.title, result=result.id)

    async def _publish_prediction(self, predicted: Predicted) -> None:
        steps, job, result = self._steps, self._job, predicted.result
        decision = await self._do(
            "may build", "asking who the author is", lambda: steps.decide(job, predicted)
        )
        building = decision.ok and decision.returned.build
        if not building:
            # No build follows, so the prediction is the final result, and says why.
            note = decision.returned.why if decision.ok else decision.sentence
            trusted = decision.ok and decision.returned.trusted
            final = await self._conclude_prediction(result, lambda r: not_rebuilt(r, note), trusted)
            if not final.ok:
                return await self._give_up(final)
            result = final.returned
        await self._report(
            stage="predicted",
            verdict=result.verdict,
            summary=result.title,
            result=result.id,
            predicted=predicted.time,
            file=predicted.file,
        )
        await self._publish(Phase.BUILDING if building else Phase.CONCLUDED, result)
        if building:
            await self._report()
        if building and predicted.external is not None:
            return await self._queue(WAITS, part_id(job.id, "wait"), "wait", predicted)
        if building:
            return await self._queue_build(result, predicted.arches)
        report = (result.verdict, result.title, result.summary, result.id)
        await self._status(Phase.CONCLUDED, *report)
        await self._end(stage="final")

    async def _queue_build(self, result: StoredResult, arches: Sequence[str]) -> None:
        """Queue the build: one on a native place, or one on each of several places."""
        summary = f"{result.summary}\n\nThis is predicted; the rebuild is waiting or running."
        await self._status(Phase.BUILDING, "pending", result.title, summary)
        plan = await self._do("places", "finding who builds", lambda: self._plan(arches))
        queues = plan.value or [BuildPlace(native_architecture()).queue]
        run = part_id(self._job.id, "final")
        if len(queues) == 1 and BuildPlace.of_queue(queues[0]).mode == "native":
            return await self._queue(queues[0], run, "finish", result)
        return await self._queue(WAITS, run, "gather", result, list(queues))

    async def _plan(self, arches: Sequence[str]) -> list[str]:
        """The queues of the build places for these architectures, that of the transferring one
        first; if none of them has a place, the queue of any place."""
        places = await asyncio.to_thread(self._workflows.places)
        chosen = plan_of(arches, places) or sorted(places, key=lambda place: place.order)[:1]
        return [place.queue for place in chosen]

    async def _queue(self, queue: str, run: str, name: str, *arguments: object) -> None:
        queues = self._workflows.queues
        # A workflow that the engine has already keeps its turn.
        priority = await queues.turn(queue, self._job.urgency, self._job)
        with SetWorkflowID(run), SetEnqueueOptions(priority=priority):
            workflow = self._workflows.named[name]
            await DBOS.enqueue_workflow_async(queue, workflow, self._job, *arguments)
        queues.queued()

    async def wait(self, predicted: Predicted) -> None:
        """Wait until the external build is there, has failed, or is too late.

        Between looks the workflow sleeps, and takes only a slot of the waiting queue.
        """
        job, plan, result = self._job, predicted.external, predicted.result
        assert plan is not None
        until = predicted.time + plan.seconds
        await self._report(waiting=plan.check)
        shown, first = "", self._workflows.retry_policy.first * 8
        pause = first
        waits = self._workflows.waits
        while True:
            outcome = await self._do("look", "looking", lambda: waits.look(job, plan, until))
            if not outcome.ok or outcome.returned.state != "waiting":
                break
            look = outcome.returned
            if look.text != shown:
                shown = look.text
                summary = waiting_summary(result.summary, plan, look, until)
                title = waiting_title(result.title, plan)
                await self._status(Phase.WAITING, "pending", title, summary)
            message = await DBOS.recv_async(LOOK, min(pause, look.left))
            pause = first if message else min(pause * 2, LONGEST_PAUSE)
        if outcome.kind == "gone":
            return await self._end(stage="stopped", problem=outcome.sentence)
        if not outcome.ok:
            return await self._conclude_failed(result, outcome)
        look = outcome.returned
        if look.state == "there":
            self._job = replace(job, links=look.links)
            return await self._queue_build(result, ())
        await self._conclude(
            await self._conclude_prediction(result, lambda r: build_missing(r, plan, look, until))
        )

    async def publish(self, result: StoredResult, with_status: bool) -> None:
        """Record the comment of an accepted final result, and its status if `with_status`."""
        await self._publish(Phase.ACCEPTED, result)
        if with_status:
            report = (result.verdict, result.title, result.summary, result.id)
            await self._status(Phase.ACCEPTED, *report)

    async def finish(self, predicted: StoredResult) -> None:
        """Rebuild and conclude with the result, or, if that fails, with the prediction."""
        steps, job = self._steps, self._job
        outcome = await self._do("build", "rebuilding", lambda: steps.finish(job))
        if not outcome.ok:
            return await self._conclude_failed(predicted, outcome)
        await self._conclude(outcome)

    async def gather(self, predicted: StoredResult, queues: Sequence[str]) -> None:
        """Build on several places, publish after each build's end, and conclude after the last.
        Meanwhile the workflow sleeps, and takes only a slot of the waiting queue."""
        arches = [BuildPlace.of_queue(queue).arch for queue in queues]
        for queue, arch in zip(queues, arches, strict=True):
            await self._queue(queue, build_id(self._job.id, arch), "build", arch, arches)
        ends: dict[str, BuildEnd] = {}
        while True:
            new_ends = [e for e in await self._next_ends() if e.arch not in ends]
            ends |= {end.arch: end for end in new_ends}
            if not new_ends:
                continue
            end_list = list(ends.values())
            merge = partial(self._steps.merge, self._job, predicted.id, end_list, arches)
            merged = await self._do("merge", "putting the builds together", merge)
            if len(ends) == len(arches):
                return await self._conclude(merged)
            if merged.ok:
                await self._publish_part(merged.returned, [a for a in arches if a not in ends])

    async def _next_ends(self) -> Sequence[BuildEnd]:
        """The end of a build that reports it, or, if none does for long, of builds that broke."""
        end = await DBOS.recv_async(BUILT, _LOOK_PAUSE)
        if end is not None:
            return [end]
        look = partial(self._steps.broken_builds, self._job.id, build_id(self._job.id))
        outcome = await self._do("look", "looking at the builds", look)
        return outcome.value or []

    async def _publish_part(self, result: StoredResult, awaited: Sequence[str]) -> None:
        """Publish the merged result while builds for the architectures `awaited` go on."""
        await self._report(
            stage="predicted", verdict=result.verdict, summary=result.title, result=result.id
        )
        await self._publish(Phase.BUILDING, result)
        summary = f"{result.summary}\n\nThe build for {' and '.join(awaited)} has not ended yet."
        await self._status(Phase.BUILDING, "pending", result.title, summary)

    async def build(self, arch: str, arches: Sequence[str]) -> BuildEnd:
        """Build for one of several architectures, and send the end to the gathering workflow."""
        steps, job = self._steps, self._job
        outcome = await self._do(
            "build", f"rebuilding on {arch}", lambda: steps.build(job, arch, tuple(arches))
        )
        end = outcome.returned if outcome.ok else BuildEnd(arch, problem=outcome.sentence)
        await DBOS.send_async(part_id(job.id, "final"), end, BUILT)
        return end

    async def queued(self) -> None:
        """Record in the status that the run waits for its turn."""
        publisher, job = self._steps.publisher, self._job
        await self._do("status", "recording the status", lambda: publisher.queued(job))

    async def withdraw(self, title: str, summary: str) -> None:
        """Report in the status, or a narrowed check's comment, that the run was stopped."""
        # A status that concluded before the run was stopped stays.
        await self._end_unjudged(title, summary, withdrawn=True)
        await self._answer(f"{title}: {summary}")

    async def reply(self, reply: Reply) -> None:
        """Record the reaction first, as it is quick, then the answer, if there is one."""
        steps, job = self._steps, self._job
        if reply.react:
            await self._do("react", "reacting", lambda: steps.publisher.react(job, reply))
        if not reply.lines:
            return
        if reply.questions:
            outcome = await self._do(
                "answer", "finding the answer", lambda: steps.find_answers(job, reply)
            )
            body = outcome.returned if outcome.ok else body_of(reply, {}, outcome.sentence)
        else:
            body = body_of(reply, {})
        await self._do("write", "answering", lambda: steps.publisher.reply(job, reply, body))
