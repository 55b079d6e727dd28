"""Authentication on GitHub, as an App with installation tokens or as the owner of a token; and the
failed deliveries of an App's or a repository's webhook.

https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app

https://docs.github.com/en/rest/apps/webhooks, https://docs.github.com/en/rest/repos/webhooks: each
attempt is an entry, and those of one event share a `guid`; GitHub stores three days.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

import gidgethub
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from bot.forge.github.client import github_errors
from bot.forge.rest import RepositoryApi, RestClient
from bot.forge.values import FailedDelivery, ForgeError, ForgeGoneError, ForgeRefusedError
from bot.settings.forges import Secret, secret_text

# Installation tokens are valid for an hour; a step that starts with one may take minutes.
_EARLY = 600.0
# GitHub's answers for a deleted installation or repository.
_NO_LONGER = (404, 422)
_NEW_KEY = "Make a new one on the App's page at GitHub, and name its file in the settings."


@dataclass(frozen=True, slots=True)
class Installation:
    """The id of an App's installation, and of a repository in it."""

    id: int
    repository: int


@dataclass(frozen=True, slots=True)
class _Token:
    text: str = field(repr=False)
    expires: float


@lru_cache(maxsize=4)
def parsed_key(pem: str) -> RSAPrivateKey:
    """An App's private key from its PEM text; ForgeError if it is none.

    Parsing takes OpenSSL 40 ms, which blocks the event loop; signing takes 1 ms.
    """
    try:
        key = load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ForgeError(f"The App's private key cannot be read: {error}.", _NEW_KEY) from error
    if not isinstance(key, RSAPrivateKey):
        raise ForgeError("The App's private key is not an RSA key.", _NEW_KEY)
    return key


class TokenAuth:
    """A personal or fine-grained token."""

    is_app = False

    def __init__(self, token: Secret) -> None:
        self._token = token
        self._login: str | None = None

    async def token(self, client: RestClient, repository: str) -> str:
        """The token, the same for every repository."""
        del client, repository
        return secret_text(self._token)

    def account(self, repository: str) -> str:
        """The name of the rate limit for requests about a repository: the same for all."""
        del repository
        return "token"

    async def login(self, client: RestClient) -> str:
        """The token's user, who is the author of its comments."""
        if self._login is None:
            user: Any = await client.getitem("/user", oauth_token=secret_text(self._token))
            self._login = str(user["login"])
        return self._login

    def forget(self, repository: str | None = None) -> None:
        """Do nothing: there is no other token."""

    def learn(self, repository: str, installation: Installation) -> None:
        """Do nothing: a token has no installations."""


class AppAuth:
    """A GitHub App. Tokens are for one repository each, cached until shortly before they expire.

    Without a token the client signs requests as the App (gidgethub's JWT). Tokens are requested by
    the repository's id, which stays the same when it is renamed.
    """

    is_app = True

    def __init__(self) -> None:
        self._installations: dict[str, Installation] = {}
        self._tokens: dict[str, _Token] = {}
        self._login: str | None = None

    async def token(self, client: RestClient, repository: str) -> str:
        """An installation token for `repository` (owner/name), valid for at least ten minutes."""
        cached = self._tokens.get(repository)
        if cached is not None and cached.expires - _EARLY > time.time():
            return cached.text
        stored = self._installations.get(repository)
        installation = stored or await _installation(client, repository)
        try:
            token = await _issue(
                client, installation.id, {"repository_ids": [installation.repository]}
            )
        except gidgethub.HTTPException as error:
            if stored is None or error.status_code not in _NO_LONGER:
                raise
            # It may have been reinstalled, transferred or recreated, which workers do not learn by
            # webhooks.
            installation = await _installation(client, repository)
            token = await _issue(
                client, installation.id, {"repository_ids": [installation.repository]}
            )
        self._installations[repository] = installation
        self._tokens[repository] = token
        return token.text

    def account(self, repository: str) -> str:
        """The name of the rate limit for requests about a repository: its installation's."""
        installation = self._installations.get(repository)
        return "app" if installation is None else f"installation {installation.id}"

    async def login(self, client: RestClient) -> str:
        """The user name of the App's comments: its slug with `[bot]`."""
        if self._login is None:
            app: Any = await client.getitem("/app")
            self._login = f"{app['slug']}[bot]"
        return self._login

    def forget(self, repository: str | None = None) -> None:
        """Drop the token of a repository, or all, after it was revoked or its permissions
        changed."""
        if repository is None:
            self._tokens.clear()
            self._installations.clear()
        else:
            self._tokens.pop(repository, None)

    def learn(self, repository: str, installation: Installation) -> None:
        """Store the installation and repository id that a delivery named."""
        if self._installations.get(repository) != installation:
            self._installations[repository] = installation
            self._tokens.pop(repository, None)


async def _installation(client: RestClient, repository: str) -> Installation:
    """Query GitHub for the installation; an old name redirects to the renamed repository."""
    values = {"repository": repository}
    response: Any = await client.getitem("/repos/{+repository}/installation", values)
    number = int(response["id"])
    # The App itself may not read a repository, so a token is made that only reads its metadata.
    reader = await _issue(client, number, {"permissions": {"metadata": "read"}})
    metadata: Any = await client.getitem("/repos/{+repository}", values, oauth_token=reader.text)
    return Installation(number, int(metadata["id"]))


async def installation_token(client: RestClient, installation: int) -> str:
    """A token that may only list an installation's repositories."""
    return (await _issue(client, installation, {"permissions": {"metadata": "read"}})).text


async def _issue(client: RestClient, installation: int, data: Mapping[str, object]) -> _Token:
    path = "/app/installations/{id}/access_tokens"
    response: Any = await client.post(path, {"id": str(installation)}, data=data)
    return _Token(str(response["token"]), _seconds(str(response["expires_at"])))


Auth = TokenAuth | AppAuth


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


# Refusals that another try does not change: no such event, no delivery, too large.
_FINAL = (400, 404, 413)


async def hooks_at(api: RepositoryApi, address: str) -> list[str]:
    """The API paths of a repository's hooks with this address; none if not visible to the bot."""
    try:
        async with github_errors(f"listing the hooks of {api.repository}"):
            hooks = [hook async for hook in api.pages("/hooks?per_page=100")]
    except (ForgeRefusedError, ForgeGoneError):
        return []
    own = (h for h in hooks if str((h.get("config") or {}).get("url")).rstrip("/") == address)
    return [api.path(f"/hooks/{int(hook['id'])}") for hook in own]


async def failed(
    entries: AsyncIterator[Mapping[str, Any]], path: str, since: float
) -> list[FailedDelivery]:
    """The events that were never delivered, from a hook's attempts, newest first, not before
    `since` (seconds since 1970); `path` is the hook's."""
    attempts: dict[str, list[Mapping[str, Any]]] = {}
    async for entry in entries:
        if _delivered_at(entry) < since:
            break
        attempts.setdefault(str(entry["guid"]), []).append(entry)
    return [
        FailedDelivery(
            guid,
            f"{path}/deliveries/{int(tries[0]['id'])}/attempts",
            len(tries),
            _delivered_at(tries[0]),
        )
        for guid, tries in attempts.items()
        if not any(200 <= int(attempt["status_code"]) < 300 for attempt in tries)
        and int(tries[0]["status_code"]) not in _FINAL
    ]


def _delivered_at(entry: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(str(entry["delivered_at"]).replace("Z", "+00:00")).timestamp()
