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
from dbos import DBOS

from bot.forge.values import Comment
from bot.store.commands import Commands
from tests.engine.threads import InThread

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


async def busy() -> bool:
    waiting = await DBOS.list_workflows_async(
        status=["PENDING", "ENQUEUED", "DELAYED"], load_input=False, load_output=False
    )
    return bool(waiting)


async def main() -> None:
    pull = support.pull_request(BASE, HEAD)
    forges = {"gh": FileForge(SimpleNamespace(path=FOLDER / "upstream"), pull)}
    settings = support.settings_in(FOLDER)
    store = support.open_store(FOLDER)
    checker = HangingChecker(over=True)
    outbox = support.Outbox(support.prepared_url(settings), "tester", lease=2.0)
    publisher = support.Publisher(outbox, support.open_results(settings, store), settings)
    steps = support.CheckSteps(forges, InThread(checker), settings, publisher)
    reconciler = support.Reconciler(outbox, forges, settings)
    engine = support.Engine(steps, settings, "server", pause=0.01)
    await engine.launch()
    merged_changes = support.MergedChanges(store, support.open_history(store), settings)
    dispatcher = support.Dispatcher(store, forges, engine, settings, merged_changes, lag=0.01)
    conversation = dispatcher._conversation
    conversation._commands = HangingCommands(store)
    publish = publisher.publish

    async def publishing(job, result):
        here("before the acceptance is published")
        return await publish(job, result)

    publisher.publish = publishing
    collector = support.Collector(store, engine, merged_changes)
    while True:
        await dispatcher.handle_new()
        await collector.collect()
        await reconciler.reconcile()
        new = store.delivery_counts().get("new", 0)
        over = not new and store.check_counts() and not store.open_checks()
        if over and not await busy() and outbox.settled():
            note("over")
            break
        await asyncio.sleep(0.02)
    await engine.stop()
    outbox.close()
    store.close()


asyncio.run(main())
