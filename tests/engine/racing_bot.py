"""A server or one more worker in a process of its own, on a forge that is real to it.

Arguments: `server` or `worker`, the settings file. What is predicted and built is made up, after a
moment of random length; the comment names the head commit.
"""

import asyncio
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

import conftest as support

from bot.engine.engine import Engine
from bot.engine.outbox import open_outbox
from bot.engine.publishing import Publisher
from bot.engine.results import open_results
from bot.engine.steps import CheckSteps
from bot.forge.protocol import open_forges
from bot.settings.values import load_settings
from bot.web.serve import Bot
from tests.engine.threads import InThread


class Checker(support.FakeChecker):
    def predict(self, job, git, others=()):
        time.sleep(random.random() * 0.2)
        return super().predict(job, git)

    def finish(self, job, git, others=()):
        time.sleep(random.random() * 0.2)
        return super().finish(job, git)


async def main() -> None:
    role, file = sys.argv[1], Path(sys.argv[2])
    settings = load_settings(file)
    if role == "server":
        bot = Bot(settings, InThread(Checker()))
        await bot.start()
    else:
        publisher = Publisher(open_outbox(settings, role), open_results(settings), settings)
        steps = CheckSteps(open_forges(settings), InThread(Checker()), settings, publisher)
        await Engine(steps, settings, "worker").launch()
    (file.parent / f"{role}-ready").touch()
    await asyncio.Event().wait()


asyncio.run(main())
