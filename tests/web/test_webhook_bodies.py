"""Large and unsigned bodies of webhooks: refused before they are read, hashed as they come, cut."""

import asyncio
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from bot.settings.values import load_settings
from bot.store.store import open_store
from bot.web import webhooks
from bot.web.serve import Bot
from tests.engine.threads import InThread
from tests.web.conftest import SETTINGS, Client

LARGE = 3_000_000


@pytest.fixture
async def bot(settings_file: Path, monkeypatch):
    # The limits have tests of their own, and a busy machine needs longer.
    monkeypatch.setattr(webhooks, "_BODY_SECONDS", 90.0)
    monkeypatch.setattr(webhooks, "_READING", replace(webhooks._READING, seconds=90.0))
    settings_file.write_text(SETTINGS.replace("webhook_bytes: 20000", "webhook_bytes: 4000000"))
    bot = Bot(load_settings(settings_file), InThread(None))
    await bot.start()
    yield bot
    await bot.stop()


def push(size: int = LARGE, **more: Any) -> bytes:
    """A push with so many bytes of commits."""
    commit = {"id": "c" * 40, "message": "m" * 1000, "added": ["f" * 100] * 10}
    data = {
        "ref": "refs/heads/main",
        "before": "a" * 40,
        "after": "b" * 40,
        "repository": {"id": 1, "full_name": "o/r"},
        "commits": [commit] * (size // 2400),
        **more,
    }
    return json.dumps(data).encode()


def stored(settings_file: Path) -> list[dict[str, Any]]:
    store = open_store(settings_file.parent / "data")
    rows = store.rows("select event, body from deliveries order by id")
    store.close()
    return rows


@pytest.mark.parametrize("header", [b"", b"X-Hub-Signature-256: sha1=abc\r\n"])
async def test_without_a_signature_the_answer_comes_before_the_body(bot: Bot, header) -> None:
    where = urlsplit(bot.url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    head = b"POST /webhook/github HTTP/1.1\r\nHost: bot\r\nContent-Length: 3000000\r\n"
    writer.write(head + header + b"\r\n")
    assert b" 401 " in await asyncio.wait_for(reader.readline(), 60)
    writer.close()


async def test_a_large_push_is_cut_and_stored(client: Client, settings_file: Path) -> None:
    body = push()
    assert len(body) > 2_000_000
    assert (await client.post(body, X_GitHub_Event="push"))[0] == 202
    ((row),) = stored(settings_file)
    data = json.loads(row["body"])
    assert row["event"] == "push"
    assert (data["after"], data["repository"]["full_name"]) == ("b" * 40, "o/r")
    assert len(row["body"]) < 300_000


async def test_a_large_form_is_read_as_one(client: Client, settings_file: Path) -> None:
    body = b"payload=" + quote(push(2_000_000)).encode()
    form = {"Content_Type": "application/x-www-form-urlencoded", "X_GitHub_Event": "push"}
    assert (await client.post(body, **form))[0] == 202
    assert json.loads(stored(settings_file)[0]["body"])["after"] == "b" * 40


@pytest.mark.parametrize("size", [100_000, LARGE])
async def test_a_wrong_signature_of_any_size_is_401_and_nothing_is_stored(
    client: Client, settings_file: Path, size: int
) -> None:
    status, _ = await client.post(push(size), X_Hub_Signature_256="sha256=" + "0" * 64)
    assert status == 401
    assert stored(settings_file) == []


@pytest.mark.parametrize("body", [b"x" * LARGE, b"[" * LARGE, b"[1]" + b" " * LARGE])
async def test_a_large_body_that_is_no_object_is_400(client: Client, body: bytes) -> None:
    assert (await client.post(body, X_GitHub_Event="push"))[0] == 400


async def test_too_large_is_413_also_where_no_length_is_given(client: Client, bot: Bot) -> None:
    assert (await client.post(b"x" * 4_000_001))[0] == 413
    where = urlsplit(bot.url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    signature = hmac.new(b"new", b"", hashlib.sha256).hexdigest().encode()
    writer.write(
        b"POST /webhook/github HTTP/1.1\r\nHost: bot\r\nTransfer-Encoding: chunked\r\n"
        b"X-Hub-Signature-256: sha256=" + signature + b"\r\n\r\n"
    )
    piece = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    for _ in range(4):
        writer.write(piece)
        await writer.drain()
    assert b" 413 " in await asyncio.wait_for(reader.readline(), 60)
    writer.close()


class Body:
    """A body of parts that come one by one."""

    def __init__(self, *parts: bytes) -> None:
        self._left = [*parts, b""]

    async def read(self, _: int) -> bytes:
        await asyncio.sleep(0)
        return self._left.pop(0)


@pytest.fixture
def slow_clock(monkeypatch) -> None:
    """Each part of a body takes four seconds."""
    ticks: Iterator[int] = count(0, 4)
    monkeypatch.setattr(webhooks, "time", SimpleNamespace(monotonic=lambda: next(ticks)))


async def test_a_body_that_comes_on_may_take_minutes(slow_clock: None) -> None:
    body = Body(*[b"x" * 1_000_000] * 24)
    assert sum([len(part) async for part in webhooks._parts(body)]) == 24_000_000


async def test_a_body_that_hardly_comes_on_is_given_up(slow_clock: None) -> None:
    body, came = Body(*[b"x" * 1000] * 24), 0
    with pytest.raises(TimeoutError):
        async for _ in webhooks._parts(body):
            came += 1
    assert came == 3


async def test_a_body_that_stands_still_is_408(bot: Bot, monkeypatch) -> None:
    monkeypatch.setattr(webhooks, "_BODY_SECONDS", 0.1)
    where = urlsplit(bot.url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write(
        b"POST /webhook/github HTTP/1.1\r\nHost: bot\r\nContent-Length: 3000000\r\n"
        b"X-Hub-Signature-256: sha256=" + b"0" * 64 + b"\r\n\r\n" + b"x" * 1000
    )
    assert b" 408 " in await asyncio.wait_for(reader.readline(), 60)
    writer.close()


@pytest.fixture
def waiting(monkeypatch) -> asyncio.Event:
    """One large body comes at a time; set when a second waits for the first."""
    seen = asyncio.Event()

    class Slots(webhooks._Slots):
        def slot(self) -> Any:
            if self._free.locked():
                seen.set()
            return super().slot()

    monkeypatch.setattr(webhooks, "_FILES", 1)
    monkeypatch.setattr(webhooks, "_Slots", Slots)
    return seen


async def test_large_bodies_wait_for_each_other_without_losing_their_time(
    waiting: asyncio.Event, client: Client, monkeypatch
) -> None:
    """The first is being read when the second comes, for longer than a body may stand still."""
    begun, over, read = threading.Event(), threading.Event(), webhooks.call_limited

    def slow(*arguments: Any, **more: Any) -> Any:
        begun.set()
        over.wait(60)
        return read(*arguments, **more)

    monkeypatch.setattr(webhooks, "call_limited", slow)

    def post(name: str) -> asyncio.Task[Any]:
        named = {"X_GitHub_Event": "push", "X_GitHub_Delivery": name}
        return asyncio.create_task(client.post(push(after=name * 40), **named))

    posts = [post("1")]
    assert await asyncio.to_thread(begun.wait, 60)
    posts.append(post("2"))
    await asyncio.wait_for(waiting.wait(), 60)
    # 100 s pass: what has a shorter time limit now is over it in the loop's next turns.
    loop, clock = asyncio.get_running_loop(), time.monotonic
    monkeypatch.setattr(loop, "time", lambda: clock() + 100.0)
    monkeypatch.setattr(webhooks, "time", SimpleNamespace(monotonic=loop.time))
    for _ in range(9):
        await asyncio.sleep(0)
    over.set()
    assert [status for status, _ in await asyncio.gather(*posts)] == [202, 202]


async def test_of_more_large_bodies_than_may_wait_the_last_comes_again_later() -> None:
    places = webhooks._Slots(1, 1, 60.0)
    async with places.slot():
        second = asyncio.create_task(places.slot().__aenter__())
        await asyncio.sleep(0)
        with pytest.raises(webhooks.CrowdedError):
            async with places.slot():
                pass
    await second


async def test_who_waits_too_long_comes_again_later() -> None:
    places = webhooks._Slots(1, 1, 0.01)
    async with places.slot():
        with pytest.raises(webhooks.CrowdedError):
            async with places.slot():
                pass
    async with places.slot():
        pass
