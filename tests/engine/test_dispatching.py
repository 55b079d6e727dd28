"""Deliveries beside each other: a slow one holds up nobody else's, and none is begun twice."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from bot.engine import dispatcher as module
from bot.engine.dispatcher import Dispatcher
from bot.forge.values import IgnoredEvent
from bot.store.records import NewDelivery
from bot.store.store import Store, open_store
from bot.store.transactions import StoreError
from tests.engine.conftest import settings_in
from tests.engine.test_permission_table import Recorder


class World:
    """A forge whose events may be held; what was looked at, in order."""

    def __init__(self, where: Path) -> None:
        self.store: Store = open_store(where)
        self.seen: list[int] = []
        self.held: dict[int, asyncio.Event] = {}
        self.begun: list[int] = []
        engine: Any = Recorder()
        forges: Any = {"gh": self}
        merged_changes: Any = None  # nothing is merged here
        self.dispatcher = Dispatcher(self.store, forges, engine, settings_in(where), merged_changes)

    def event(self, event: str, body: bytes) -> IgnoredEvent:
        return IgnoredEvent(body.decode())

    async def decide(self, delivery: Any) -> tuple[bool, str]:
        number = json.loads(delivery.body)
        self.begun.append(number)
        if number in self.held:
            await self.held[number].wait()
        self.seen.append(number)
        return True, "Looked at."

    def deliver(self, *numbers: int) -> None:
        self.store.add_deliveries(
            [NewDelivery("gh", "x", f"guid-{n}", str(n).encode()) for n in numbers]
        )
        self.dispatcher.wake()


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    world = World(tmp_path)
    monkeypatch.setattr(world.dispatcher, "_decide", world.decide)
    running = asyncio.create_task(world.dispatcher.run())
    yield world
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    world.store.close()


async def until(true: Any) -> None:
    async with asyncio.timeout(90):
        while not true():
            await asyncio.sleep(0.01)


async def test_a_slow_forge_holds_up_no_other_delivery(world: World) -> None:
    world.held[1] = asyncio.Event()
    world.deliver(1, 2)
    await until(lambda: world.seen == [2])
    world.deliver(3, 4)
    await until(lambda: world.seen == [2, 3, 4])
    world.held[1].set()
    await until(lambda: world.seen == [2, 3, 4, 1])
    assert sorted(world.begun) == [1, 2, 3, 4]
    await until(lambda: world.store.delivery_counts() == {"done": 4})


async def hold_many(world: World) -> list[int]:
    """The numbers of 130 deliveries, of which as many as may be are begun and held."""
    numbers = list(range(1, 131))
    world.held = {n: asyncio.Event() for n in numbers}
    world.deliver(*numbers)
    await until(lambda: len(world.begun) == module._AT_ONCE)
    return numbers


async def test_a_forge_whose_deliveries_hang_holds_up_no_other_forge(world: World) -> None:
    await hold_many(world)
    world.store.add_deliveries([NewDelivery("gl", "x", "guid-other", b"1000")])
    world.dispatcher.wake()
    await until(lambda: world.seen == [1000])
    for event in world.held.values():
        event.set()
    await until(lambda: world.store.delivery_counts() == {"done": 131})


async def test_many_are_begun_once_each_and_not_all_at_once(world: World) -> None:
    numbers = await hold_many(world)
    await asyncio.sleep(0.05)
    assert len(world.begun) == module._AT_ONCE
    for event in world.held.values():
        event.set()
    await until(lambda: world.store.delivery_counts() == {"done": 130})
    assert sorted(world.begun) == numbers


async def test_what_was_in_hand_when_the_bot_stops_is_new_at_the_next_start(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.dispatcher._decide = world.decide  # type: ignore[method-assign]
    running = asyncio.create_task(world.dispatcher.run())
    world.held[1] = asyncio.Event()
    world.deliver(1)
    await until(lambda: world.begun == [1])
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert world.store.delivery_counts() == {"new": 1}
    assert world.seen == []
    world.store.close()


async def test_a_store_that_cannot_settle_is_asked_again_later(
    world: World, monkeypatch, caplog
) -> None:
    plain = world.store.settle_delivery
    faults = iter([StoreError("The disk is full.")])

    def settle(*arguments: Any) -> None:
        for fault in faults:
            raise fault
        plain(*arguments)

    monkeypatch.setattr(world.store, "settle_delivery", settle)
    monkeypatch.setattr(world.store, "postpone_delivery", _full)
    monkeypatch.setattr(module, "_IDLE", 0.05)
    world.deliver(1)
    await until(lambda: world.store.delivery_counts() == {"done": 1})
    assert world.begun == [1, 1]
    assert "could not be settled" in caplog.text


def _full(*_: Any) -> None:
    raise StoreError("The disk is full.")
