"""Messages on a broker, as fedora-messaging has them: a topic, an id and a JSON object.

https://fedora-messaging.readthedocs.io/en/stable/user-guide/messages.html. A type of forge that
announces there has `read_message` in its module `events`, which makes a delivery of one. Who may
publish under a topic is the broker's to see to: a message has no signature.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from bot import limits
from bot.forge.values import WebhookRefusedError
from bot.store.records import NewDelivery

_Name = Annotated[str, Field(min_length=1, max_length=limits.WEBHOOK_NAME)]


class Message(BaseModel):
    """A message as it came from the broker."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    topic: _Name
    id: _Name
    body: dict[str, JsonValue]

    def topic_after(self, word: str) -> str:
        """The part of the topic behind the application's `word`; WebhookRefusedError 400 where the
        message is another's."""
        _, found, rest = self.topic.partition(f".{word}.")
        if not found:
            raise WebhookRefusedError(400, f"The topic {self.topic} is not that of {word}.")
        return rest


# Makes a delivery to the forge of this name in the settings; WebhookRefusedError where it is none.
ReadMessage = Callable[[str, Message], NewDelivery]


class _Body(BaseModel):
    body: dict[str, JsonValue]


def message_of(topic: str, identity: str, content: bytes) -> Message:
    """The message of these bytes; WebhookRefusedError 413 or 400 where they are too many or none.

    One that is too large is left to what finds missed events.
    """
    if len(content) > limits.WEBHOOK_WHOLE:
        raise WebhookRefusedError(413, f"More than {limits.WEBHOOK_WHOLE} bytes.")
    try:
        whole = _Body.model_validate_json(b'{"body":%b}' % content)
        return Message(topic=topic, id=identity, body=whole.body)
    except ValidationError as error:
        raise WebhookRefusedError(
            400, f"The message is none: {error.error_count()} errors."
        ) from error
