"""Waiting for a build that somebody else makes: one look at it, and what is said meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Literal

from bot.engine.job import CheckJob
from bot.engine.outcome import Outcome, Values
from bot.engine.steps import CheckSteps, concluded, told
from bot.forge.values import STATUS_NAME, CommitCheck, ForgeError, ForgeRefusedError
from bot.model.result import BuildNote
from bot.report.jsonread import check_from_json
from bot.report.phrase import visible
from bot.report.verdict import sentence_markdown

# What a waiting run is sent when it may look before its time.
LOOK = "look"
# Seconds between looks: the pause doubles up to this; a hook makes it shorter.
LONGEST_PAUSE = 300.0
_TITLE = 140  # characters of GitHub's commit statuses
_NAMED = 3  # checks that a sentence names


@dataclass(frozen=True, slots=True)
class Stand:
    """How the checks that a run waits for stand together, in a sentence; `url` is a page of one."""

    state: Literal["waiting", "failed", "passed"]
    says: str
    url: str = ""


class WaitSteps:
    """The step of a waiting run. It only reads, so it may run more than once."""

    def __init__(self, checks: CheckSteps) -> None:
        self._checks = checks

    async def look(self, job: CheckJob, plan: Values, until: float) -> Values:
        """How the build stands: `state` is `waiting`, `failed`, `late` or `there`.

        `until` is when waiting ends, seconds since 1970; `left` how many are left. What was not
        there in time is left out where something is (`there`). A forge that does not answer is
        asked again at the next look.
        """
        stand = await self._stand(job, plan)
        some = False
        if stand.state == "passed":
            found = await self._checks.locate(plan)
            some = bool(found.there)
            if not found.missing:
                return _seen("there", stand, until)
            stand = replace(stand, state="waiting", says=f"{stand.says}, but {found.missing[0]}")
        if stand.state == "waiting" and time.time() >= until:
            return _seen("there" if some else "late", stand, until)
        return _seen(stand.state, stand, until)

    async def _stand(self, job: CheckJob, plan: Values) -> Stand:
        try:
            checks = await self._checks.forge_of(job).checks_of(job.key, job.head_sha)
        except ForgeRefusedError:
            raise
        except ForgeError as error:
            return Stand("waiting", error.what)
        return standing_of(checks, plan["check"])


def _seen(state: str, stand: Stand, until: float) -> Values:
    left = max(0.0, until - time.time())
    return {"state": state, "says": stand.says.rstrip("."), "url": stand.url, "left": left}


def standing_of(checks: Iterable[CommitCheck], pattern: str) -> Stand:
    """All checks whose name the glob `pattern` fits, together: one failure is a failure."""
    fitting = [c for c in checks if c.name != STATUS_NAME and fnmatchcase(c.name, pattern)]
    if not fitting:
        return Stand("waiting", f"no check {pattern} is there yet")
    failed = [c for c in fitting if c.state == "failure"]
    pending = [c for c in fitting if c.state == "pending"]
    if failed:
        return Stand("failed", _named(failed), failed[0].url)
    if pending:
        return Stand("waiting", _named(pending), pending[0].url)
    return Stand("passed", _named(fitting), fitting[0].url)


def _named(checks: Sequence[CommitCheck]) -> str:
    named = ", ".join(f"{check.name} ({check.word})" for check in checks[:_NAMED])
    return f"{named} and {len(checks) - _NAMED} more" if len(checks) > _NAMED else named


def waiting_title(found: Values, plan: Values) -> str:
    """The title of the status while a run waits; what it waits for is not what is cut."""
    waits = f"; waits for {visible(plan['check'], 60)}"
    return f"{visible(found['title'], _TITLE - len(waits))}{waits}"


def waiting_summary(found: Values, plan: Values, seen: Values, until: float) -> str:
    """The text below it. The names of checks are anybody's."""
    text = sentence_markdown(
        f"This is predicted. It waits for the check {plan['check']}, until {clock(until)}"
        f" at the latest: {seen['says']}."
    )
    return f"{found['summary']}\n\n{text}"


def standing_prediction(found: Values, seen: Outcome, until: float) -> Values:
    """The prediction as the last word, because the build failed, came too late or is not known."""
    if not seen.ok:
        return concluded(found, problem=seen.sentence)
    result = check_from_json(found["result"])
    values = seen.values
    builds: tuple[BuildNote, ...] = ()
    if values["state"] == "failed":
        problem = f"The build elsewhere failed, so the prediction stands: {values['says']}."
        arches = sorted({place["arch"] for place in found["external"]["places"]})
        builds = tuple(
            BuildNote("head", spec, arch, "head-failed", values["says"], values["url"] or None)
            for spec in result.specs
            for arch in arches
        )
    else:
        problem = (
            f"The build elsewhere was not there by {clock(until)}, so the prediction stands:"
            f" {values['says']}."
        )
    result = replace(result, stage="final", problems=(*result.problems, problem), builds=builds)
    return {**found, **told(result), "time": found["time"]}


def clock(moment: float) -> str:
    """Seconds since 1970 as people read a time."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")
