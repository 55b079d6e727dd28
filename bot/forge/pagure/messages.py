"""Pagure's messages: a topic such as `org.fedoraproject.prod.pagure.pull-request.new`, and what a
webhook under that topic has as its `msg`."""

from __future__ import annotations

from bot.forge.messages import Message
from bot.forge.pagure.events import announced
from bot.store.records import NewDelivery


def read_message(forge: str, message: Message) -> NewDelivery:
    """The delivery of a message; a webhook about the same object is a repeat of it."""
    return announced(forge, message.topic_after("pagure"), message.id, message.body)
