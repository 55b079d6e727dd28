"""Large and unsigned bodies of webhooks: refused before they are read, hashed as they come, cut."""

import asyncio
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from bot.settings.values import load_settings
from bot.store.store import open_store
from bot.web.serve import Bot
from tests.engine.threads import InThread
from tests.web.conftest import SETTINGS, Client

LARGE = 3_000_000


@pytest.fixture
async def bot(settings_file: Path):
    settings_file.write_text(SETTINGS.replace("webhook_bytes: 20000", "webhook_bytes: 4000000"))
    made = Bot(load_settings(settings_file), InThread(None))
    await made.start()
    yield made
    await made.stop()


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
