"""Questions to an operator about a Forgejo or Gitea: its token. The secret is made here."""

from __future__ import annotations

import secrets

from bot.settings.writing import ForgeAnswers, Operator, ServerAddress

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
