"""A bot of one process, made of the engine's parts, that works until nothing is left to do."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import conftest as support
from dbos import DBOS

from tests.engine.threads import InThread


@dataclass
class CrashingBot:
    """`note` writes a line to the journal of the folder."""

    folder: Path
    store: Any
    publisher: Any
    dispatcher: Any
    engine: Any
    outbox: Any
    reconciler: Any
    collector: Any

    async def work(self, note: Callable[[str], None]) -> None:
        """Note `over` once each delivery is handled and each check has ended and is published."""
        while True:
            await self.dispatcher.handle_new()
            await self.collector.collect()
            await self.reconciler.reconcile()
            new = self.store.delivery_counts().get("new", 0)
            over = not new and self.store.check_counts() and not self.store.open_checks()
            if over and not await busy() and self.outbox.settled():
                note("over")
                break
            await asyncio.sleep(0.02)
        await self.engine.stop()
        self.outbox.close()
        self.store.close()


async def started(folder: Path, forges: Mapping[str, Any], checker: Any) -> CrashingBot:
    settings = support.settings_in(folder)
    store = support.open_store(folder)
    outbox = support.Outbox(support.prepared_url(settings), "tester")
    publisher = support.Publisher(outbox, support.open_results(settings, store), settings)
    steps = support.CheckSteps(forges, InThread(checker), settings, publisher)
    engine = support.Engine(steps, settings, "server", pause=0.01)
    await engine.launch()
    merged = support.MergedChanges(store, support.open_history(store), settings)
    dispatcher = support.Dispatcher(store, forges, engine, settings, merged, lag=0.01)
    reconciler = support.Reconciler(outbox, forges, settings)
    collector = support.Collector(store, engine, merged)
    return CrashingBot(folder, store, publisher, dispatcher, engine, outbox, reconciler, collector)


async def busy() -> bool:
    waiting = await DBOS.list_workflows_async(
        status=["PENDING", "ENQUEUED", "DELAYED"], load_input=False, load_output=False
    )
    return bool(waiting)
