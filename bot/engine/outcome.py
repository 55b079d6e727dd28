"""Running of steps: errors become outcomes, which the engine records for restarts."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from dbos import DBOS, StepOptions

from bot.engine.compute_process import ProcessEndedError
from bot.engine.values import Outcome, OutcomeKind
from bot.errors import MinimizeError, SurroundingsError
from bot.forge.values import ForgeError, ForgeGoneError, ForgeRefusedError
from bot.telemetry.logs import working_on
from bot.telemetry.metrics import STEP_RETRIES, STEP_SECONDS, STEP_TRIES
from bot.telemetry.traces import span

LOG = logging.getLogger(__name__)
T = TypeVar("T")
# Tries at an unavailable forge: those in about the first hour, and all of them, in some five hours.
_AWAY_HOUR = 180
AWAY_TRIES = 230
_NO_THIRD_TRY = "It happened twice, so it is not tried again."


async def outcome_of(doing: str, call: Callable[[], Awaitable[T]]) -> Outcome[T]:
    """Run one step; an error becomes an outcome, whose kind says whether another try may help."""
    try:
        return Outcome("ok", await call())
    except MinimizeError as error:
        wait = error.wait if isinstance(error, ForgeError) else 0.0
        return Outcome(_kind(error), what=error.what, hint=error.hint, wait=wait)
    except TimeoutError:
        # Another try would take as long again.
        return Outcome("stop", what=f"The time limit ran out while {doing}.")
    except Exception:
        # Any error is reported on the pull request and logged.
        number = secrets.token_hex(4)
        LOG.exception("error %s while %s", number, doing)
        return Outcome(
            "failed",
            what=f"Something in the bot itself went wrong while {doing} (error {number}).",
            hint="The bot's log has it under this number.",
        )


async def _measure_try(
    name: str, number: int, call: Callable[[], Awaitable[Outcome[T]]]
) -> Outcome[T]:
    """Make the try `number` (from 1) of a step, with logs, metrics and a trace under its name."""
    started = time.monotonic()
    with working_on(step=name), span(name, {"step.try": number}) as step_span:
        outcome = await call()
        step_span.set_attribute("step.outcome", outcome.kind)
    STEP_SECONDS.labels(name).observe(time.monotonic() - started)
    STEP_TRIES.labels(name, outcome.kind).inc()
    if number > 1:
        STEP_RETRIES.labels(name).inc()
    return outcome


def _kind(error: MinimizeError) -> OutcomeKind:
    if isinstance(error, ForgeGoneError):
        return "gone"
    if isinstance(error, ProcessEndedError):
        return "died"
    if isinstance(error, ForgeRefusedError) or not isinstance(error, SurroundingsError):
        return "stop"
    return "away" if isinstance(error, ForgeError) else "again"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The number of tries of a step, and the pauses between them: `first` seconds, then four times
    as long each, ten minutes at most.

    For an unavailable forge there are `away` tries: the pauses double, up to 20 s for about an
    hour, then up to five minutes.
    """

    attempts: int = 5
    first: float = 2.0
    away: int = AWAY_TRIES

    def away_pause(self, attempt: int, wait: float) -> float:
        """The seconds to wait for an unavailable forge after the try number `attempt` (from 1), at
        least `wait`, which the forge asked for."""
        longest = 20.0 if attempt < _AWAY_HOUR else 300.0
        return max(min(self.first * 2.0 ** min(attempt - 1, 20), longest), min(wait, 4000.0))

    def pause(self, attempt: int, wait: float = 0.0) -> float:
        """The seconds to wait after the try number `attempt` (from 1), at least `wait`, which the
        forge asked for."""
        return max(float(min(self.first * 4 ** (attempt - 1), 600.0)), min(wait, 4000.0))


async def attempt(
    name: str, doing: str, retry_policy: RetryPolicy, call: Callable[[], Awaitable[T]]
) -> Outcome[T]:
    """Run a step of the workflow, and again while another try may help.

    The engine records each try and pause, so a restart continues there. A step that ended its
    compute process twice is not tried again.
    """
    died = False
    number = failed = 0
    while True:
        number += 1
        options: StepOptions = {"name": name, "preemptible": True}
        outcome: Outcome[T] = await DBOS.run_step_async(
            options, _measure_try, name, number, lambda: outcome_of(doing, call)
        )
        if outcome.kind == "died" and died:
            outcome = Outcome("stop", what=outcome.what, hint=_NO_THIRD_TRY)
        died = died or outcome.kind == "died"
        if outcome.kind not in ("again", "away", "died"):
            break
        LOG.info("%s: try %d: %s", doing, number, outcome.what)
        failed += outcome.kind != "away"
        if failed >= retry_policy.attempts or number >= retry_policy.away:
            break
        if outcome.kind == "away":
            pause = retry_policy.away_pause(number, outcome.wait)
        else:
            pause = retry_policy.pause(failed, outcome.wait)
        await DBOS.sleep_async(pause)
    if outcome.kind not in ("ok", "failed"):  # `failed` is logged already
        LOG.warning("%s: given up at try %d: %s", doing, number, outcome.sentence)
    return outcome


async def in_thread(seconds: float, call: Callable[[], T]) -> T:
    """Run blocking work off the event loop; TimeoutError after `seconds`."""
    async with asyncio.timeout(seconds):
        return await asyncio.to_thread(call)
