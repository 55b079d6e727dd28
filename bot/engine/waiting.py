"""Waiting for an external build: its state, and the texts of the status meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Literal

from bot.build.service_builds import NO_LINKS, BuildLinks
from bot.check.external import ExternalPlan
from bot.engine.job import CheckJob
from bot.engine.steps import CheckSteps
from bot.engine.values import Look, WaitState
from bot.forge.events import CommentEvent
from bot.forge.values import STATUS_NAME, CommitCheck, ForgeError, ForgeRefusedError
from bot.model.result import CheckResult
from bot.model.spec import BuildNote
from bot.report.phrase import visible
from bot.report.render import sentence_markdown
from bot.store.store import utc_text

# Topic of the message that makes a waiting run look at once.
LOOK = "look"
# Longest pause in seconds between looks: pauses double up to this; a webhook ends one early.
LONGEST_PAUSE = 300.0
_TITLE = 140  # characters of a status's title: GitHub's limit for commit statuses
_NAMED = 3  # checks that a sentence names
# Seconds before the prediction in which comments are read for links to builds.
_COMMENTS = 30 * 86400.0


@dataclass(frozen=True, slots=True)
class CombinedStatus:
    """The combined status of the checks that a run waits for; `url` is the page of one of them."""

    state: Literal["waiting", "failed", "passed"]
    text: str
    url: str = ""


class WaitSteps:
    """The step of a waiting run, which only reads, and so may run more than once."""

    def __init__(self, checks: CheckSteps) -> None:
        self._checks = checks

    async def look(self, job: CheckJob, plan: ExternalPlan, until: float) -> Look:
        """The state of the external build.

        Waiting ends at `until`, seconds since 1970: then it is `there` if some of its places have
        packages, and the others are left out. A forge that does not answer is tried again at the
        next look.
        """
        combined, plan = await self._combined_status(job, plan, until)
        some = False
        if combined.state == "passed" or (combined.state == "waiting" and plan.links != NO_LINKS):
            progress = await self._checks.locate(job, plan)
            some = bool(progress.complete)
            if progress.failed:
                combined = replace(combined, state="failed", text=progress.failed)
            elif not progress.missing:
                return _look("there", combined, until, plan.links)
            else:
                text = f"{combined.text}, but {progress.missing[0]}"
                combined = replace(combined, state="waiting", text=text)
        if combined.state == "failed":
            return _look("failed", combined, until)
        if time.time() >= until:
            return _look("there" if some else "late", combined, until, plan.links)
        return _look("waiting", combined, until)

    async def _combined_status(
        self, job: CheckJob, plan: ExternalPlan, until: float
    ) -> tuple[CombinedStatus, ExternalPlan]:
        """The combined status of the checks, and the plan with the links to builds of its service.

        The state of a linked build is read from the service. If no check has a link, comments of
        the last month are searched.
        """
        forge = self._checks.forge_of(job)
        comments: Sequence[CommentEvent] = ()
        try:
            checks = fitting_checks(await forge.checks_of(job.key, job.head_sha), plan.check)
            plan = plan.with_links(check.url for check in checks)
            if plan.web_url and not plan.links.checks:
                since = datetime.fromtimestamp(until - plan.seconds - _COMMENTS, UTC)
                comments = await forge.comments_since(job.key, utc_text(since))
        except ForgeRefusedError:
            raise
        except ForgeError as error:
            return CombinedStatus("waiting", error.what), plan
        if comments:
            plan = plan.with_links((), (comment.body for comment in comments))
        return combined_status(checks, plan.check), plan


def _look(
    state: WaitState, combined: CombinedStatus, until: float, links: BuildLinks = NO_LINKS
) -> Look:
    left = max(0.0, until - time.time())
    return Look(state, combined.text.rstrip("."), combined.url, left, links)


def fitting_checks(checks: Iterable[CommitCheck], pattern: str) -> list[CommitCheck]:
    """The checks whose name matches the glob `pattern`, except the bot's own."""
    return [c for c in checks if c.name != STATUS_NAME and fnmatchcase(c.name, pattern)]


def combined_status(checks: Iterable[CommitCheck], pattern: str) -> CombinedStatus:
    """The combined status of checks whose name matches the glob `pattern`: one failure fails
    all."""
    fitting = fitting_checks(checks, pattern)
    if not fitting:
        return CombinedStatus("waiting", f"there is no check {pattern} yet")
    failed = [c for c in fitting if c.state == "failure"]
    pending = [c for c in fitting if c.state == "pending"]
    if failed:
        return CombinedStatus("failed", _list_checks(failed), failed[0].url)
    if pending:
        return CombinedStatus("waiting", _list_checks(pending), pending[0].url)
    return CombinedStatus("passed", _list_checks(fitting), fitting[0].url)


def _list_checks(checks: Sequence[CommitCheck]) -> str:
    names = ", ".join(f"{check.name} ({check.word})" for check in checks[:_NAMED])
    return f"{names} and {len(checks) - _NAMED} more" if len(checks) > _NAMED else names


def waiting_title(title: str, plan: ExternalPlan) -> str:
    """The title of the status while a run waits; a long title is cut before the check's name."""
    waits = f"; waits for {visible(plan.check, 60)}"
    return f"{visible(title, _TITLE - len(waits))}{waits}"


def waiting_summary(summary: str, plan: ExternalPlan, look: Look, until: float) -> str:
    """The summary (Markdown) of the status while a run waits; names of checks are escaped."""
    text = sentence_markdown(
        f"This is predicted. It waits for the check {plan.check}, until {clock(until)}"
        f" at the latest: {look.text}."
    )
    return f"{summary}\n\n{text}"


def build_missing(
    predicted: CheckResult, plan: ExternalPlan, look: Look, until: float
) -> CheckResult:
    """The prediction as the final result, as the external build failed or came too late."""
    builds: tuple[BuildNote, ...] = ()
    if look.state == "failed":
        problem = f"The external build failed, so the figures are still predictions: {look.text}."
        arches = sorted({place.arch for place in plan.places})
        builds = tuple(
            BuildNote("head", spec, arch, "head-failed", look.text, look.url or None)
            for spec in predicted.specs
            for arch in arches
        )
    else:
        problem = (
            f"The external build was not there by {clock(until)}, so the figures are still"
            f" predictions: {look.text}."
        )
    problems = (*predicted.problems, problem)
    return replace(predicted, stage="final", problems=problems, builds=builds)


def clock(moment: float) -> str:
    """The text of a time in seconds since 1970, in UTC to the minute."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")
