"""Pagure's webhooks: verifying and making signatures, and the questions of `minimize setup`: a
token, and a project's webhook key.

https://docs.pagure.org/pagure/usage/using_webhooks.html: HMAC-SHA256 of the body in hexadecimal,
under the project's own key. Making a signature shares no code with verifying it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence

from bot.forge.bodies import BodySignature, Verification
from bot.forge.values import WebhookRefusedError
from bot.settings.writing import ForgeAnswers, Operator, ServerAddress

_HEADER = "x-pagure-signature-256"


def begin(keys: Sequence[str], headers: Mapping[str, str]) -> Verification:
    """The check of a delivery's body; WebhookRefusedError 401 if there is no signature."""
    signature = headers.get(_HEADER, "")
    if not signature:
        raise WebhookRefusedError(401, "The header X-Pagure-Signature-256 is missing.")
    refusal = "The signature fits none of the projects' webhook keys."
    expected = signature.encode(errors="replace")

    def fits(digests: Sequence[bytes]) -> bool:
        matches = [hmac.compare_digest(digest.hex().encode(), expected) for digest in digests]
        return any(matches)

    return BodySignature([key.encode() for key in keys], fits, refusal)


def signed_headers(
    event: str, body: bytes, secret: str, *, delivery: str | None = None
) -> dict[str, str]:
    """The headers of a delivery of `body`, as Pagure sends them; `event` is its topic.

    `delivery` is ignored: Pagure's ids are in the body.
    """
    del delivery
    key = secret.encode()
    return {
        "Content-Type": "application/json",
        "X-Pagure": "https://pagure.example.org/",
        "X-Pagure-project": "",
        "X-Pagure-Signature": hmac.new(key, body, hashlib.sha1).hexdigest(),
        "X-Pagure-Signature-256": hmac.new(key, body, hashlib.sha256).hexdigest(),
        "X-Pagure-Topic": event,
    }


TEST_EVENT = "Test.notification"


def ask_forge(operator: Operator, kind: str, api_url: str, server: ServerAddress) -> ForgeAnswers:
    """The answers about the Pagure at `api_url`, which makes a webhook key for each project."""
    token = operator.prompt("Token (ACLs commit_flag and pull_request_comment)", secret=True)
    operator.show(
        "In the project's settings, under Web-hooks, let Pagure create the private web-hook key and"
        f" add the URL {server.public_url}/webhook/{kind}."
    )
    key = operator.prompt("The project's private web-hook key", secret=True)
    return ForgeAnswers(kind, api_url, token, key)
