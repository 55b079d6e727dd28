"""Faults of the surroundings: `python -m tests.faults.faults [FAULT...] [--seconds N] [--pulls N]`.

An embedded server in a process of its own, on a forge of this program, with checks under way. For
so many seconds its databases are locked (`locked`), its disk is full (`disk`, which needs root: the
data directory is a small file system in memory), or each request of the forge's API fails
(`forge`); more pull requests are opened meanwhile. Prints a row for each: the answers to webhooks
meanwhile, and how long after the fault every head had its one conclusion and every pull request its
one comment. Deliveries that nobody took are sent again as the bot asks the forge to.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sqlite3
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

from bot.demo.forge.server import LocalForge
from bot.demo.forge.values import Pull
from bot.report.render import COMMENT_MARKER
from tests.faults.many_workers import Fleet

PREDICTION = 0.3  # seconds
LONGEST = 900.0
DISK = 40  # MB
Inject = Callable[[Fleet], AbstractAsyncContextManager[None]]


@dataclass(frozen=True)
class Seen:
    """The effect of a fault: the webhooks' answers, the pull requests that were wrong at its end,
    the seconds until all were right, and those that were still wrong after a long time."""

    answers: Counter[str]
    behind: int
    seconds: float
    wrong: int


@asynccontextmanager
async def locked(fleet: Fleet) -> AsyncIterator[None]:
    """Another process writes to both databases, and does not come to an end."""
    with contextlib.ExitStack() as stack:
        for name in ("minimize.sqlite", "engine.sqlite"):
            path = fleet.home / "data-server" / name
            held = stack.enter_context(closing(sqlite3.connect(path, timeout=60)))
            held.execute("begin immediate")
        yield


@asynccontextmanager
async def disk(fleet: Fleet) -> AsyncIterator[None]:
    """Somebody else's file takes all that is left."""
    filler = fleet.home / "data-server" / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as stream:
        while True:
            stream.write(bytes(4096))
    yield
    filler.unlink()


@asynccontextmanager
async def forge(fleet: Fleet) -> AsyncIterator[None]:
    """Answer each request of the API with 500."""
    fleet.forge.fail_next("", 500, times=10**9)
    yield
    fleet.forge.traffic.faults.clear()


FAULTS: dict[str, Inject] = {"locked": locked, "disk": disk, "forge": forge}


def wrong(fleet: Fleet, pulls: list[Pull]) -> int:
    """The pull requests whose head lacks its one conclusion, or that lack their one comment."""
    state, found = fleet.forge.state, 0
    for pull in pulls:
        runs = state.runs_of(pull.repository, pull.head_sha)
        ours = [one for one in state.comments_of(pull) if COMMENT_MARKER in one.body]
        right = len(runs) == 1 and runs[0].conclusion == "success" and len(ours) == 1
        found += not right
    return found


async def measure(home: Path, inject: Inject, seconds: float, pulls: int) -> Seen:
    """Let a fault last so long, with so many pull requests opened before and while it does."""
    async with LocalForge(home / "forge") as local:
        fleet = Fleet(home, "", local, PREDICTION)
        fleet.builds = 1
        try:
            await fleet.start("server", "server", 2)
            opened = [await fleet.open_pull(number) for number in range(pulls)]
            before = len(local.deliveries)
            async with inject(fleet):
                until = time.monotonic() + seconds
                for number in range(pulls):
                    opened.append(await fleet.open_pull(pulls + number))
                    await asyncio.sleep(seconds / pulls / 4)
                await asyncio.sleep(max(until - time.monotonic(), 0))
            answers = Counter(str(one.status or one.error) for one in local.deliveries[before:])
            behind, since = wrong(fleet, opened), time.monotonic()
            while wrong(fleet, opened) and time.monotonic() - since < LONGEST:
                await asyncio.sleep(0.2)
            left = wrong(fleet, opened)
            if left:
                print((home / "server.log").read_text()[-8000:])
            return Seen(answers, behind, time.monotonic() - since, left)
        finally:
            fleet.close()


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    data = folder / "data-server"
    data.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}m", "tmpfs", data], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", data], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faults", nargs="*", default=list(FAULTS))
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--pulls", type=int, default=4)
    given = parser.parse_args()
    print("fault    seconds  webhooks meanwhile       behind at its end  right after  still wrong")
    for name in given.faults:
        with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
            if name == "disk":
                stack.enter_context(_small_disk(Path(folder)))
            seen = asyncio.run(measure(Path(folder), FAULTS[name], given.seconds, given.pulls))
        answers = ", ".join(f"{n} x {status}" for status, n in sorted(seen.answers.items()))
        print(
            f"{name:<8} {given.seconds:>7.0f}  {answers:<24} {seen.behind:>10} of"
            f" {2 * given.pulls:<5} {seen.seconds:>9.1f} s {seen.wrong:>10}"
            f"   load {os.getloadavg()[0]:.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
