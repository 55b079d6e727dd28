"""The durable runs: the order of a check's steps, and nothing else.

DBOS runs a workflow again from its beginning after a crash and gives recorded steps their recorded
values: so the order here may depend on nothing but those values. Changing the order strands runs
in flight: raise WORKFLOW_VERSION with it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from dbos import DBOS, SetEnqueueOptions, SetWorkflowID

from bot.engine.job import CheckJob
from bot.engine.outcome import Outcome, RetryPolicy, Values, attempt
from bot.engine.replies import Reply, ReplySteps, body_of
from bot.engine.steps import ALLOW, CheckSteps, concluded, nothing_to_check, result_values
from bot.engine.waiting import (
    LONGEST_PAUSE,
    LOOK,
    WaitSteps,
    unbuilt_prediction,
    waiting_summary,
    waiting_title,
)
from bot.model.result import check_from_json
from bot.report.render import sentence_markdown

WORKFLOW_VERSION = "1"
CHECKS = "checks"
BUILDS = "builds"
# Its runs mostly sleep, so as many as there may be.
WAITS = "waits"
# Lower runs first, and unset would beat all.
WITHDRAW_PRIORITY = 1
BUILD_PRIORITY = 10
PROGRESS = "progress"
QUEUED = "Waits for its turn: other checks are before it"

Workflow = Callable[..., Coroutine[Any, Any, Values]]


def final_id(check: str) -> str:
    """The id of the workflow that rebuilds and finishes a check."""
    return f"{check}-final"


def wait_id(check: str) -> str:
    """The id of the workflow that waits for a check's build elsewhere."""
    return f"{check}-wait"


def queued_id(check: str) -> str:
    """The id of the workflow that says that a check waits for its turn."""
    return f"{check}-queued"


def withdraw_id(check: str) -> str:
    """The id of the workflow that ends the status of a check that was stopped."""
    return f"{check}-withdraw"


class Workflows:
    """The workflows, registered with DBOS when made: once for each launch."""

    def __init__(self, steps: CheckSteps, retry_policy: RetryPolicy) -> None:
        self._steps = steps
        self._replies = ReplySteps(steps)
        self._waits = WaitSteps(steps)
        self._retry_policy = retry_policy
        self.check: Workflow = DBOS.workflow(name="check")(self._make_check())
        self.wait: Workflow = DBOS.workflow(name="wait")(self._make_wait())
        self.finish: Workflow = DBOS.workflow(name="finish")(self._make_finish())
        self.withdraw: Workflow = DBOS.workflow(name="withdraw")(self._make_withdraw())
        self.queued: Workflow = DBOS.workflow(name="queued")(self._make_queued())
        self.publish: Workflow = DBOS.workflow(name="publish")(self._make_publish())
        self.reply: Workflow = DBOS.workflow(name="reply")(self._make_reply())

    def _make_check(self) -> Workflow:
        async def check(raw: Values) -> Values:
            return await _Run(self._steps, self._retry_policy, raw).check(self.finish, self.wait)

        return check

    def _make_wait(self) -> Workflow:
        async def wait(raw: Values, predicted: Values) -> Values:
            run = _Run(self._steps, self._retry_policy, raw)
            return await run.wait(predicted, self._waits, self.finish)

        return wait

    def _make_finish(self) -> Workflow:
        async def finish(raw: Values, predicted: Values) -> Values:
            return await _Run(self._steps, self._retry_policy, raw).finish(predicted)

        return finish

    def _make_withdraw(self) -> Workflow:
        async def withdraw(raw: Values, title: str, summary: str) -> Values:
            await _Run(self._steps, self._retry_policy, raw).withdraw(title, summary)
            return {}

        return withdraw

    def _make_queued(self) -> Workflow:
        async def queued(raw: Values) -> Values:
            run = _Run(self._steps, self._retry_policy, raw)
            # Only without a status: a result for this commit stays until there is a new one.
            await run.status("pending", QUEUED, only_open=True)
            return {}

        return queued

    def _make_publish(self) -> Workflow:
        async def publish(raw: Values, found: Values) -> Values:
            return await _Run(self._steps, self._retry_policy, raw).publish(found)

        return publish

    def _make_reply(self) -> Workflow:
        async def reply(raw: Values) -> Values:
            return await self._reply(Reply.from_json(raw))

        return reply

    async def _reply(self, reply: Reply) -> Values:
        """Put the reaction first, it is quick; then the answer, if there is one."""
        steps = self._replies

        async def do(name: str, doing: str, call: Any) -> Outcome:
            return await attempt(name, f"{doing} on {reply.job.key}", self._retry_policy, call)

        if reply.react:
            await do("react", "reacting", lambda: steps.react(reply))
        if not reply.lines:
            return {}
        body = ""
        if reply.questions:
            found = await do("answer", "finding the answer", lambda: steps.answer(reply))
            body = found.values["body"] if found.ok else body_of(reply, {}, found.sentence)
        body = body or body_of(reply, {})
        await do("write", "answering", lambda: steps.write(reply, body))
        return {}


class _Run:
    """One workflow in progress."""

    def __init__(self, steps: CheckSteps, retry_policy: RetryPolicy, raw: Values) -> None:
        self._steps = steps
        self._retry_policy = retry_policy
        self._job = CheckJob.from_json(raw)
        self._raw = raw
        self._progress: Values = {}

    async def check(self, finish: Workflow, wait: Workflow) -> Values:
        """Pending, fetch, predict, publish; then the build is queued or waited for, or this was
        all."""
        steps, job = self._steps, self._job
        begun = await self.status("pending", "Predicting what this change adds")
        if begun.kind == "gone":
            return await self._end(stage="stopped", problem=begun.sentence)
        fetched = await self._do("fetch", "fetching the commits", lambda: steps.fetch(job))
        if not fetched.ok:
            return await self._give_up(fetched)
        if not fetched.values["packaging"]:
            return await self._nothing(nothing_to_check(job, fetched.values["merge_base"]))
        return await self._predict(finish, wait)

    async def _nothing(self, result: Values) -> Values:
        """Conclude without a changed spec: a success; an earlier comment is taken back."""
        await self._publish(result)
        title = result_values(check_from_json(result))["title"]
        await self.status("success", title)
        return await self._end(stage="final", verdict="success", summary=title, result=result)

    async def _predict(self, finish: Workflow, wait: Workflow) -> Values:
        steps, job = self._steps, self._job
        predicted = await self._do("predict", "predicting", lambda: steps.predict(job))
        if not predicted.ok:
            return await self._give_up(predicted)
        allowed = await self._do(
            "may build", "asking who the author is", self._may_build(predicted)
        )
        building = bool(allowed.values.get("build"))
        found = predicted.values
        if not building:
            # Nothing follows, so the prediction is the answer, and says why.
            found = concluded(found, note=allowed.values.get("why", allowed.sentence))
        await self._tell(
            stage="predicted",
            verdict=found["verdict"],
            summary=found["title"],
            result=found["result"],
            predicted=predicted.values["time"],
            **{name: found[name] for name in ("file",) if name in found},
        )
        published = await self._publish(found["result"])
        if published.values.get("stale"):
            return await self._superseded()
        if building and found.get("external"):
            return await self._queue_wait(wait, found)
        if building:
            return await self._queue_build(finish, found)
        title, summary = found["title"], found["summary"]
        if allowed.values.get("ask") or not allowed.ok:
            if any(image["changed"] for image in found["result"]["images"]):
                title = f"Not built, needs {ALLOW}: {title}"
            summary = f"{summary}\n\nPredicted, not built: this author's changes are built when"
            summary += f" somebody with the role write or above says `{ALLOW}`."
        await self.status(found["verdict"], title, summary, found["result"])
        return await self._end(stage="final")

    def _may_build(self, predicted: Outcome) -> Any:
        async def decide() -> Values:
            values = predicted.values
            if not values["worth_building"]:
                return {"build": False, "why": values.get("why_not", "")}
            if values.get("external"):
                # It is not us who build: whose change it is does not matter.
                return {"build": True}
            return await self._steps.may_build(self._job)

        return decide

    async def _queue_build(self, finish: Workflow, found: Values) -> Values:
        summary = f"{found['summary']}\n\nThis is predicted; the rebuild has its turn next or runs."
        await self.status("pending", found["title"], summary)
        with (
            SetWorkflowID(final_id(self._job.id)),
            SetEnqueueOptions(priority=BUILD_PRIORITY),
        ):
            await DBOS.enqueue_workflow_async(BUILDS, finish, self._raw, found)
        return {"building": True}

    async def _queue_wait(self, wait: Workflow, found: Values) -> Values:
        with SetWorkflowID(wait_id(self._job.id)), SetEnqueueOptions(priority=BUILD_PRIORITY):
            await DBOS.enqueue_workflow_async(WAITS, wait, self._raw, found)
        return {"waiting": True}

    async def wait(self, predicted: Values, steps: WaitSteps, finish: Workflow) -> Values:
        """Look at the external build until it is there, has failed, or comes too late.

        Between looks it sleeps, and holds nothing but its place in a queue of its own.
        """
        job, plan = self._job, predicted["external"]
        until = predicted["time"] + plan["seconds"]
        await self._tell(waiting=plan["check"])
        shown, first = "", self._retry_policy.first * 8
        pause = first
        while True:
            seen = await self._do("look", "looking", lambda: steps.look(job, plan, until))
            if not seen.ok or seen.values["state"] != "waiting":
                break
            if seen.values["says"] != shown:
                shown = seen.values["says"]
                summary = waiting_summary(predicted, plan, seen.values, until)
                await self.status("pending", waiting_title(predicted, plan), summary)
            woken = await DBOS.recv_async(LOOK, min(pause, seen.values["left"]))
            pause = first if woken else min(pause * 2, LONGEST_PAUSE)
        if seen.ok and seen.values["state"] == "there":
            return await self._queue_build(finish, predicted)
        if seen.kind == "gone":
            return await self._end(stage="stopped", problem=seen.sentence)
        return await self._conclude(unbuilt_prediction(predicted, seen, until))

    async def publish(self, found: Values) -> Values:
        """Write a final result once more; its status too, if `found` has one."""
        published = await self._publish(found["result"])
        if "verdict" in found and not published.values.get("stale"):
            await self.status(found["verdict"], found["title"], found["summary"], found["result"])
        return {}

    async def finish(self, predicted: Values) -> Values:
        """Rebuild, publish again, conclude. Where it fails, the prediction stands and says so."""
        steps, job = self._steps, self._job
        built = await self._do("build", "rebuilding", lambda: steps.finish(job))
        found = built.values if built.ok else concluded(predicted, problem=built.sentence)
        return await self._conclude(found)

    async def _conclude(self, found: Values) -> Values:
        """Write the comment, then the status."""
        await self._tell(
            stage="final", verdict=found["verdict"], summary=found["title"], result=found["result"]
        )
        published = await self._publish(found["result"])
        if published.values.get("stale"):
            return await self._superseded()
        await self.status(found["verdict"], found["title"], found["summary"], found["result"])
        return await self._end()

    async def status(
        self,
        state: str,
        title: str,
        summary: str = "",
        result: Values | None = None,
        *,
        only_open: bool = False,
    ) -> Outcome:
        """Set the status of the head commit; `only_open`: if it is not concluded."""
        return await self._do(
            "status",
            "setting the status",
            lambda: self._steps.status(
                self._job, state, title, summary, result, only_open=only_open
            ),
        )

    async def withdraw(self, title: str, summary: str) -> None:
        """Report that the run was stopped, in the status or in a narrowed check's answer."""
        # What the run has concluded before it was stopped stays: it was found out.
        await self.status("neutral", title, sentence_markdown(summary), only_open=True)
        await self._answer(f"{title}: {summary}")

    async def _answer(self, text: str) -> None:
        """Write a sentence as the answer of a narrowed check; others have their status for it."""
        if self._job.narrowed:
            await self._do("comment", "commenting", lambda: self._steps.say(self._job, text))

    async def _publish(self, result: Values) -> Outcome:
        published = await self._do(
            "comment", "commenting", lambda: self._steps.comment(self._job, result)
        )
        if published.values.get("comment"):
            await self._tell(comment=published.values["comment"])
        elif not published.ok:
            await self._tell(problem=published.sentence)
        return published

    async def _give_up(self, outcome: Outcome) -> Values:
        """Conclude as neutral, with the sentence of the error."""
        if outcome.kind != "gone":
            await self.status("neutral", outcome.what, sentence_markdown(outcome.sentence))
            await self._answer(outcome.sentence)
        return await self._end(
            stage="final", verdict="neutral", summary=outcome.what, problem=outcome.sentence
        )

    async def _superseded(self) -> Values:
        reason = "A newer commit is there, or the pull request is closed."
        await self.status("neutral", "Superseded", reason)
        await self._answer(f"Superseded: {reason}")
        return await self._end(stage="stopped", problem=reason)

    async def _do(self, name: str, doing: str, call: Any) -> Outcome:
        return await attempt(name, f"{doing} for {self._job.id}", self._retry_policy, call)

    async def _tell(self, **news: Any) -> None:
        """Publish progress for the server's collector: workers write nothing to the store."""
        self._progress.update(news)
        await DBOS.set_event_async(PROGRESS, self._progress)

    async def _end(self, **news: Any) -> Values:
        await self._tell(**news, done=True)
        return {}
