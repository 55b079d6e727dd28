"""Messages of a broker as a source of deliveries, beside webhooks.

aio-pika (Apache 2.0) was chosen in November 2026: it uses asyncio like the server, so that a
message is acknowledged once its delivery is on disk. fedora-messaging is well maintained, but GPL
and on Twisted, whose loop would run in a thread; its additional features are for publishers. pika
blocks.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import sys
from functools import partial
from typing import TYPE_CHECKING

from bot.errors import SurroundingsError, UsageError
from bot.forge.bodies import ReadMessage, message_of
from bot.forge.values import WebhookRefusedError
from bot.outbound.authorities import new_tls_context
from bot.settings.forges import MessageSettings
from bot.store.deliveries import GroupWriter, add_delivery
from bot.store.store import now

if TYPE_CHECKING:
    from aio_pika.abc import AbstractIncomingMessage

LOG = logging.getLogger(__name__)
_EXCHANGE = (
    "amq.topic"  # https://fedora-messaging.readthedocs.io/en/stable/tutorial/introduction.html
)
_AT_ONCE = 20  # messages that the broker sends before earlier ones are acknowledged
_CONNECT_SECONDS = 30.0
_PAUSE = 5.0  # seconds before connecting again


class Messages:
    """The messages for one forge; `run` receives them, without end."""

    def __init__(
        self, forge: str, settings: MessageSettings, read: ReadMessage, writer: GroupWriter
    ) -> None:
        """Raise UsageError if the library is not installed, or the address is missing."""
        try:
            import aio_pika  # noqa: F401 - of an extra
        except ImportError as error:
            raise UsageError(
                f"The forge {forge} has messages in the settings, and aio-pika is not installed.",
                f"Install it: {sys.executable} -m pip install 'minimize[messages]'",
            ) from error
        self._forge = forge
        self._settings = settings
        self._url = settings.url.value()
        self._read = read
        self._writer = writer

    async def run(self) -> None:
        """Receive messages; if the broker is unreachable, retry."""
        from aio_pika.exceptions import AMQPError

        while True:
            try:
                await self._take_all()
            except (AMQPError, OSError, TimeoutError) as error:
                LOG.warning("the messages of %s: %r, again in %.0f s", self._forge, error, _PAUSE)
            await asyncio.sleep(_PAUSE)

    async def _take_all(self) -> None:
        import aio_pika

        settings = self._settings
        secure = self._url.startswith("amqps:")
        context = _tls_context(settings) if secure else None
        connection = await aio_pika.connect(
            self._url, ssl=secure, ssl_context=context, timeout=_CONNECT_SECONDS
        )
        async with connection:
            channel = await connection.channel()
            await channel.set_qos(prefetch_count=_AT_ONCE)
            queue = await channel.declare_queue(
                settings.queue, durable=settings.durable, auto_delete=not settings.durable
            )
            for topic in settings.topics:
                await queue.bind(_EXCHANGE, routing_key=topic)
            LOG.info("taking the messages of %s from the queue %s", self._forge, queue.name)
            async with queue.iterator() as messages:
                async for message in messages:
                    await self._take(message)

    async def _take(self, message: AbstractIncomingMessage) -> None:
        """Store one message, then acknowledge it; reject what cannot be a message of the forge.

        One that cannot be stored now goes back to the queue.
        """
        topic, identity = message.routing_key or "", message.message_id or ""
        try:
            new = self._read(self._forge, message_of(topic, identity, message.body))
        except WebhookRefusedError as error:
            LOG.warning("a message of %s is refused: %s %s", self._forge, topic, error)
            await message.reject()
            return
        try:
            await self._writer.write(partial(add_delivery, new=new, received=now()))
        except SurroundingsError:
            # The error is in the log.
            await asyncio.sleep(_PAUSE)
            await message.nack()
            return
        await message.ack()


def _tls_context(settings: MessageSettings) -> ssl.SSLContext:
    """The TLS context: trusted authorities (those of `ca_file` alone, else the default ones), and
    our certificate."""
    if settings.ca_file is None:
        context = new_tls_context()
    else:
        context = ssl.create_default_context(cafile=settings.ca_file)
    if settings.certificate is not None:
        context.load_cert_chain(settings.certificate, settings.key)
    return context
