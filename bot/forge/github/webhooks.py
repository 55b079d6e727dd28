"""GitHub's webhooks: verifying and making signatures, and the questions of `minimize setup` for a
new App, an existing App, or a token.

https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries. Making a signature
shares no code with verifying it, so that tests find a mistake in either.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from bot.errors import UsageError
from bot.forge.bodies import Verification, hex_signature
from bot.forge.values import WebhookRefusedError
from bot.settings.writing import ForgeAnswers, Operator, ServerAddress


def begin(secrets: Sequence[str], headers: Mapping[str, str]) -> Verification:
    """The check of a delivery's body; WebhookRefusedError 401 if there is no signature."""
    signature = headers.get("x-hub-signature-256")
    if signature is None:
        raise WebhookRefusedError(401, "The header X-Hub-Signature-256 is missing.")
    kind, _, hexadecimal = signature.partition("=")
    if kind != "sha256":
        raise WebhookRefusedError(401, "The header X-Hub-Signature-256 has no SHA-256.")
    return hex_signature(secrets, hexadecimal)


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


DEFAULT_URL = "https://api.github.com"
TEST_EVENT = "ping"


def ask_forge(operator: Operator, kind: str, api_url: str, server: ServerAddress) -> ForgeAnswers:
    """The answers about the GitHub at `api_url`."""
    how = operator.prompt(
        "A new App, an existing App, or a token", default="new", choices=("new", "app", "token")
    )
    if how == "new":
        return _new_app(operator, kind, api_url, server)
    if how == "token":
        token = operator.prompt("Token", secret=True)
        return ForgeAnswers(kind, api_url, token, secrets.token_hex(32))
    number = operator.prompt("The App's ID")
    if not number.isascii() or not number.isdigit():
        raise UsageError(
            f"{number} is no App's ID.", "GitHub shows it on the App's page: a number."
        )
    path = Path(operator.prompt("The file of its private key"))
    try:
        key = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The private key {path} cannot be read: {error}.") from error
    secret = operator.prompt("Its webhook secret", secret=True)
    return ForgeAnswers(kind, api_url, key, secret, int(number))


def _new_app(operator: Operator, kind: str, api_url: str, server: ServerAddress) -> ForgeAnswers:
    # Imported here, as only the registration of an App needs its server and client.
    from bot.forge.github.manifest import Registration, register_app

    web_url = "https://github.com" if api_url == DEFAULT_URL else api_url.removesuffix("/api/v3")
    organisation = operator.prompt("Organisation (empty: your own account)", default="")
    registration = Registration(server.public_url, web_url, api_url, organisation)

    def announce(url: str) -> None:
        operator.show(f"Open {url} in a browser that is signed in to GitHub and press the button.")
        operator.show(
            f"The proxy must lead {server.public_url} to {server.host}, port {server.port}."
            " Waiting for GitHub ..."
        )

    app = asyncio.run(register_app(registration, server.host, server.port, announce))
    operator.show(f"The App {app.slug} was created. Install it: {app.html_url}/installations/new")
    return ForgeAnswers(kind, api_url, app.pem, app.webhook_secret, app.id)
