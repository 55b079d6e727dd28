"""The bodies of deliveries, verified while they are received and truncated if large; and messages.

Messages come from a broker, in fedora-messaging's form: a topic, an id and a JSON object,
https://fedora-messaging.readthedocs.io/en/stable/user-guide/messages.html. A type of forge that
publishes messages has a function `read_message` in its module `events`, which makes deliveries of
them. Messages have no signature: the broker controls who may publish.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Callable, Sequence
from typing import Annotated, Protocol
from urllib.parse import parse_qs

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from bot import limits
from bot.forge.values import WebhookRefusedError
from bot.limited.forker import UnreadableError
from bot.store.records import NewDelivery


class Verification(Protocol):
    """The check of a delivery's signature, begun with its headers, fed with parts of its body."""

    def update(self, part: bytes) -> None:
        """Take the next part of the body."""
        ...

    def finish(self) -> None:
        """Raise WebhookRefusedError 401 if the body is not signed with one of the secrets."""
        ...


class NoBodyNeeded:
    """The check of a delivery whose headers alone have proved it."""

    def update(self, part: bytes) -> None:
        """Take the next part of the body."""

    def finish(self) -> None:
        """Raise nothing."""


class BodySignature:
    """The HMAC-SHA256 of a body under each of several keys.

    `fits` returns whether one of the digests is the signature's, in constant time. `prefix` is
    signed before the body.
    """

    def __init__(
        self,
        keys: Sequence[bytes],
        fits: Callable[[Sequence[bytes]], bool],
        refusal: str,
        prefix: bytes = b"",
    ) -> None:
        self._digests = [hmac.new(key, prefix, hashlib.sha256) for key in keys]
        self._fits = fits
        self._refusal = refusal

    def update(self, part: bytes) -> None:
        """Take the next part of the body."""
        for digest in self._digests:
            digest.update(part)

    def finish(self) -> None:
        """Raise WebhookRefusedError 401 if no key fits."""
        if not self._fits([digest.digest() for digest in self._digests]):
            raise WebhookRefusedError(401, self._refusal)


def hex_signature(secrets: Sequence[str], hexadecimal: str) -> BodySignature:
    """The check of a body by the digest `hexadecimal` in hexadecimal, under any of the secrets.

    WebhookRefusedError 401 if it is no ASCII text.
    """
    refusal = "The signature fits none of the webhook's secrets."
    if not hexadecimal.isascii():
        raise WebhookRefusedError(401, refusal)

    def fits(digests: Sequence[bytes]) -> bool:
        # All secrets are tried, so that the time does not reveal which one fits.
        return any([hmac.compare_digest(digest.hex(), hexadecimal) for digest in digests])  # noqa: C419

    return BodySignature([secret.encode() for secret in secrets], fits, refusal)


def reduced(form: bool, descriptor: int) -> bytes:
    """The JSON object in an open file, with long lists and texts truncated.

    `form`: it is the field `payload` of a form. UnreadableError if it is no such object. Called in
    a process of its own: decoding takes many times the memory of the body.
    """
    with open(descriptor, "rb", closefd=False) as stream:
        os.lseek(descriptor, 0, os.SEEK_SET)
        body = stream.read()
    try:
        if form:
            body = parse_qs(body, strict_parsing=True)[b"payload"][0]
        data = json.loads(body)
    except (LookupError, ValueError, RecursionError) as error:
        raise UnreadableError("The body is not of its content type.") from error
    if not isinstance(data, dict):
        raise UnreadableError("The body is no JSON object.")
    return json.dumps(_truncate(data), separators=(",", ":")).encode()


def _truncate(value: object) -> object:
    if isinstance(value, str):
        return value[: limits.WEBHOOK_TEXT]
    if isinstance(value, list):
        return [_truncate(item) for item in value[: limits.WEBHOOK_ITEMS]]
    if isinstance(value, dict):
        return {key: _truncate(item) for key, item in value.items()}
    return value


_Name = Annotated[str, Field(min_length=1, max_length=limits.WEBHOOK_NAME)]


class Message(BaseModel):
    """A message of the broker."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    topic: _Name
    id: _Name
    body: dict[str, JsonValue]

    def topic_after(self, word: str) -> str:
        """The part of the topic after the application's name `word`; WebhookRefusedError 400 if the
        topic is another application's."""
        _, separator, rest = self.topic.partition(f".{word}.")
        if not separator:
            raise WebhookRefusedError(400, f"The topic {self.topic} is not that of {word}.")
        return rest


# Function that makes a delivery to the forge of this name; WebhookRefusedError if it is none.
ReadMessage = Callable[[str, Message], NewDelivery]


class _Body(BaseModel):
    body: dict[str, JsonValue]


def message_of(topic: str, identity: str, content: bytes) -> Message:
    """The message in these bytes; WebhookRefusedError 413 if they are too many, 400 if invalid.

    Events of too large messages are found by resynchronisation.
    """
    if len(content) > limits.WEBHOOK_WHOLE:
        raise WebhookRefusedError(413, f"More than {limits.WEBHOOK_WHOLE} bytes.")
    try:
        parsed = _Body.model_validate_json(b'{"body":%b}' % content)
        return Message(topic=topic, id=identity, body=parsed.body)
    except ValidationError as error:
        raise WebhookRefusedError(
            400, f"The message is invalid: {error.error_count()} errors."
        ) from error
