"""A server or a worker in a process of its own: `working_bot.py ROLE SETTINGS SECONDS`.

A prediction takes so many seconds, or as long as there is a file `held` beside the settings, and
notes its process's name and its head in `predictions`, there too, when it begins. What it answers
is made up.
"""

from __future__ import annotations

import asyncio
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from bot.engine.engine import Engine
from bot.engine.outbox import open_outbox
from bot.engine.processes import Processes
from bot.engine.publishing import Publisher
from bot.engine.results import open_results
from bot.engine.steps import CheckSteps
from bot.forge.protocol import open_forges
from bot.settings.values import load_settings
from bot.web.serve import Bot
from tests.engine.conftest import FakeChecker


class SlowChecker(FakeChecker):
    """A checker whose predictions take `seconds`."""

    notes: Path
    name: str
    seconds: float

    def warm_up(self) -> None:
        pass

    def finish(self, job: Any, git: Any, others: Any = ()) -> Any:
        time.sleep(self.seconds)
        return super().finish(job, git)

    def predict(self, job: Any, git: Any, others: Any = ()) -> Any:
        with self.notes.open("a") as file:
            file.write(f"{self.name} {job.head_sha} {time.time()}\n")
        time.sleep(self.seconds)
        while self.notes.with_name("held").exists():
            time.sleep(0.02)
        return super().predict(job, git)


def slow_checker(notes: Path, name: str, seconds: float, builds: bool) -> SlowChecker:
    made = SlowChecker(worth_building=builds)
    made.notes, made.name, made.seconds = notes, name, seconds
    return made


async def main() -> None:
    role, file, seconds = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
    settings = load_settings(file)
    name = settings.engine.executor_id or role
    builds = settings.engine.builds
    checker = partial(slow_checker, file.parent / "predictions", name, seconds, builds > 0)
    slots = {"predictions": settings.engine.predictions, "builds": max(builds, 1)}
    computing: Any = Processes(checker, slots, memory=10**10)  # type: ignore[arg-type]
    if role == "server":
        await Bot(settings, computing).start()
    else:
        publisher = Publisher(open_outbox(settings, "worker"), open_results(settings), settings)
        steps = CheckSteps(open_forges(settings), computing, settings, publisher)
        await Engine(steps, settings, "worker").launch()
        await computing.warm_up()
    (file.parent / f"{name}-ready").touch()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
