"""Webhooks of Forgejo and Gitea: verifying and making signatures; questions of `minimize setup`.

https://forgejo.org/docs/latest/user/webhooks/, https://docs.gitea.com/usage/webhooks: HMAC-SHA256
of the body, in hexadecimal. Both send the headers of Gitea, Forgejo its own beside them. Making a
signature shares no code with verifying it, so that tests find a mistake in either.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from collections.abc import Mapping, Sequence

from bot.forge.bodies import Verification, hex_signature
from bot.forge.values import WebhookRefusedError
from bot.settings.writing import ForgeAnswers, Operator, ServerAddress

_NAMES = ("x-forgejo-signature", "x-gitea-signature")


def header(headers: Mapping[str, str], name: str) -> str:
    """A header by its name without the prefix, such as `event`; empty if there is none."""
    return headers.get(f"x-forgejo-{name}") or headers.get(f"x-gitea-{name}") or ""


def begin(secrets: Sequence[str], headers: Mapping[str, str]) -> Verification:
    """The check of a delivery's body.

    WebhookRefusedError 401 without a signature, 400 for a form, of which only a part is signed.
    """
    signature = header(headers, "signature")
    if not signature:
        raise WebhookRefusedError(
            401, "The header X-Forgejo-Signature or X-Gitea-Signature is missing."
        )
    if headers.get("content-type", "").lower().startswith("application/x-www-form-urlencoded"):
        raise WebhookRefusedError(
            400, "The body is a form; the webhook's content type must be application/json."
        )
    return hex_signature(secrets, signature)


def signed_headers(
    event: str, body: bytes, secret: str, *, delivery: str | None = None
) -> dict[str, str]:
    """The headers of a delivery of `body`, signed with HMAC-SHA256, as Forgejo sends them.

    `delivery` is its id, made up where it is None.
    """
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    identity = delivery or str(uuid.uuid4())
    values = {"Delivery": identity, "Event": event, "Event-Type": event, "Signature": digest}
    return {
        "Content-Type": "application/json",
        "User-Agent": "Go-http-client/1.1",
        **{
            f"X-{forge}-{name}": text
            for forge in ("Forgejo", "Gitea")
            for name, text in values.items()
        },
        "X-GitHub-Delivery": identity,
        "X-GitHub-Event": event,
        "X-Hub-Signature-256": f"sha256={digest}",
    }


TEST_EVENT = "ping"


def ask_forge(operator: Operator, kind: str, api_url: str, server: ServerAddress) -> ForgeAnswers:
    """The answers about the Forgejo or Gitea at `api_url`."""
    token = operator.prompt(
        "Token (scopes write:issue, write:repository, read:user, read:organization)", secret=True
    )
    secret = secrets.token_hex(32)
    operator.show(
        f"Add a webhook of the type {kind.capitalize()}: {server.public_url}/webhook/{kind},"
        f" content type application/json, with the secret {secret} and the events push, pull"
        " request, pull request synchronized, pull request comment."
    )
    return ForgeAnswers(kind, api_url, token, secret)
