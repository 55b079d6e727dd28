"""Signed fake webhook deliveries: what GitHub and GitLab send, from a payload in a file.

Knows nothing of the bot's own verification, so that a mistake there cannot hide here.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import sys
import time
import uuid
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Literal, TextIO

from bot.errors import SurroundingsError, UsageError

ForgeName = Literal["github", "gitlab"]
SIGNING_PREFIX = "whsec_"
TIMEOUT_SECONDS = 30.0
_LATER = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)

GITLAB_EVENTS = {
    "merge_request": "Merge Request Hook",
    "note": "Note Hook",
    "push": "Push Hook",
    "pipeline": "Pipeline Hook",
    "emoji": "Emoji Hook",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """The receiver's response."""

    status: int
    body: str

    @property
    def accepted(self) -> bool:
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


def github_headers(
    event: str, body: bytes, secret: str, *, delivery: str | None = None
) -> dict[str, str]:
    """The headers of a GitHub delivery of `body`, signed with HMAC-SHA256.

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


def gitlab_headers(
    event: str,
    body: bytes,
    secret: str,
    *,
    delivery: str | None = None,
    at: float | None = None,
) -> dict[str, str]:
    """The headers of a GitLab delivery of `body`.

    A secret `whsec_...` is a signing token (its base64 part is the key of an HMAC-SHA256 over
    id, time and body, the Standard Webhooks way); any other is sent as `X-Gitlab-Token`. `event`
    is GitLab's own name (`Merge Request Hook`) or its short one (`merge_request`); `at` is in
    seconds since 1970, now where it is None.
    """
    identity = delivery or str(uuid.uuid4())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "GitLab/minimize",
        "Idempotency-Key": identity,
        "X-Gitlab-Event": GITLAB_EVENTS.get(event, event),
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


def read_payload(path: Path) -> bytes:
    """A payload file's bytes as they are; UsageError where it cannot be read or is no JSON."""
    try:
        body = path.read_bytes()
    except OSError as error:
        raise UsageError(f"The payload {path} cannot be read: {error.strerror}.") from None
    try:
        json.loads(body)
    except ValueError as error:
        raise UsageError(f"The payload {path} is not JSON: {error}.") from None
    return body


def post_delivery(
    url: str,
    secret: str,
    event: str,
    body: bytes,
    *,
    forge: ForgeName = "github",
    delivery: str | None = None,
    timeout: float = TIMEOUT_SECONDS,
) -> Reply:
    """Sends one signed delivery and gives the answer, whatever its status.

    Raises SurroundingsError where nobody answers, UsageError where `url` is none.
    """
    import urllib3

    make = github_headers if forge == "github" else gitlab_headers
    headers = make(event, body, secret, delivery=delivery)
    if urllib3.util.parse_url(url).scheme not in ("http", "https"):
        raise UsageError(f"{url} is not an http or https address.")
    with urllib3.PoolManager() as pool:
        try:
            answer = pool.request(
                "POST", url, body=body, headers=headers,
                timeout=timeout, retries=False, redirect=False,
            )  # fmt: skip
        except urllib3.exceptions.LocationValueError:
            raise UsageError(f"{url} is not an http or https address.") from None
        except urllib3.exceptions.HTTPError as error:
            raise SurroundingsError(
                f"{url} did not answer: {error}.", "Is the bot running, and is the address right?"
            ) from None
        return Reply(answer.status, answer.data.decode(errors="replace"))


def send_webhook(
    url: str,
    secret: str,
    event: str,
    payload: Path,
    forge: ForgeName = "github",
    *,
    out: TextIO | None = None,
) -> int:
    """Send a payload file as `minimize webhook send`, and print status and answer.

    The exit code: 0 if the delivery was taken (2xx), 2 if it was refused (the secret, the payload
    or the address is wrong), 1 if another try may help (5xx, too many requests). Raises UsageError
    for a wrong payload or address, SurroundingsError where nobody answers.
    """
    reply = post_delivery(url, secret, event, read_payload(payload), forge=forge)
    print(reply.status, reply.body.rstrip(), file=out or sys.stdout)
    if reply.accepted:
        return 0
    again = reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR or reply.status in _LATER
    return SurroundingsError.exit_code if again else UsageError.exit_code
