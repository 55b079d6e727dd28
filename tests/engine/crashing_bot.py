"""A bot in a process of its own, to be killed. It writes each step's effect to a journal.

Arguments: folder, head commit, and `hang` (the prediction never ends), `go`, `wait` (somebody else
builds, and has not yet) or `built` (they have).
"""

import asyncio
import sys
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

import conftest as support

from bot.build.external import ExternalPlace
from tests.engine.crashing import started


class Journal(support.FakeForge):
    async def set_status(self, key, sha, report):
        note(f"status {report.state}")

    async def checks_of(self, key, sha):
        note("look")
        word = "success" if HOW == "built" else "pending"
        return (support.CommitCheck("koji", word, word),)

    async def put_comment(self, key, marker, body):
        note("comment")
        return await super().put_comment(key, marker, body)


class Checker(support.FakeChecker):
    def predict(self, job, git, others=()):
        note("predict")
        if HANG:
            import time

            time.sleep(600)
        return super().predict(job, git)

    def finish(self, job, git, others=()):
        note("finish")
        return super().finish(job, git)


FOLDER, HEAD, HOW = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
HANG = HOW == "hang"
PLACE = ExternalPlace("d", "x86_64", "https://b/", ("nginx",))
PLAN = support.ExternalPlan("koji", 600.0, (PLACE,))


def note(what: str) -> None:
    with (FOLDER / "journal").open("a") as file:
        file.write(what + "\n")


async def main() -> None:
    upstream = SimpleNamespace(path=FOLDER / "upstream")
    pull = support.pull_request(sys.argv[4], HEAD)
    checker = Checker(external=PLAN if HOW in ("wait", "built") else None, there=[True])
    bot = await started(FOLDER, {"gh": Journal(upstream, pull)}, checker)
    await bot.work(note)


asyncio.run(main())
