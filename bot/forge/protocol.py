"""The interface of a forge, which is all that checks need of one, and the forges of the settings.

A forge is a package with two modules: `forge`, which has `open_forge(name, settings)`, and
`webhooks`, whose `signed_headers` makes fake deliveries and whose `ask_forge` asks what `minimize
setup` must know, with `TEST_EVENT`. Its row is in `FORGE_TYPES`.
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
    """One forge, with our credential on it. Methods may be awaited from several event loops.

    Every method that asks the forge raises ForgeError (another try may help), ForgeRefusedError (it
    would not) or ForgeGoneError (repository or pull request are not there).
    """

    @property
    def name(self) -> str:
        """The name of the forge in the settings."""
        ...

    @property
    def issues(self) -> Issues:
        """The issues that the bot keeps."""
        ...

    def accept(self, headers: Mapping[str, str], body: bytes) -> NewDelivery:
        """The delivery, if it is signed and is what it says; `headers` have lower-case names.

        WebhookRefusedError with the HTTP status otherwise. Asks nobody, so it is quick.
        """
        ...

    def begin(self, headers: Mapping[str, str]) -> Verification:
        """The check of the body that comes with `headers`, of which nothing has been read yet.

        WebhookRefusedError 401 where they lack a signature, or their token is wrong.
        """
        ...

    def read(self, headers: Mapping[str, str], body: bytes) -> NewDelivery:
        """The delivery of a body that was verified; WebhookRefusedError 400 where it is another."""
        ...

    def event(self, event: str, body: bytes) -> Event:
        """The event of an accepted delivery."""
        ...

    async def pull_request(self, key: PullRequestKey) -> PullRequest:
        """The pull request as it is now: the current head, above all."""
        ...

    async def changed_files(self, key: PullRequestKey) -> tuple[ForgeFile, ...]:
        """The files it changes; a forge may leave some of thousands out.

        ForgeTooLargeError where it lists none of so many.
        """
        ...

    async def find_comment(self, key: PullRequestKey, marker: str) -> Comment | None:
        """The comment that we wrote and that holds `marker`, over all pages; the oldest."""
        ...

    async def put_comment(self, key: PullRequestKey, marker: str, body: str) -> Comment:
        """Create or edit our one comment with `body` (which holds `marker`)."""
        ...

    async def put_suggestions(
        self, key: PullRequestKey, sha: str, suggestions: Sequence[LineSuggestion]
    ) -> None:
        """Make these the suggestions that we have on lines of the diff of the head commit `sha`.

        One that is there already is edited, not repeated; one that is no longer wanted is deleted
        or resolved, and says so where somebody answered it. A line that the forge does not take is
        left out, and a forge without comments on lines takes none.
        """
        ...

    async def set_status(self, key: PullRequestKey, sha: str, report: StatusReport) -> None:
        """Set the status `minimize` of a commit; the same twice changes nothing."""
        ...

    async def checks_of(self, key: PullRequestKey, sha: str) -> tuple[CommitCheck, ...]:
        """The checks and statuses of a commit of the pull request, ours too, over all pages."""
        ...

    async def role_of(self, key: PullRequestKey, user: str) -> Role:
        """The role of a user in the repository, read from the forge now."""
        ...

    async def pusher_of(self, key: PullRequestKey, sha: str) -> str | None:
        """The user who pushed the head commit `sha` of a pull request, by the forge's own record.

        Where it has none, the owner of the fork that the commit came from; None for a commit of
        the repository itself, where only its members push.
        """
        ...

    async def is_member(self, key: PullRequestKey, group: str, user: str) -> bool:
        """Return whether a user is in a group: `organisation/team` on GitHub, a group's path on
        GitLab."""
        ...

    async def is_bot(self, key: PullRequestKey, user: str) -> bool:
        """Return whether a user is a program's account, as far as the forge tells."""
        ...

    async def react(self, key: PullRequestKey, comment: str, reaction: Reaction) -> None:
        """Put a reaction on a comment; the same twice changes nothing."""
        ...

    async def source(self, key: PullRequestKey, base_ref: str) -> Source:
        """The git source of the commits, with a short-lived credential."""
        ...

    async def branch_source(self, repository: str, branch: str) -> Source:
        """The git source of a branch, with a short-lived credential."""
        ...

    async def pull_of(self, repository: str, branch: str, sha: str) -> int | None:
        """The pull request into `branch` that a commit came with, merged or about to be."""
        ...

    async def login(self) -> str:
        """The user name that our comments have; ForgeError where the credential is not taken."""
        ...

    async def repositories(self) -> tuple[str, ...]:
        """The repositories that this credential was given to serve; none where the forge does not
        tell them from others that it may read."""
        ...

    async def open_pulls(self, repository: str) -> tuple[OpenPull, ...]:
        """The open pull requests of a repository, over all pages."""
        ...

    async def comments_since(self, key: PullRequestKey, since: str) -> tuple[CommentEvent, ...]:
        """The comments on a pull request that were written `since` then (RFC 3339, UTC), a hundred
        at most; not those that somebody has edited, as the forge does not say who."""
        ...

    async def moved(self, repository: str, branch: str, before: str) -> PushEvent | None:
        """The move of a branch away from the commit `before`, to where it is now; null where it is
        there still, or is gone, or that is not for us to read."""
        ...

    async def failed_deliveries(
        self, repository: str | None, hook: str, since: float
    ) -> tuple[FailedDelivery, ...]:
        """The deliveries to our address `hook` that nobody took `since` then (seconds since 1970).

        Of a repository's own hook, or (null) of one for all; none where the forge has no such list,
        or shows it to others alone.
        """
        ...

    async def send_again(self, delivery: FailedDelivery) -> None:
        """Have a failed delivery sent again."""
        ...

    def rate_limit(self, repository: str) -> RateLimit:
        """The quota that requests about a repository count against."""
        ...

    async def close(self) -> None:
        """Close the connections of every event loop."""
        ...


def open_forges(settings: Settings) -> dict[str, Forge]:
    """Open the forges of the settings, by their names there; UsageError if a secret is missing."""
    return {
        name: forge_module(forge.type, "forge").open_forge(name, forge)
        for name, forge in settings.forges.items()
    }


def forge_module(kind: str, name: str) -> ModuleType:
    """A module of the package of a type of forge.

    Imported here, so that only an installation with such a forge loads its client library.
    """
    return import_module(f"{FORGE_TYPES[kind].package}.{name}")
