"""Base classes with the methods that several forges share."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Protocol, Self

from bot.forge.bodies import Verification
from bot.forge.comments import Errors
from bot.forge.events import Event, Issues, PushEvent
from bot.forge.rate_limit import RateLimit
from bot.forge.rest import ATTEMPTS, RepositoryApi, RestClient, Sessions, errors_of
from bot.forge.values import (
    Comment,
    CommitCheck,
    FailedDelivery,
    ForgeGoneError,
    LineSuggestion,
    PullRequest,
    PullRequestKey,
    Reaction,
    Role,
    Source,
)
from bot.git.mirror import GitCredential
from bot.settings.forges import (
    ForgeSettings,
    Secret,
    WatchedSecret,
    WatchedSecrets,
    secret_text,
)
from bot.store.records import NewDelivery


class Comments(Protocol):
    """Our comments on pull requests."""

    async def find(self, key: PullRequestKey, marker: str) -> Comment | None:
        """The bot's oldest comment with `marker`; those of other accounts are ignored."""

    async def put(self, key: PullRequestKey, marker: str, body: str) -> Comment:
        """Create or update the bot's comment; deletes duplicates where the forge allows it."""
        ...


class Suggestions(Protocol):
    """Our suggestions on lines of a diff."""

    async def put(
        self, key: PullRequestKey, sha: str, suggestions: Sequence[LineSuggestion]
    ) -> None:
        """Make these the bot's suggestions on lines of the diff."""


class BaseForge(ABC):
    """A forge of the settings; `head_ref` is the ref of a pull request's head, by its number."""

    head_ref: ClassVar = "refs/pull/{number}/head"
    _comments: Comments
    # Null if the forge has no suggestions that a click applies.
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
        """The current path of a repository, and a credential to read it; null if it is public."""

    def accept(self, headers: Mapping[str, str], body: bytes) -> NewDelivery:
        """The delivery; WebhookRefusedError if it is malformed or not signed with one of the
        secrets."""
        verification = self.begin(headers)
        verification.update(body)
        verification.finish()
        return self.read(headers, body)

    async def find_comment(self, key: PullRequestKey, marker: str) -> Comment | None:
        """The bot's comment with `marker`; those of other accounts are ignored."""
        return await self._comments.find(key, marker)

    async def put_comment(self, key: PullRequestKey, marker: str, body: str) -> Comment:
        """Make `body` the bot's comment: edit it, or write another if the forge cannot edit."""
        return await self._comments.put(key, marker, body)

    async def put_suggestions(
        self, key: PullRequestKey, sha: str, suggestions: Sequence[LineSuggestion]
    ) -> None:
        """Make these the bot's suggestions on lines of the diff, if the forge has such."""
        if self._suggestions is not None:
            await self._suggestions.put(key, sha, suggestions)

    async def source(self, key: PullRequestKey, base_ref: str) -> Source:
        """The base repository, which has a fork's head commits too."""
        head = self.head_ref.format(number=key.number)
        return await self._source(key.repository, head, f"refs/heads/{base_ref}")

    async def branch_source(self, repository: str, branch: str) -> Source:
        """The repository itself."""
        return await self._source(repository, f"refs/heads/{branch}")

    async def failed_deliveries(
        self, repository: str | None, hook: str, since: float
    ) -> tuple[FailedDelivery, ...]:
        """No deliveries, as most forges do not list them."""
        del repository, hook, since
        return ()

    async def send_again(self, delivery: FailedDelivery) -> None:
        """Do nothing, as no failed delivery is listed."""
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
        """The API of a repository, with a current token."""

    async def react(self, key: PullRequestKey, comment: str, reaction: Reaction) -> None:
        """Put a reaction on a comment."""
        async with self._errors(f"reacting on {key}"):
            api = await self._api(key.repository)
            await api.post(f"/issues/comments/{int(comment)}/reactions", {"content": reaction})

    async def close(self) -> None:
        """Close the connections."""
        await self._sessions.close()


@dataclass(frozen=True, slots=True)
class TokenKind:
    """A type of forge with tokens: the hint on what a token must allow; the classes of its client
    and of a repository's API; functions that check and read deliveries and parse their events;
    constructors of issues and comments, called with the API of a repository, the bot's login and
    the conversion of errors; and queries of a repository's API for commits and users."""

    hint: str
    client: type[RestClient]
    api: type[RepositoryApi]
    begin: Callable[[Sequence[str], Mapping[str, str]], Verification]
    read: Callable[[str, Mapping[str, str], bytes], NewDelivery]
    parse: Callable[[str, str, Any], Event]
    issues: Callable[[Any, Callable[[], Awaitable[str]], Errors], Issues]
    comments: Callable[[Any, Callable[[], Awaitable[str]], Errors], Comments]
    checks_of: Callable[[Any, str], Awaitable[Iterable[CommitCheck]]]
    role_of: Callable[[Any, str], Awaitable[Role]]
    is_member: Callable[[Any, str, str], Awaitable[bool]]
    is_program: Callable[[str], bool]


class TokenForge(RestForge):
    """A forge on which the bot acts as the owner of a token."""

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
        """The forge that the settings describe; UsageError if a secret cannot be read."""
        assert settings.token is not None  # the settings ensure it
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

    async def pull_request(self, key: PullRequestKey) -> PullRequest:
        """The pull request as it is now."""
        async with self._errors(f"reading {key}"):
            return await self._pull(await self._api(key.repository), key)

    @abstractmethod
    async def _pull(self, api: Any, key: PullRequestKey) -> PullRequest:
        """The pull request, by the API of its repository."""

    async def checks_of(self, key: PullRequestKey, sha: str) -> tuple[CommitCheck, ...]:
        """The statuses or flags of a commit, including those of the forge's own jobs."""
        async with self._errors(f"listing the checks of {sha[:12]} on {key}"):
            return tuple(await self.kind.checks_of(await self._api(key.repository), sha))

    async def role_of(self, key: PullRequestKey, user: str) -> Role:
        """The role of a user in the repository, by teams and groups too."""
        async with self._errors(f"asking for the role of {user} in {key.repository}"):
            return await self.kind.role_of(await self._api(key.repository), user)

    async def is_member(self, key: PullRequestKey, group: str, user: str) -> bool:
        """Return whether `user` is in a group, or in the team `organisation/team`."""
        async with self._errors(f"asking whether {user} is in {group}"):
            return await self.kind.is_member(await self._api(key.repository), group, user)

    async def is_bot(self, key: PullRequestKey, user: str) -> bool:
        """Decide by the name alone: the API does not mark programs' accounts."""
        del key
        return self.kind.is_program(user)

    async def moved(self, repository: str, branch: str, before: str) -> PushEvent | None:
        """The move of a branch from `before`, by its tip; null if there is none, or no branch."""
        try:
            async with self._errors(f"asking for the tip of {branch} of {repository}"):
                return await self._push(await self._api(repository), branch, before)
        except ForgeGoneError:
            return None

    @abstractmethod
    async def _push(self, api: Any, branch: str, before: str) -> PushEvent | None:
        """The move of a branch from `before`, or null."""

    async def repositories(self) -> tuple[str, ...]:
        """No repositories: the user may read others; webhooks name those that are served."""
        return ()

    @abstractmethod
    async def _ask_login(self, api: RepositoryApi) -> str:
        """The name of the token's user, by the API."""

    async def login(self) -> str:
        """The token's user."""
        async with self._errors("asking for the token's user"):
            return await self._own_login()

    def rate_limit(self, repository: str) -> RateLimit:
        """The quota of our token, the same for every repository."""
        del repository
        return self._rate_limit

    async def _api(self, repository: str, *, attempts: int = ATTEMPTS) -> RepositoryApi:
        client = self.kind.client(
            self._sessions.get(),
            api_url=self._settings.api_url,
            attempts=attempts,
            rate_limit=self._rate_limit,
        )
        return self.kind.api(client, secret_text(self._token), repository)

    async def _own_login(self) -> str:
        if self._login is None:
            self._login = await self._ask_login(await self._api(""))
        return self._login
