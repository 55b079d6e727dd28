"""Signed fake webhook deliveries, as a forge sends them, from a payload in a file."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from bot.errors import SurroundingsError, UsageError
from bot.forge.protocol import forge_module
from bot.outbound.authorities import tls_context
from bot.outbound.proxies import proxy_for
from bot.settings.forges import FORGE_TYPES

if TYPE_CHECKING:
    import urllib3

TIMEOUT_SECONDS = 30.0
_LATER = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)


@dataclass(frozen=True, slots=True)
class Reply:
    """The receiver's response."""

    status: int
    body: str

    @property
    def accepted(self) -> bool:
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


def read_payload(path: Path) -> bytes:
    """A payload file's bytes; UsageError if it cannot be read or is no JSON."""
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
    forge: str = "github",
    delivery: str | None = None,
    timeout: float = TIMEOUT_SECONDS,
) -> Reply:
    """Send one signed delivery and return the answer, whatever its status.

    `forge` is a type of forge. Raises SurroundingsError if there is no answer, UsageError if `url`
    is invalid or there is no such type.
    """
    import urllib3

    if forge not in FORGE_TYPES:
        raise UsageError(
            f"There is no type of forge {forge}.", f"Types are {', '.join(FORGE_TYPES)}."
        )
    signed_headers = forge_module(forge, "webhooks").signed_headers
    headers = signed_headers(event, body, secret, delivery=delivery)
    if urllib3.util.parse_url(url).scheme not in ("http", "https"):
        raise UsageError(f"{url} is not an http or https address.")
    with _pool(url) as pool:
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


def _pool(url: str) -> urllib3.PoolManager:
    import urllib3

    context, proxy = tls_context(), proxy_for(url)
    if proxy is None:
        return urllib3.PoolManager(ssl_context=context)
    return urllib3.ProxyManager(
        proxy.address,
        proxy_headers=proxy.headers,
        proxy_ssl_context=context,
        ssl_context=context,
    )


def send_webhook(
    url: str,
    secret: str,
    event: str,
    payload: Path,
    forge: str = "github",
    *,
    out: TextIO | None = None,
) -> int:
    """Send a payload file as `minimize webhook send`, and print status and answer.

    The exit code: 0 if the delivery was taken (2xx), 2 if it was refused (the secret, the payload
    or the address is wrong), 1 if another try may help (5xx, too many requests). Raises UsageError
    for a wrong payload or address, SurroundingsError if there is no answer.
    """
    reply = post_delivery(url, secret, event, read_payload(payload), forge=forge)
    print(reply.status, reply.body.rstrip(), file=out or sys.stdout)
    if reply.accepted:
        return 0
    is_temporary = reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR or reply.status in _LATER
    return SurroundingsError.exit_code if is_temporary else UsageError.exit_code
