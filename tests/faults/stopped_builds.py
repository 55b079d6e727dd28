"""Builds whose runs are stopped: `python -m tests.faults.stopped_builds [--runs N] [--pushes P]`.

An embedded engine with `builds: 1`, on a forge of its own. Each build starts a family of processes,
each in a session of its own, and never ends. Pull requests are pushed to again and again, then
closed. Prints, for each pull request, how many builds lived at a time and how long after the stop
the last process of the last build was gone.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from bot.engine.processes import Processes
from tests.engine.conftest import Bot, FakeChecker

SPEC = "Name: nginx\nRequires: perl\n# {}\n"
_SLEEPER = (
    "import subprocess, time; subprocess.Popen(['sleep', '600'], start_new_session=True);"
    "time.sleep(600)"
)


class EndlessBuilds(FakeChecker):
    """A checker whose builds start two more processes, and note their own."""

    folder: Path

    def finish(self, job: Any, git: Any, others: Any = ()) -> Any:
        subprocess.Popen([sys.executable, "-c", _SLEEPER], start_new_session=True)
        own = psutil.Process()
        while len(own.children(recursive=True)) < 2:
            time.sleep(0.01)
        (self.folder / job.head_sha).write_text(str(own.pid))
        time.sleep(600)


def endless_builds(folder: Path) -> EndlessBuilds:
    made = EndlessBuilds()
    made.folder = folder
    return made


@dataclass(frozen=True)
class Stopped:
    """The most builds at a time, and seconds from the stop to the last process's end."""

    builds: int
    seconds: float


async def stop_builds(home: Path, pushes: int) -> Stopped:
    """Push so often that each build is superseded, then close the pull request."""
    notes = home / "builds"
    notes.mkdir()
    slots = {"predictions": 2, "builds": 1}
    computing: Any = Processes(partial(endless_builds, notes), slots, memory=10**10)
    bot = Bot(home, computing)
    await bot.engine.launch()
    most, families = 0, []
    try:
        for number in range(pushes):
            head = bot.push({"nginx/nginx.spec": SPEC.format(number)})
            await bot.deliver()
            note = notes / head
            # A file is there before what is written to it.
            await bot.until(lambda note=note: note.exists() and bool(note.read_text()))
            builder = psutil.Process(int(note.read_text()))
            families.append([builder, *builder.children(recursive=True)])
            most = max(most, sum(bool(_living(family)) for family in families))
        bot.forge.pull = replace(bot.forge.pull, open=False)
        since = time.monotonic()
        await bot.deliver("stop")
        while any(_living(family) for family in families):
            await asyncio.sleep(0.005)
        return Stopped(most, time.monotonic() - since)
    finally:
        await bot.close()


def _living(family: list[psutil.Process]) -> list[psutil.Process]:
    found = []
    for one in family:
        try:
            if one.is_running() and one.status() != psutil.STATUS_ZOMBIE:
                found.append(one)
        except psutil.NoSuchProcess:
            continue
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--pushes", type=int, default=5)
    given = parser.parse_args()
    print("run  builds at a time  stop to last process gone, s")
    for number in range(1, given.runs + 1):
        with tempfile.TemporaryDirectory() as folder:
            seen = asyncio.run(stop_builds(Path(folder), given.pushes))
        print(f"{number:>3}  {seen.builds:>16}  {seen.seconds:>27.2f}", flush=True)


if __name__ == "__main__":
    main()
