"""Questions to an operator about a GitHub: a new App, one that is there already, or a token."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

from bot.errors import UsageError
from bot.forge.github.manifest import Registration, register_app
from bot.settings.writing import ForgeAnswers, Operator, ServerAddress

DEFAULT_URL = "https://api.github.com"
TEST_EVENT = "ping"


def ask_forge(operator: Operator, kind: str, api_url: str, server: ServerAddress) -> ForgeAnswers:
    """The answers about the GitHub at `api_url`."""
    how = operator.prompt(
        "A new App, one that is there, or a token", default="new", choices=("new", "app", "token")
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
    web_url = "https://github.com" if api_url == DEFAULT_URL else api_url.removesuffix("/api/v3")
    organisation = operator.prompt("Organisation (empty: your own account)", default="")
    registration = Registration(server.public_url, web_url, api_url, organisation)

    def opened(url: str) -> None:
        operator.show(f"Open {url} in a browser that is signed in to GitHub, and press the button.")
        operator.show(
            f"The proxy must lead {server.public_url} to {server.host}, port {server.port}."
            " Waiting for GitHub ..."
        )

    app = asyncio.run(register_app(registration, server.host, server.port, opened))
    operator.show(f"The App {app.slug} is made. Install it: {app.html_url}/installations/new")
    return ForgeAnswers(kind, api_url, app.pem, app.webhook_secret, app.id)
