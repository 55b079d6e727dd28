"""What every forge's webhook has in common once the sender is known: it can be kept, or is 400."""

from __future__ import annotations

from bot.forge.values import WebhookRefusedError
from bot.store.deliveries import NewDelivery

# What reading a body raises that lacks something, or has another thing in its place.
MISSHAPEN = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


def new_delivery(
    forge: str, event: str, delivery: str, body: bytes, carried: str | None
) -> NewDelivery:
    """The delivery; WebhookRefusedError 400 where what names it is no text, which nothing keeps."""
    try:
        "".join((event, delivery, carried or "")).encode()
    except UnicodeEncodeError as error:
        raise WebhookRefusedError(
            400, "What names the delivery or its object is no text."
        ) from error
    return NewDelivery(forge, event, delivery, body, carried)
