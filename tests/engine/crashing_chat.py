"""A bot in a process of its own that handles comments, to be killed where it is to hang.

Arguments: folder, head commit, base commit, where to hang (`nowhere`: it ends when all is done).
What the forge has is in files of the folder, so that it outlives the process.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

import conftest as support

from bot.forge.values import Comment
from bot.store.commands import Commands
from tests.engine.crashing import started

FOLDER, HEAD, BASE, HANG = Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]


def note(what: str) -> None:
    with (FOLDER / "journal").open("a") as file:
        file.write(what + "\n")


def here(place: str) -> None:
    """The process is killed while it is in here."""
    if place == HANG:
        note(f"hangs {place}")
        time.sleep(600)


class FileForge(support.FakeForge):
    """Comments by their marker in a file; looks first, as a forge of ours does."""

    async def put_comment(self, key, marker, body):
        file = FOLDER / "comments.json"
        comments = json.loads(file.read_text()) if file.exists() else {}
        answer = "answer" in marker
        if answer:
            here("before the answer is written")
        if comments.get(marker) != body:
            note("answered" if answer else "commented")
            file.write_text(json.dumps({**comments, marker: body}))
        if answer:
            here("after the answer was written")
        return Comment("1", "u", body)

    async def find_comment(self, key, marker):
        file = FOLDER / "comments.json"
        body = json.loads(file.read_text()).get(marker) if file.exists() else None
        return Comment("1", "u", body) if body else None

    async def set_status(self, key, sha, report):
        file = FOLDER / "status"
        if not file.exists() or file.read_text() != report.title:
            file.write_text(report.title)
            note(f"status {report.state}")

    async def react(self, key, comment, reaction):
        file = FOLDER / "reactions"
        if not file.exists():
            file.write_text(reaction)
            note("reacted")
        here("after the reaction")


class HangingCommands(Commands):
    """Stops where a crash would hurt most."""

    def decide(self, decision):
        here("before the decision is stored")
        super().decide(decision)
        note("decided")
        here("after the decision was stored")

    def add(self, commands):
        here("before the commands are stored")
        super().add(commands)


class HangingChecker(support.FakeChecker):
    def ask(self, job, git, asked):
        here("while the answer is sought")
        return super().ask(job, git, asked)


async def main() -> None:
    pull = support.pull_request(BASE, HEAD)
    forges = {"gh": FileForge(SimpleNamespace(path=FOLDER / "upstream"), pull)}
    bot = await started(FOLDER, forges, HangingChecker(over=True))
    bot.dispatcher._conversation._commands = HangingCommands(bot.store)
    publish = bot.publisher.publish

    async def publishing(job, result):
        here("before the acceptance is published")
        return await publish(job, result)

    bot.publisher.publish = publishing
    await bot.work(note)


asyncio.run(main())
