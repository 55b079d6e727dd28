"""Signatures of GitHub's deliveries: verified, and made for fakes.

https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries. Making one shares
nothing with verifying it, so that a mistake in either shows.
"""

from __future__ import annotations

import hashlib
import hmac
import uuid
from collections.abc import Mapping, Sequence

import gidgethub
from gidgethub import sansio

from bot.forge.values import WebhookRefusedError


def verify(secrets: Sequence[str], headers: Mapping[str, str], body: bytes) -> None:
    """WebhookRefusedError 401 where none of the secrets signed the body."""
    signature = headers.get("x-hub-signature-256")
    if signature is None:
        raise WebhookRefusedError(401, "The header X-Hub-Signature-256 is missing.")
    # All secrets are tried, whichever fits: the time taken says nothing.
    if not any([_is_signed(body, signature, secret) for secret in secrets]):  # noqa: C419
        raise WebhookRefusedError(401, "The signature fits none of the webhook's secrets.")


def _is_signed(body: bytes, signature: str, secret: str) -> bool:
    if not signature.startswith("sha256=") or not signature.isascii():
        return False
    try:
        sansio.validate_event(body, signature=signature, secret=secret)
    except gidgethub.ValidationFailure:
        return False
    return True


def signed_headers(
    event: str, body: bytes, secret: str, *, delivery: str | None = None
) -> dict[str, str]:
    """The headers of a delivery of `body`, signed with HMAC-SHA256.

    As in https://docs.github.com/en/webhooks/webhook-events-and-payloads#delivery-headers;
    `delivery` is its id, made up where it is None.
    """
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {
        "Accept": "*/*",
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/minimize",
        "X-GitHub-Delivery": delivery or str(uuid.uuid4()),
        "X-GitHub-Event": event,
        "X-Hub-Signature-256": f"sha256={digest}",
    }
