"""The outcome of a step. Steps never raise: a restart finds their return value recorded."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from dbos import DBOS

from bot.errors import MinimizeError, SurroundingsError
from bot.forge.values import ForgeError, ForgeGoneError, ForgeRefusedError

LOG = logging.getLogger(__name__)

Kind = Literal["ok", "again", "stop", "gone", "failed"]
Values = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcome:
    """`ok` with values; or a sentence: `again` may help, `stop` and `gone` would not, `failed` is
    a mistake of ours with a number under which the log has it. `wait` is how many seconds a forge
    requires to wait."""

    kind: Kind
    values: Values = field(default_factory=dict)
    what: str = ""
    hint: str = ""
    wait: float = 0.0

    @property
    def ok(self) -> bool:
        """Return whether the step did what it is for."""
        return self.kind == "ok"

    @property
    def sentence(self) -> str:
        """The error, and what to do about it."""
        return f"{self.what} {self.hint}".strip()


async def outcome_of(doing: str, call: Callable[[], Awaitable[Values]]) -> Values:
    """Run one step; errors become values, divided by whether another try may help."""
    try:
        return {"kind": "ok", "values": await call()}
    except MinimizeError as error:
        wait = error.wait if isinstance(error, ForgeError) else 0.0
        return {"kind": _kind(error), "what": error.what, "hint": error.hint, "wait": wait}
    except TimeoutError:
        # Another try would take as long again.
        return {"kind": "stop", "what": f"The time limit ran out while {doing}."}
    except Exception:
        # Any error is reported on the pull request and logged.
        number = secrets.token_hex(4)
        LOG.exception("error %s while %s", number, doing)
        return {
            "kind": "failed",
            "what": f"Something in the bot itself went wrong while {doing} (error {number}).",
            "hint": "The bot's log has it under this number.",
        }


def _kind(error: MinimizeError) -> Kind:
    if isinstance(error, ForgeGoneError):
        return "gone"
    if isinstance(error, ForgeRefusedError) or not isinstance(error, SurroundingsError):
        return "stop"
    return "again"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The number of tries of a step, and the pauses between them: `first` seconds, then four times
    as long each, ten minutes at most."""

    attempts: int = 5
    first: float = 2.0

    def pause(self, attempt: int, wait: float = 0.0) -> float:
        """Seconds to wait after the try number `attempt` (from 1), at least the forge's `wait`."""
        return max(float(min(self.first * 4 ** (attempt - 1), 600.0)), min(wait, 4000.0))


async def attempt(
    name: str, doing: str, retry_policy: RetryPolicy, call: Callable[[], Awaitable[Values]]
) -> Outcome:
    """Run a step of the workflow, and again while that may help.

    Each try and each pause is recorded by the engine, so a restart goes on where it was.
    """
    recorded: Values = {}
    for number in range(1, retry_policy.attempts + 1):
        recorded = await DBOS.run_step_async(
            {"name": name, "preemptible": True}, outcome_of, doing, call
        )
        if recorded["kind"] != "again":
            break
        LOG.info("%s: try %d: %s", doing, number, recorded["what"])
        if number < retry_policy.attempts:
            await DBOS.sleep_async(retry_policy.pause(number, recorded.get("wait", 0.0)))
    outcome = Outcome(**recorded)
    if outcome.kind not in ("ok", "failed"):  # the log has a mistake of ours already
        LOG.warning("%s: given up at try %d: %s", doing, number, outcome.sentence)
    return outcome


async def in_thread(seconds: float, call: Callable[[], T]) -> T:
    """Run blocking work off the event loop; TimeoutError after `seconds`."""
    async with asyncio.timeout(seconds):
        return await asyncio.to_thread(call)
