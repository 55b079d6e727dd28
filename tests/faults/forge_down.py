"""A forge that is down: `python -m tests.faults.forge_down [--seconds N] [--pulls N]`.

An embedded server and a forge of this program. Checks are under way when each request of the API
begins to fail (500), and pull requests are opened while it does. Prints how long after the forge's
return every head has its concluded check run and every pull request its comment.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from pathlib import Path

from bot.demo.forge.server import LocalForge
from bot.demo.forge.values import Pull
from bot.report.render import COMMENT_MARKER
from tests.faults.many_workers import Fleet

PREDICTION = 0.3  # seconds
LONGEST = 600.0


def wrong(fleet: Fleet, pulls: list[Pull]) -> int:
    """The pull requests whose head lacks its one conclusion, or that lack their one comment."""
    state, found = fleet.forge.state, 0
    for pull in pulls:
        runs = state.runs_of(pull.repository, pull.head_sha)
        ours = [one for one in state.comments_of(pull) if COMMENT_MARKER in one.body]
        right = len(runs) == 1 and runs[0].conclusion == "success" and len(ours) == 1
        found += not right
    return found


async def measure(home: Path, seconds: float, pulls: int) -> tuple[float, int]:
    """Seconds from the forge's return until all is right, and what was wrong at the return."""
    async with LocalForge(home / "forge") as forge:
        fleet = Fleet(home, "", forge, PREDICTION)
        fleet.builds = 1
        try:
            await fleet.start("server", "server", 2)
            opened = [await fleet.open_pull(number) for number in range(pulls)]
            forge.fail_next("", 500, times=10**9)
            until = time.monotonic() + seconds
            opened += [await fleet.open_pull(pulls + number) for number in range(pulls)]
            await asyncio.sleep(max(until - time.monotonic(), 0))
            missing = wrong(fleet, opened)
            forge.traffic.faults.clear()
            since = time.monotonic()
            while wrong(fleet, opened) and time.monotonic() - since < LONGEST:
                await asyncio.sleep(0.2)
            assert not wrong(fleet, opened), (home / "server.log").read_text()[-5000:]
            return time.monotonic() - since, missing
        finally:
            fleet.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--pulls", type=int, default=4)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        took, missing = asyncio.run(measure(Path(folder), given.seconds, given.pulls))
    print(
        f"down {given.seconds:.0f} s: {missing} of {2 * given.pulls} pull requests without their"
        f" answer at the return, all right {took:.1f} s after it (load {os.getloadavg()[0]:.0f})"
    )


if __name__ == "__main__":
    main()
