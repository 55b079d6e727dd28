"""The interface of a forge, and the forges of the settings.

A type of forge is a package with at least these modules: `forge`, with `open_forge(name,
settings)`; `webhooks`, with `signed_headers` for fake deliveries, `ask_forge` for the questions of
`minimize setup`, and `TEST_EVENT`; and, if it publishes messages, `events`, with `read_message`.
Its row is in `FORGE_TYPES`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import Protocol

from bot.forge.bodies import Verification
from bot.forge.events import CommentEvent, Event, Issues, PushEvent
from bot.forge.rate_limit import RateLimit
from bot.forge.values import (
    Comment,
    CommitCheck,
    FailedDelivery,
    ForgeFile,
    LineSuggestion,
    OpenPull,
    PullRequest,
    PullRequestKey,
    Reaction,
    Role,
    Source,
    StatusReport,
)
from bot.settings.forges import FORGE_TYPES
from bot.settings.values import Settings
from bot.store.records import NewDelivery


class Forge(Protocol):
    """A forge, used with the bot's credential. Methods may be awaited from several event loops.

    Methods that query the forge raise ForgeError (another try may help), ForgeRefusedError (it
    would not) or ForgeGoneError (the repository or pull request does not exist or is not visible).
    """

    @property
    def name(self) -> str:
        """The name of the forge in the settings."""
        ...

    @property
    def issues(self) -> Issues:
        """The bot's issues."""
        ...

    def accept(self, headers: Mapping[str, str], body: bytes) -> NewDelivery:
        """The delivery, if it is signed and fits its headers; `headers` have lower-case names.

        Else WebhookRefusedError with the HTTP status. Sends no requests, so it is quick.
        """
        ...

    def begin(self, headers: Mapping[str, str]) -> Verification:
        """The check of the body that follows `headers`.

        WebhookRefusedError 401 if they lack a signature, or their token is wrong.
        """
        ...

    def read(self, headers: Mapping[str, str], body: bytes) -> NewDelivery:
        """The delivery of a verified body; WebhookRefusedError 400 if it is malformed."""
        ...

    def event(self, event: str, body: bytes) -> Event:
        """The event of an accepted delivery."""
        ...

    async def pull_request(self, key: PullRequestKey) -> PullRequest:
        """The pull request as it is now."""
        ...

    async def changed_files(self, key: PullRequestKey) -> tuple[ForgeFile, ...]:
        """The files that it changes; a forge may omit some of thousands.

        ForgeTooLargeError if it lists none of so many.
        """
        ...

    async def find_comment(self, key: PullRequestKey, marker: str) -> Comment | None:
        """The bot's oldest comment with `marker`; its newest on a forge that cannot edit."""
        ...

    async def put_comment(self, key: PullRequestKey, marker: str, body: str) -> Comment:
        """Create or edit the bot's comment with `body` (which contains `marker`). A forge that
        cannot edit comments writes another."""
        ...

    async def put_suggestions(
        self, key: PullRequestKey, sha: str, suggestions: Sequence[LineSuggestion]
    ) -> None:
        """Make these the bot's suggestions on lines of the diff of the head commit `sha`.

        Existing ones are edited, others deleted or resolved, or, if somebody answered, marked as
        withdrawn. A line that the forge refuses is left out; a forge without comments on lines
        ignores all.
        """
        ...

    async def set_status(self, key: PullRequestKey, sha: str, report: StatusReport) -> None:
        """Set the status `minimize` of a commit; setting it again changes nothing."""
        ...

    async def checks_of(self, key: PullRequestKey, sha: str) -> tuple[CommitCheck, ...]:
        """All checks and statuses of a commit of the pull request, including the bot's."""
        ...

    async def role_of(self, key: PullRequestKey, user: str) -> Role:
        """The current role of a user in the repository."""
        ...

    async def pusher_of(self, key: PullRequestKey, sha: str) -> str | None:
        """The user who pushed the head commit `sha` of a pull request, by the forge's records.

        Without a record, the owner of the fork that the commit came from; None for a commit of the
        repository itself, where only members can push.
        """
        ...

    async def is_member(self, key: PullRequestKey, group: str, user: str) -> bool:
        """Return whether a user is in a group: `organisation/team` on GitHub, a group's path on
        GitLab."""
        ...

    async def is_bot(self, key: PullRequestKey, user: str) -> bool:
        """Return whether an account is a program's, as far as the forge shows it."""
        ...

    async def react(self, key: PullRequestKey, comment: str, reaction: Reaction) -> None:
        """Put a reaction on a comment; doing so again changes nothing."""
        ...

    async def source(self, key: PullRequestKey, base_ref: str) -> Source:
        """The git source of the pull request's commits, with a short-lived credential."""
        ...

    async def branch_source(self, repository: str, branch: str) -> Source:
        """The git source of a branch, with a short-lived credential."""
        ...

    async def pull_of(self, repository: str, branch: str, sha: str) -> int | None:
        """The merged, or about to be merged, pull request into `branch` with a commit; or None."""
        ...

    async def login(self) -> str:
        """The user name of the bot's comments; ForgeError if the credential is refused."""
        ...

    async def repositories(self) -> tuple[str, ...]:
        """The repositories that the bot's credential was granted for; none if the forge does not
        tell these from all others that it may read."""
        ...

    async def open_pulls(self, repository: str) -> tuple[OpenPull, ...]:
        """The open pull requests of a repository, over all pages."""
        ...

    async def comments_since(self, key: PullRequestKey, since: str) -> tuple[CommentEvent, ...]:
        """The comments on a pull request since a time (RFC 3339, UTC), a hundred at most; except
        edited ones, as the forge does not show by whom."""
        ...

    async def moved(self, repository: str, branch: str, before: str) -> PushEvent | None:
        """The move of a branch from the commit `before` to its current tip; None if it has not
        moved or is not there any more."""
        ...

    async def failed_deliveries(
        self, repository: str | None, hook: str, since: float
    ) -> tuple[FailedDelivery, ...]:
        """The deliveries to the bot's address `hook` that failed since a time (seconds since 1970).

        Those of the repository's own hook, or (None) of a hook for all repositories; none if the
        forge has no such list, or does not show it to the bot.
        """
        ...

    async def send_again(self, delivery: FailedDelivery) -> None:
        """Let the forge send a failed delivery again."""
        ...

    def rate_limit(self, repository: str) -> RateLimit:
        """The rate limit that requests about a repository count against."""
        ...

    async def close(self) -> None:
        """Close the connections of every event loop."""
        ...


def open_forges(settings: Settings) -> dict[str, Forge]:
    """Open the forges of the settings, by name; UsageError if a secret cannot be read."""
    return {
        name: forge_module(forge.type, "forge").open_forge(name, forge)
        for name, forge in settings.forges.items()
    }


def forge_module(kind: str, name: str) -> ModuleType:
    """The module `name` of the package of a type of forge.

    Imported on demand, so that only installations with such a forge load its client library.
    """
    return import_module(f"{FORGE_TYPES[kind].package}.{name}")
