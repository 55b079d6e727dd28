"""GitLab's webhooks: secrets, signatures, the questions of `minimize setup`, and failed deliveries.

Signing tokens follow Standard Webhooks,
https://docs.gitlab.com/user/project/integrations/webhooks/. Making a signature shares no code with
verifying it, so that tests find a mistake in either. The list of a project hook's deliveries is for
maintainers, https://docs.gitlab.com/api/project_webhooks/ (events of seven days; at most five are
resent per minute).

Events of older releases have no `created_at`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

import gitlab
from gitlab.exceptions import GitlabError
from typing_extensions import TypedDict

from bot.errors import UsageError
from bot.forge.bodies import BodySignature, NoBodyNeeded, Verification
from bot.forge.gitlab.events import delivery_id
from bot.forge.values import FailedDelivery, WebhookRefusedError
from bot.settings.writing import ForgeAnswers, Operator, ServerAddress

SIGNING_PREFIX = "whsec_"
_TOLERANCE = 300.0  # seconds, at most, between a signed delivery's time and now
_HEADERS = {
    "merge_request": "Merge Request Hook",
    "note": "Note Hook",
    "push": "Push Hook",
    "pipeline": "Pipeline Hook",
    "emoji": "Emoji Hook",
}


@dataclass(frozen=True, slots=True)
class HookSecrets:
    """A webhook's secrets by kind: plain tokens, and keys of signing tokens."""

    plain: tuple[bytes, ...] = field(repr=False)
    signing: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def of(cls, secrets: tuple[str, ...]) -> HookSecrets:
        """The secrets by kind (`whsec_...` are signing tokens); UsageError for an invalid one."""
        keys = tuple(_key(s) for s in secrets if s.startswith(SIGNING_PREFIX))
        plain = tuple(s.encode() for s in secrets if not s.startswith(SIGNING_PREFIX))
        return cls(plain, keys)


def _key(secret: str) -> bytes:
    """The key of a signing token; with an empty one anybody could sign."""
    text = secret.removeprefix(SIGNING_PREFIX).rstrip("=")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        key = b""
    if not key:
        raise UsageError(
            "A GitLab signing token is not base64 after `whsec_`.",
            "Copy it again from the webhook's settings.",
        )
    return key


def begin(secrets: HookSecrets, headers: Mapping[str, str], now: float) -> Verification:
    """The check of a delivery's body; WebhookRefusedError 401 if its headers fail already.

    A signature is checked if a signing token is set; else the plain token must fit.
    """
    signature = headers.get("webhook-signature")
    if signature is not None and secrets.signing:
        return _begin_signature(secrets.signing, signature, headers, now)
    token = headers.get("x-gitlab-token")
    if token is None:
        missing = "webhook-signature" if secrets.signing else "X-Gitlab-Token"
        raise WebhookRefusedError(401, f"The header {missing} is missing.")
    content = token.encode("utf-8", "surrogateescape")
    # All secrets are tried, so that the time does not reveal which one fits.
    fits = [hmac.compare_digest(content, secret) for secret in secrets.plain]
    if not any(fits):
        raise WebhookRefusedError(401, "The token fits none of the webhook's secrets.")
    return NoBodyNeeded()


def _begin_signature(
    keys: tuple[bytes, ...], signature: str, headers: Mapping[str, str], now: float
) -> Verification:
    identity, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not identity or not stamp.isascii() or not stamp.isdecimal() or len(stamp) > 12:
        raise WebhookRefusedError(401, "The header webhook-id or webhook-timestamp is missing.")
    if abs(now - int(stamp)) > _TOLERANCE:
        raise WebhookRefusedError(401, "The delivery's time is more than five minutes from now.")
    signatures = [
        part.removeprefix("v1,").encode("utf-8", "surrogateescape")
        for part in signature.split(" ")[:20]
        if part.startswith("v1,")
    ]

    def fits(digests: Sequence[bytes]) -> bool:
        expected = [base64.b64encode(digest) for digest in digests]
        return any([hmac.compare_digest(a, b) for a in signatures for b in expected])  # noqa: C419

    prefix = b".".join((identity.encode("utf-8", "surrogateescape"), stamp.encode(), b""))
    refusal = "The signature fits none of the webhook's signing tokens."
    return BodySignature(keys, fits, refusal, prefix)


def signed_headers(
    event: str,
    body: bytes,
    secret: str,
    *,
    delivery: str | None = None,
    at: float | None = None,
) -> dict[str, str]:
    """The headers of a delivery of `body`.

    A secret `whsec_...` is a signing token (its base64 part is the key of an HMAC-SHA256 over id,
    time and body, as in Standard Webhooks); any other is sent as `X-Gitlab-Token`. `event` is
    GitLab's own name (`Merge Request Hook`) or its short one (`merge_request`); `at` is in seconds
    since 1970, now where it is None.
    """
    identity = delivery or str(uuid.uuid4())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "GitLab/minimize",
        "Idempotency-Key": identity,
        "X-Gitlab-Event": _HEADERS.get(event, event),
        "X-Gitlab-Event-UUID": str(uuid.uuid4()),
        "X-Gitlab-Webhook-UUID": str(uuid.uuid4()),
    }
    if not secret.startswith(SIGNING_PREFIX):
        return {**headers, "X-Gitlab-Token": secret}
    try:
        key = base64.b64decode(secret.removeprefix(SIGNING_PREFIX), validate=True)
    except binascii.Error:
        raise UsageError(
            "The signing token is not base64 after `whsec_`.",
            "Copy it again from the webhook's settings.",
        ) from None
    stamp = str(int(time.time() if at is None else at))
    signed = b".".join((identity.encode(), stamp.encode(), body))
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {
        **headers,
        "webhook-id": identity,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{signature}",
    }


TEST_EVENT = "Push Hook"


def ask_forge(operator: Operator, kind: str, api_url: str, server: ServerAddress) -> ForgeAnswers:
    """The answers about the GitLab at `api_url`.

    The signing token is of the form that GitLab takes: `whsec_` and 32 bytes in base64
    (https://docs.gitlab.com/user/project/integrations/webhooks/).
    """
    token = operator.prompt("Token (scope api)", secret=True)
    secret = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
    operator.show(
        f"Add a webhook: {server.public_url}/webhook/{kind}, with the signing token {secret}"
    )
    return ForgeAnswers(kind, api_url, token, secret)


# Not available (an older GitLab), or for maintainers only.
_NOT_FOR_US = (401, 403, 404)
# The most events to read of a busy hook.
_MOST = 500
# Tries of an event without a time, which is due at each look.
_UNTIMED = 8


class _Event(TypedDict, total=False):
    id: int
    created_at: str | None
    request_headers: dict[str, str] | None
    response_status: str | int


def failed_of_project(
    client: gitlab.Gitlab, project: int, hook: str, since: float
) -> list[FailedDelivery]:
    """The failed deliveries of a project's hooks to the address `hook`; none if not visible."""
    path = f"/projects/{project}/hooks"
    deliveries: list[FailedDelivery] = []
    try:
        for entry in client.http_list(path, iterator=True):
            if str(entry["url"]).rstrip("/") == hook:
                deliveries += _failed(client, f"{path}/{int(entry['id'])}", since)
    except GitlabError as error:
        if error.response_code not in _NOT_FOR_US:
            raise
    return deliveries


def _failed(client: gitlab.Gitlab, path: str, since: float) -> list[FailedDelivery]:
    attempts: dict[str, list[_Event]] = {}
    events = client.http_list(f"{path}/events", iterator=True, per_page=100)
    for number, event in enumerate(cast(Iterator[_Event], events)):  # newest first
        time = _seconds(event)
        if number >= _MOST or (time is not None and time < since):
            break
        headers = {str(k).lower(): str(v) for k, v in (event.get("request_headers") or {}).items()}
        attempts.setdefault(delivery_id(headers, b""), []).append(event)
    return [
        FailedDelivery(
            name, f"{path}/events/{int(tries[0]['id'])}/resend", len(tries), _seconds(tries[0]) or 0
        )
        for name, tries in attempts.items()
        if not any(_is_final(attempt) for attempt in tries)
        and (_seconds(tries[0]) is not None or len(tries) < _UNTIMED)
    ]


def _is_final(event: _Event) -> bool:
    """Return whether a delivery was taken, or refused for a reason that no other try changes."""
    status = str(event.get("response_status"))
    return status.startswith("2") or status in ("400", "404", "413")


def _seconds(event: _Event) -> float | None:
    """The time of a delivery in seconds since 1970; None if this GitLab does not give it."""
    stamp = str(event.get("created_at") or "")
    return datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp() if stamp else None
