"""Forgejo's messages: webhooks that were passed on, with their headers.

https://docs.fedoraproject.org/sw/forge-documentation/webhook_to_fedora_messaging/: a topic such as
`org.fedoraproject.prod.forgejo.pull_request`. Fedora's forge announces so.
"""

from __future__ import annotations

import json

from pydantic import BaseModel, JsonValue, ValidationError

from bot.forge.forgejo.events import read_delivery
from bot.forge.messages import Message
from bot.forge.values import WebhookRefusedError
from bot.store.records import NewDelivery


class _PassedOn(BaseModel):
    """A webhook as the gateway has it."""

    body: dict[str, JsonValue]
    headers: dict[str, str]


def read_message(forge: str, message: Message) -> NewDelivery:
    """The delivery of a message: that of the webhook, with its id and its object."""
    message.topic_after("forgejo")
    try:
        webhook = _PassedOn.model_validate(message.body)
    except ValidationError as error:
        raise WebhookRefusedError(400, "The message is no webhook that was passed on.") from error
    headers = {name.lower(): value for name, value in webhook.headers.items()}
    return read_delivery(forge, headers, json.dumps(webhook.body).encode())
