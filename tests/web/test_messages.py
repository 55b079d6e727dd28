"""Messages of a real RabbitMQ as deliveries: stored, then acknowledged, once with webhooks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aio_pika
import pytest

from bot.demo.forge.server import LocalForge
from bot.errors import SurroundingsError
from bot.forge.bodies import message_of
from bot.forge.forgejo.events import read_message as read_forgejo
from bot.forge.pagure.events import read_delivery
from bot.forge.pagure.events import read_message as read_pagure
from bot.forge.values import WebhookRefusedError
from bot.settings.forges import MessageSettings, SecretReference
from bot.settings.values import Settings
from bot.store.deliveries import GroupWriter, add_delivery
from bot.store.store import Store, now, open_store
from bot.web.messages import Messages
from tests.fuzz.seeds import PAGURE
from tests.web.rabbitmq import rabbitmq

pytestmark = pytest.mark.xdist_group("rabbitmq")
_PREFIX = "org.fedoraproject.prod.pagure"
NEW = f"{_PREFIX}.pull-request.new"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with rabbitmq() as made:
        yield made


def settings_of(tmp_path: Path, url: str, **more: Any) -> MessageSettings:
    secret = tmp_path / "url"
    secret.write_text(url)
    fields = {"queue": f"queue of {tmp_path.name}", "topics": [f"{_PREFIX}.#"], **more}
    return MessageSettings(url=SecretReference(file=str(secret)), **fields)


@asynccontextmanager
async def taking(settings: MessageSettings, store: Store, writer: Any = None) -> AsyncIterator[Any]:
    """Messages that are taken meanwhile, with the bot's own writer unless another is given."""
    own = GroupWriter(store)
    tasks = [
        asyncio.create_task(own.run()),
        asyncio.create_task(Messages("it", settings, read_pagure, writer or own).run()),
    ]
    try:
        yield own
    finally:
        for task in reversed(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def broker(url: str) -> AsyncIterator[Any]:
    connection = await aio_pika.connect(url)
    async with connection:
        yield await connection.channel()


async def publish(
    channel: Any, settings: MessageSettings, *messages: tuple[str, str, bytes]
) -> Any:
    """Publish (topic, id, body) once the bot takes from the queue; the queue.

    Nothing is bound here: RabbitMQ 4.0 may confirm the second of two bindings that are made alike
    at one moment before it routes by the first, and what is published then is nowhere.
    """
    async with asyncio.timeout(60):
        while True:
            queue = await channel.declare_queue(settings.queue, durable=True)
            if queue.declaration_result.consumer_count:
                break
            await asyncio.sleep(0.01)
    exchange = await channel.get_exchange("amq.topic")
    for topic, identity, body in messages:
        await exchange.publish(aio_pika.Message(body, message_id=identity), routing_key=topic)
    return queue


async def until_empty(channel: Any, queue: Any) -> None:
    """Wait until all messages were taken and acknowledged or refused."""
    async with asyncio.timeout(60):
        while True:
            declared = await channel.declare_queue(queue.name, passive=True)
            if declared.declaration_result.message_count == 0:
                return
            await asyncio.sleep(0.05)


def stored(store: Store) -> list[tuple[str, str]]:
    rows = store.rows("select event, delivery from deliveries order by id")
    return [(row["event"], row["delivery"]) for row in rows]


async def until_stored(store: Store, count: int) -> list[tuple[str, str]]:
    async with asyncio.timeout(60):
        while len(stored(store)) < count:
            await asyncio.sleep(0.05)
    return stored(store)


async def test_a_message_and_a_webhook_about_one_object_are_one_delivery(
    url: str, tmp_path: Path
) -> None:
    store, settings = open_store(tmp_path), settings_of(tmp_path, url)
    comment = f"{_PREFIX}.pull-request.comment.added"
    async with broker(url) as channel, taking(settings, store) as writer:
        messages = [(NEW, "1", PAGURE), (NEW, "2", PAGURE), (comment, "3", PAGURE)]
        queue = await publish(channel, settings, *messages)
        wanted = [("pull-request.new", "1"), ("pull-request.comment.added", "3")]
        assert await until_stored(store, 2) == wanted
        topic = "pull-request.comment.added"
        webhook = {"topic": topic, "msg_id": "2026-4", "msg": json.loads(PAGURE)}
        new = read_delivery("it", {"x-pagure-topic": topic}, json.dumps(webhook).encode())
        assert (await writer.write(lambda db: add_delivery(db, new, now()))).repeat
        await until_empty(channel, queue)
    store.close()


async def test_what_is_no_message_of_the_forge_is_refused_and_stops_nothing(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store, settings = open_store(tmp_path), settings_of(tmp_path, url)
    bad = [b"", b"[]", b"{", b"\xff", b'{"pullrequest": 1}', b"1}, {", b'{"a": "' + b"x" * 2**20]
    async with broker(url) as channel, taking(settings, store):
        many = [(NEW, f"bad {number}", body) for number, body in enumerate(bad)]
        await publish(channel, settings, *many, (NEW, "good", PAGURE))
        assert await until_stored(store, 1) == [("pull-request.new", "good")]
    assert caplog.text.count("is refused") == len(bad)
    store.close()
    for topic, identity in ((NEW, ""), ("", "1"), ("x" * 201, "1")):
        with pytest.raises(WebhookRefusedError):
            message_of(topic, identity, PAGURE)


class Full:
    """A writer whose disk is full."""

    tried = 0

    async def write(self, change: object) -> None:
        self.tried += 1
        raise SurroundingsError("The disk is full.")


async def test_a_message_that_was_not_stored_is_not_acknowledged(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.web.messages._PAUSE", 0.05)
    store, settings, full = open_store(tmp_path), settings_of(tmp_path, url), Full()
    async with broker(url) as channel:
        async with taking(settings, store, full):
            await publish(channel, settings, (NEW, "1", PAGURE))
            async with asyncio.timeout(60):
                while full.tried < 2:
                    await asyncio.sleep(0.05)
        assert stored(store) == []
        # The next process finds it.
        async with taking(settings, store):
            assert await until_stored(store, 1) == [("pull-request.new", "1")]
    store.close()


async def test_a_broker_that_is_away_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bot.web.messages._PAUSE", 0.05)
    store = open_store(tmp_path)
    async with taking(settings_of(tmp_path, "amqp://127.0.0.1:9/"), store):
        async with asyncio.timeout(60):
            while caplog.text.count("again in") < 2:
                await asyncio.sleep(0.05)
    store.close()


async def test_a_webhook_of_forgejo_that_was_passed_on(tmp_path: Path) -> None:
    async with LocalForge(tmp_path / "forge") as local:
        local.forgejo.add_hook("http://127.0.0.1:9/", "s3cret")
        repository = local.add_repository("rpms/nginx")
        repository.git.commit("main", {"nginx.spec": "Name: nginx\n"}, "Start")
        repository.git.commit("topic", {"nginx.spec": "Name: n\n"}, "Go", start="main")
        await local.open_pull(repository, "topic", user="ann", title="t")
        sent = local.deliveries[-1]
    passed_on = {"body": json.loads(sent.body), "headers": sent.headers, "agent": "ann"}
    topic = "org.fedoraproject.prod.forgejo.pull_request"
    content = json.dumps(passed_on).encode()
    delivery = read_forgejo("it", message_of(topic, "of the broker", content))
    assert (delivery.event, delivery.delivery) == ("pull_request", sent.id)
    assert delivery.object is not None
    for wrong, body in ((f"{_PREFIX}.git.receive", content), (topic, PAGURE)):
        with pytest.raises(WebhookRefusedError):
            read_forgejo("it", message_of(wrong, "1", body))


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"type": "pagure", "webhook_secrets": []}, "there are no messages"),
        ({"type": "gitea", "webhook_secrets": []}, "messages are not gitea's"),
    ],
)
def test_settings_name_a_source_of_events(fields: dict[str, Any], problem: str) -> None:
    messages = {"url": {"env": "U"}, "queue": "q", "topics": ["#"]}
    whole = {"token": {"env": "T"}, "api_url": "https://f.example", **fields}
    if fields["type"] == "pagure":
        settings = Settings.model_validate({"forges": {"it": {**whole, "messages": messages}}})
        assert settings.forges["it"].webhook_secrets == ()
    else:
        whole["messages"] = messages
    with pytest.raises(ValueError, match=problem):
        Settings.model_validate({"forges": {"it": whole}})
