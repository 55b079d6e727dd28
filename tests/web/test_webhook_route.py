"""`POST /webhook/github`: each status, and the deliveries on disk at that time. `/webhook/gitlab`:
each status, both kinds of secret, and repeats by id and by object."""

import asyncio
import base64
import json
import sqlite3
import threading
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.forge.gitlab.webhooks import signed_headers
from bot.settings.values import load_settings
from bot.store.deliveries import GroupWriter, add_delivery, settle_delivery
from bot.store.records import NewDelivery
from bot.store.store import now, open_store
from bot.store.transactions import StoreError
from bot.web.serve import Bot
from tests.engine.threads import InThread


def adding(new: NewDelivery) -> Any:
    return lambda db: add_delivery(db, new, now())


def stored(settings_file: Path) -> list[tuple]:
    """The deliveries in the database file, read without the bot."""
    connection = sqlite3.connect(settings_file.parent / "data" / "minimize.sqlite")
    try:
        return connection.execute("select delivery, event from deliveries order by id").fetchall()
    finally:
        connection.close()


async def test_a_signed_delivery_is_on_the_disk_when_202_is_said(
    client, payload, settings_file
) -> None:
    status, answer = await client.post(payload())
    assert (status, answer) == (202, {"status": "accepted", "delivery": "guid-1"})
    assert stored(settings_file) == [("guid-1", "pull_request")]


async def test_a_repeat_is_202_and_kept_once(client, payload, settings_file) -> None:
    await client.post(payload())
    assert (await client.post(payload()))[1]["status"] == "repeat"
    # Another hook tells of the same push under another id.
    assert (await client.post(payload(), X_GitHub_Delivery="guid-2"))[1]["status"] == "repeat"
    status, answer = await client.post(payload(head="b" * 40), X_GitHub_Delivery="guid-3")
    assert (status, answer["status"]) == (202, "accepted")
    assert len(stored(settings_file)) == 2


@pytest.mark.parametrize("signature", [None, "", "sha256=" + "0" * 64, "sha1=abc"])
async def test_a_bad_or_missing_signature_is_401_and_nothing_is_stored(
    client, payload, settings_file, signature
) -> None:
    status, answer = await client.post(payload(), X_Hub_Signature_256=signature)
    assert status == 401
    assert "ignature" in answer["error"]
    assert stored(settings_file) == []


async def test_too_large_is_413(client, payload) -> None:
    assert (await client.post(b"x" * 20_001))[0] == 413
    assert (await client.post(b"x" * 19_000))[0] == 400


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"nonsense", {}),
        (b"{}", {}),
        (b"{}", {"X_GitHub_Event": None}),
        (b"{}", {"X_GitHub_Delivery": None}),
        (b"{}", {"Content_Type": "text/plain"}),
    ],
)
async def test_what_is_not_what_it_says_is_400(client, body, headers) -> None:
    assert (await client.post(body, **headers))[0] == 400


async def test_unknown_events_are_accepted_and_unknown_forges_are_not_there(client) -> None:
    assert (await client.post(b"{}", X_GitHub_Event="ping"))[0] == 202
    assert (await client.post(b"{}", path="/webhook/gitlab"))[0] == 404
    status, _, headers = await client.get("/webhook/github")
    assert (status, headers["Allow"]) == (405, "POST")


async def test_a_disk_that_cannot_keep_it_is_503(client, bot, payload, monkeypatch) -> None:
    def full(deliveries):
        raise StoreError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(bot._store, "write_together", full)
        status, answer = await client.post(payload())
        assert (status, answer) == (503, {"error": "The delivery cannot be stored at the moment."})
    # The forge, or a person, sends it again: it is news.
    assert (await client.post(payload()))[1]["status"] == "accepted"


async def test_many_deliveries_share_one_write(tmp_path: Path, monkeypatch) -> None:
    store = open_store(tmp_path)
    batches: list[int] = []
    real = store.write_together
    first_is_writing, go_on = threading.Event(), threading.Event()

    def slow(deliveries: list[Any]) -> list[Any]:
        batches.append(len(deliveries))
        if len(batches) == 1:
            first_is_writing.set()
            go_on.wait(90)
        return real(deliveries)

    monkeypatch.setattr(store, "write_together", slow)
    writer = GroupWriter(store)
    running = asyncio.create_task(writer.run())
    first = asyncio.create_task(writer.write(adding(NewDelivery("f", "e", "0", b""))))
    await asyncio.to_thread(first_is_writing.wait, 90)
    others = [
        asyncio.create_task(writer.write(adding(NewDelivery("f", "e", str(n), b""))))
        for n in range(1, 50)
    ]
    await asyncio.sleep(0)
    go_on.set()
    receipts = await asyncio.gather(first, *others)
    assert batches == [1, 49]
    assert len({receipt.id for receipt in receipts}) == 50
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    store.close()


async def test_a_busy_event_loop_keeps_no_group_from_the_disk(tmp_path: Path, monkeypatch) -> None:
    store = open_store(tmp_path)
    real, starts = store.write_together, threading.Semaphore(0)
    go_on = threading.Event()

    def slow(changes: list[Any]) -> list[Any]:
        starts.release()
        go_on.wait(90)
        return real(changes)

    monkeypatch.setattr(store, "write_together", slow)
    writer = GroupWriter(store)
    running = asyncio.create_task(writer.run())
    first = asyncio.create_task(writer.write(adding(NewDelivery("f", "e", "1", b""))))
    assert await asyncio.to_thread(starts.acquire, timeout=90)
    second = asyncio.create_task(writer.write(adding(NewDelivery("f", "e", "2", b""))))
    await asyncio.sleep(0)
    go_on.set()
    # The loop does nothing from here on, until the second group is on its way.
    assert starts.acquire(timeout=90)
    await asyncio.gather(first, second)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    store.close()


async def test_what_was_taken_is_kept_when_the_bot_is_stopped(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    writer = GroupWriter(store)
    running = asyncio.create_task(writer.run())
    await asyncio.sleep(0)
    waiting = asyncio.create_task(writer.write(adding(NewDelivery("f", "e", "1", b""))))
    await asyncio.sleep(0)
    running.cancel()
    assert (await waiting).repeat is False
    with pytest.raises(asyncio.CancelledError):
        await running
    assert store.delivery_counts() == {"new": 1}
    store.close()


async def test_a_fault_with_one_batch_does_not_end_the_taking_in(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    writer = GroupWriter(store)
    running = asyncio.ensure_future(writer.run())
    try:
        with pytest.raises(UnicodeEncodeError):
            await writer.write(adding(NewDelivery("gh", "push", "\ud800", b"{}")))
        assert not (await writer.write(adding(NewDelivery("gh", "push", "g", b"{}")))).repeat
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        store.close()


async def test_an_outcome_shares_the_write_of_new_deliveries_and_a_fault_is_its_own(
    tmp_path: Path, monkeypatch
) -> None:
    store = open_store(tmp_path)
    (old,) = store.add_deliveries([NewDelivery("f", "e", "0", b"")])
    writer = GroupWriter(store)
    waiting = [
        asyncio.ensure_future(writer.write(change))
        for change in (
            adding(NewDelivery("f", "e", "1", b"")),
            lambda db: settle_delivery(db, old.id, "done", "", now()),
            adding(NewDelivery("f", "e", "\ud800", b"")),
        )
    ]
    await asyncio.sleep(0)
    together = store.write_together
    batches: list[int] = []
    monkeypatch.setattr(
        store, "write_together", lambda some: (batches.append(len(some)), together(some))[1]
    )
    running = asyncio.ensure_future(writer.run())
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert batches == [3]
    assert isinstance(results[2], UnicodeEncodeError)
    assert store.delivery_counts() == {"new": 1, "done": 1}
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    store.close()


async def test_a_disk_that_takes_too_long_is_503(client, bot, payload, monkeypatch) -> None:
    monkeypatch.setattr("bot.store.deliveries._LONGEST_WAIT", 0.05)
    together, go_on = bot._store.write_together, threading.Event()

    def slow(changes: list[Any]) -> list[Any]:
        go_on.wait(60)
        return together(changes)

    monkeypatch.setattr(bot._store, "write_together", slow)
    assert (await client.post(payload()))[0] == 503
    go_on.set()


SIGNING = "whsec_" + base64.b64encode(b"k" * 32).decode()
GITLAB_SETTINGS = """\
listen: {port: 0}
forges:
  lab:
    type: gitlab
    api_url: http://127.0.0.1:9
    token: {env: LAB_TOKEN}
    webhook_secrets: [{env: LAB_SIGNING}, {env: LAB_TOKEN}]
engine: {executor_id: gitlab-route, predictions: 0, builds: 0}
limits: {webhook_bytes: 20000}
"""


@pytest.fixture
async def lab_post(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LAB_TOKEN", "plain")
    monkeypatch.setenv("LAB_SIGNING", SIGNING)
    (tmp_path / "config").mkdir()
    (tmp_path / "bot.yaml").write_text(GITLAB_SETTINGS)
    bot = Bot(load_settings(tmp_path / "bot.yaml"), InThread(None))
    await bot.start()
    async with aiohttp.ClientSession() as session:

        async def send(body: bytes, secret: str = SIGNING, delivery: str = "d1", **more: str):
            headers = signed_headers("merge_request", body, secret, delivery=delivery)
            given = {**headers, **{name.replace("_", "-"): text for name, text in more.items()}}
            where = f"{bot.url}/webhook/gitlab"
            async with session.post(where, data=body, headers=given) as answer:
                return answer.status, await answer.json()

        yield send
    await bot.stop()


def merge_payload(**about: object) -> bytes:
    project = {"id": 3, "path_with_namespace": "acme/tools/nginx"}
    attributes = {"iid": 7, "action": "open", "last_commit": {"id": "a" * 40}, **about}
    made = {"object_kind": "merge_request", "project": project, "object_attributes": attributes}
    return json.dumps(made).encode()


@pytest.mark.parametrize("secret", [SIGNING, "plain"])
async def test_gitlab_delivery_is_taken_and_a_repeat_is_known(lab_post, secret: str) -> None:
    assert await lab_post(merge_payload(), secret) == (
        202,
        {"status": "accepted", "delivery": "d1"},
    )
    assert (await lab_post(merge_payload(), secret))[1]["status"] == "repeat"
    # A group's hook tells of the same under another id.
    assert (await lab_post(merge_payload(), secret, "d2"))[1]["status"] == "repeat"
    assert (await lab_post(merge_payload(action="close"), secret, "d3"))[1]["status"] == "accepted"


async def test_an_unknown_or_unclear_delivery_of_gitlab_is_refused(
    lab_post,
) -> None:
    assert (await lab_post(merge_payload(), "other"))[0] == 401
    assert (await lab_post(merge_payload(), webhook_timestamp="1"))[0] == 401
    assert (await lab_post(merge_payload(iid="x")))[0] == 400
    assert (await lab_post(b"{", "plain"))[0] == 400
    assert (await lab_post(merge_payload(), X_Gitlab_Event="Note Hook"))[0] == 400
    assert (await lab_post(merge_payload(), X_Gitlab_Instance="https://gitlab.com"))[0] == 400
    assert (await lab_post(merge_payload(title="x" * 20_000)))[0] == 413
