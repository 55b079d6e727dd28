"""Questions to an operator about a GitLab: its token; the webhook's signing token is made here."""

from __future__ import annotations

import base64
import secrets

from bot.settings.writing import ForgeAnswers, Operator, ServerAddress

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
