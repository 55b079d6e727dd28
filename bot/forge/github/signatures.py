"""Signatures of GitHub's deliveries: verified, and made for fakes.

https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries. Making one shares
nothing with verifying it, so that a mistake in either shows.
"""

from __future__ import annotations

import hashlib
import hmac
import uuid
from collections.abc import Mapping, Sequence

from bot.forge.bodies import Verification, hex_signature
from bot.forge.values import WebhookRefusedError


def begin(secrets: Sequence[str], headers: Mapping[str, str]) -> Verification:
    """The check of a delivery's body; WebhookRefusedError 401 where no signature came."""
    signature = headers.get("x-hub-signature-256")
    if signature is None:
        raise WebhookRefusedError(401, "The header X-Hub-Signature-256 is missing.")
    kind, _, given = signature.partition("=")
    if kind != "sha256":
        raise WebhookRefusedError(401, "The header X-Hub-Signature-256 has no SHA-256.")
    return hex_signature(secrets, given)


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
