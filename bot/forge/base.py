"""The methods of a forge that are the same for all of them, over its comments and suggestions."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Protocol, Self

from bot.forge.bodies import Verification
from bot.forge.comments import Errors
from bot.forge.events import Event, Issues
from bot.forge.rate_limit import RateLimit
from bot.forge.rest import RepositoryApi, Sessions, errors_of
from bot.forge.values import (
    Comment,
    FailedDelivery,
    LineSuggestion,
    PullRequestKey,
    Reaction,
    Source,
)
from bot.git.mirror import GitCredential
from bot.settings.forges import ForgeSettings, Secret, WatchedSecret, WatchedSecrets
from bot.store.records import NewDelivery


class Comments(Protocol):
    """Our comments on pull requests."""

    async def find(self, key: PullRequestKey, marker: str) -> Comment | None:
        """Our oldest comment with `marker`; other people's are never ours, whatever they hold."""

    async def put(self, key: PullRequestKey, marker: str, body: str) -> Comment:
        """Edits our comment, or writes it where there is none; one that came twice goes again."""
        ...


class Suggestions(Protocol):
    """Our suggestions on lines of a diff."""

    async def put(
        self, key: PullRequestKey, sha: str, suggestions: Sequence[LineSuggestion]
    ) -> None:
        """Make these the suggestions that we have on lines of the diff."""


class BaseForge(ABC):
    """A forge of the settings; `head_ref` is where it has a pull request's head, by its number."""

    head_ref: ClassVar = "refs/pull/{number}/head"
    _comments: Comments
    # Null where the forge has no comments on lines that a click applies.
    _suggestions: Suggestions | None = None

    def __init__(self, name: str, settings: ForgeSettings) -> None:
        self.name = name
        self._settings = settings

    @abstractmethod
    def begin(self, headers: Mapping[str, str]) -> Verification:
        """The check of a delivery's body by its signature."""

    @abstractmethod
    def read(self, headers: Mapping[str, str], body: bytes) -> NewDelivery:
        """The delivery of a verified body."""

    @abstractmethod
    async def _clone(self, repository: str) -> tuple[str, GitCredential | None]:
        """The path of a repository on the forge now, and a credential that reads it, or null where
        everybody may."""

    def accept(self, headers: Mapping[str, str], body: bytes) -> NewDelivery:
        """The delivery, if it is signed with one of the secrets and is what it says."""
        verification = self.begin(headers)
        verification.update(body)
        verification.finish()
        return self.read(headers, body)

    async def find_comment(self, key: PullRequestKey, marker: str) -> Comment | None:
        """Our comment with `marker`; other people's are never ours, whatever they hold."""
        return await self._comments.find(key, marker)

    async def put_comment(self, key: PullRequestKey, marker: str, body: str) -> Comment:
        """Make our comment say `body`, as the forge can: edit it, or write another one."""
        return await self._comments.put(key, marker, body)

    async def put_suggestions(
        self, key: PullRequestKey, sha: str, suggestions: Sequence[LineSuggestion]
    ) -> None:
        """Make these the suggestions that we have on lines of the diff, where there are such."""
        if self._suggestions is not None:
            await self._suggestions.put(key, sha, suggestions)

    async def source(self, key: PullRequestKey, base_ref: str) -> Source:
        """The base repository, which has the head's commits too, of forks as well."""
        head = self.head_ref.format(number=key.number)
        return await self._source(key.repository, head, f"refs/heads/{base_ref}")

    async def branch_source(self, repository: str, branch: str) -> Source:
        """The repository itself."""
        return await self._source(repository, f"refs/heads/{branch}")

    async def failed_deliveries(
        self, repository: str | None, hook: str, since: float
    ) -> tuple[FailedDelivery, ...]:
        """None, unless the forge has a list of deliveries."""
        del repository, hook, since
        return ()

    async def send_again(self, delivery: FailedDelivery) -> None:
        """Do nothing, where no delivery is listed as failed."""
        del delivery

    async def _source(self, repository: str, *refs: str) -> Source:
        path, credential = await self._clone(repository)
        return Source(f"{self._settings.clone_url}/{path}.git", credential, refs)


class RestForge(BaseForge):
    """A forge whose REST API is like GitHub's; `errors` converts the errors of its client."""

    def __init__(self, name: str, settings: ForgeSettings, errors: Errors) -> None:
        super().__init__(name, settings)
        self._errors = errors
        self._sessions = Sessions()

    @abstractmethod
    async def _api(self, repository: str, *, attempts: int = 4) -> RepositoryApi:
        """The API of a repository, with a token of now."""

    async def react(self, key: PullRequestKey, comment: str, reaction: Reaction) -> None:
        """Put a reaction on a comment."""
        async with self._errors(f"reacting on {key}"):
            api = await self._api(key.repository)
            await api.post(f"/issues/comments/{int(comment)}/reactions", {"content": reaction})

    async def close(self) -> None:
        """Closes the connections."""
        await self._sessions.close()


@dataclass(frozen=True, slots=True)
class TokenKind:
    """A kind of forge that takes tokens: what one must allow, as a hint; the check of deliveries,
    the reading of them and of their events; and the makers of issues and comments, which are given
    the API of a repository, our login and the conversion of errors."""

    hint: str
    begin: Callable[[Sequence[str], Mapping[str, str]], Verification]
    read: Callable[[str, Mapping[str, str], bytes], NewDelivery]
    parse: Callable[[str, str, Any], Event]
    issues: Callable[[Any, Callable[[], Awaitable[str]], Errors], Issues]
    comments: Callable[[Any, Callable[[], Awaitable[str]], Errors], Comments]


class TokenForge(RestForge):
    """A forge on which the owner of one token writes."""

    kind: ClassVar[TokenKind]

    def __init__(
        self, name: str, settings: ForgeSettings, *, token: Secret, secrets: Iterable[str]
    ) -> None:
        """`secrets` are those of its webhooks."""
        title = settings.type.capitalize()
        super().__init__(name, settings, partial(errors_of, title, self.kind.hint))
        self._token = token
        self._secrets = secrets
        self._rate_limit = RateLimit(title)
        self._login: str | None = None
        self.issues = self.kind.issues(self._api, self._own_login, self._errors)
        self._comments = self.kind.comments(self._api, self._own_login, self._errors)

    @classmethod
    def from_settings(cls, name: str, settings: ForgeSettings) -> Self:
        """The forge that the settings describe; UsageError if a secret is not there."""
        assert settings.token is not None  # the settings see to it
        secrets = WatchedSecrets(settings.webhook_secrets)
        return cls(name, settings, token=WatchedSecret(settings.token), secrets=secrets)

    def begin(self, headers: Mapping[str, str]) -> Verification:
        """The check of a delivery's body by its signature."""
        return self.kind.begin(tuple(self._secrets), headers)

    def read(self, headers: Mapping[str, str], body: bytes) -> NewDelivery:
        """The delivery of a verified body."""
        return self.kind.read(self.name, headers, body)

    def event(self, event: str, body: bytes) -> Event:
        """The event of an accepted delivery."""
        return self.kind.parse(self.name, event, json.loads(body))

    @abstractmethod
    async def _ask_login(self, api: RepositoryApi) -> str:
        """The name of the token's user, by the API."""

    async def login(self) -> str:
        """The token's user."""
        async with self._errors("asking whose the token is"):
            return await self._own_login()

    def rate_limit(self, repository: str) -> RateLimit:
        """The quota of our token, the same for every repository."""
        del repository
        return self._rate_limit

    async def _own_login(self) -> str:
        if self._login is None:
            self._login = await self._ask_login(await self._api(""))
        return self._login
