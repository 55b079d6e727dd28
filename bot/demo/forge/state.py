"""The state of the local forge: people, repositories, pull requests, comments, checks, tokens.

Held in memory; only the git repositories are on disk. Times are aware datetimes in UTC.
"""

from __future__ import annotations

import base64
import itertools
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from bot.demo.forge.gitstore import BareRepository

UserKind = Literal["User", "Bot", "Organization"]
ROLES = ("none", "read", "triage", "write", "maintain", "admin")
FIRST_ID = 3_000_000_000  # GitHub's ids have outgrown 32 bits; so do ours


def now() -> datetime:
    """The time, in UTC, to the second as GitHub gives it."""
    return datetime.now(UTC).replace(microsecond=0)


def node_id(prefix: str, number: int) -> str:
    """A global id of GitHub's look: opaque, made of the kind's prefix and the number."""
    return f"{prefix}_{base64.urlsafe_b64encode(number.to_bytes(8, 'big')).decode().rstrip('=')}"


@dataclass(slots=True)
class User:
    """An account: a person, an App's bot user or an organization."""

    id: int
    login: str
    kind: UserKind = "User"


@dataclass(slots=True)
class Repository:
    """A repository; `roles` maps a login to its role, one of `ROLES`.

    `gitlab_path` is its path where GitLab has it deeper (group/subgroup/name), or renamed.
    """

    id: int
    owner: User
    name: str
    git: BareRepository
    private: bool = False
    default_branch: str = "main"
    parent: Repository | None = None
    roles: dict[str, str] = field(default_factory=dict)
    created_at: datetime = field(default_factory=now)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    gitlab_path: str | None = None
    archived: bool = False

    @property
    def full_name(self) -> str:
        return f"{self.owner.login}/{self.name}"

    @property
    def path_with_namespace(self) -> str:
        return self.gitlab_path or self.full_name

    def role(self, user: User | None) -> str:
        """The user's role here: `none` for a private repository's stranger, else at least read."""
        if user is not None and user.login == self.owner.login:
            return "admin"
        given = self.roles.get(user.login) if user is not None else None
        return given or ("none" if self.private else "read")


@dataclass(slots=True)
class Pull:
    """A pull request; `head_sha` is the commit that the forge last told of."""

    id: int
    number: int
    repository: Repository
    base_branch: str
    head_repository: Repository | None
    head_branch: str
    head_sha: str
    base_sha: str
    title: str
    body: str | None
    user: User
    draft: bool = False
    state: Literal["open", "closed"] = "open"
    merged: bool = False
    created_at: datetime = field(default_factory=now)
    updated_at: datetime = field(default_factory=now)
    closed_at: datetime | None = None


@dataclass(slots=True)
class Version:
    """One version of a comment's text, when it was written and by whom."""

    body: str
    at: datetime
    by: User


@dataclass(slots=True)
class Reaction:
    """A reaction to a comment or a pull request."""

    id: int
    user: User
    content: str
    at: datetime = field(default_factory=now)


@dataclass(slots=True)
class Comment:
    """A comment on a pull request, with every version it had."""

    id: int
    pull: Pull
    user: User
    versions: list[Version]
    reactions: list[Reaction] = field(default_factory=list)
    app: App | None = None
    deleted: bool = False

    @property
    def body(self) -> str:
        return self.versions[-1].body

    @property
    def created_at(self) -> datetime:
        return self.versions[0].at

    @property
    def updated_at(self) -> datetime:
        return self.versions[-1].at


@dataclass(slots=True)
class CommitStatus:
    """A commit status; the newest of a context is the one that counts."""

    id: int
    sha: str
    state: str
    context: str
    description: str | None
    target_url: str | None
    creator: User
    at: datetime = field(default_factory=now)


@dataclass(slots=True)
class CheckRun:
    """A check run of an App; `fields` is what the App said last, in the API's own names."""

    id: int
    repository: Repository
    app: App
    head_sha: str
    name: str
    fields: dict[str, Any]
    history: list[tuple[datetime, str, str | None]] = field(default_factory=list)
    status: str = "queued"
    conclusion: str | None = None
    started_at: datetime = field(default_factory=now)
    completed_at: datetime | None = None


@dataclass(slots=True)
class App:
    """A GitHub App: its bot user, its keys and where its deliveries go."""

    id: int
    slug: str
    client_id: str
    bot: User
    private_key: str
    public_key: str
    secret: str
    hook_id: int
    hook_url: str | None = None
    permissions: dict[str, str] = field(default_factory=dict)
    events: tuple[str, ...] = ("check_run", "issue_comment", "pull_request", "push", "status")
    created_at: datetime = field(default_factory=now)


@dataclass(slots=True)
class Installation:
    """An App installed on an account, for all its repositories."""

    id: int
    app: App
    account: User
    created_at: datetime = field(default_factory=now)


@dataclass(slots=True)
class Token:
    """Whom a token speaks for: a person, or an installation of an App.

    An installation's token may be for some of its repositories (None: all) and has permissions.
    """

    text: str
    user: User
    installation: Installation | None = None
    expires_at: datetime | None = None
    repositories: tuple[Repository, ...] | None = None
    permissions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """Something happened on the forge: what (`comment.created`, ...), and to what."""

    kind: str
    subject: Pull | Comment | CheckRun | CommitStatus
    at: datetime


Listener = Callable[[Change], None]


@dataclass(slots=True)
class State:
    """Everything; the lists are in order of making."""

    users: dict[str, User] = field(default_factory=dict)
    repositories: dict[str, Repository] = field(default_factory=dict)
    pulls: list[Pull] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    statuses: dict[int, list[CommitStatus]] = field(default_factory=dict)
    check_runs: list[CheckRun] = field(default_factory=list)
    pull_reactions: dict[int, list[Reaction]] = field(default_factory=dict)
    apps: list[App] = field(default_factory=list)
    installations: list[Installation] = field(default_factory=list)
    tokens: dict[str, Token] = field(default_factory=dict)
    listeners: list[Listener] = field(default_factory=list)
    ids: Iterator[int] = field(default_factory=lambda: itertools.count(FIRST_ID))

    def tell(self, kind: str, subject: Pull | Comment | CheckRun | CommitStatus) -> None:
        """Tells every listener what happened, with the exact time."""
        change = Change(kind, subject, datetime.now(UTC))
        for listener in tuple(self.listeners):
            listener(change)

    def user(self, login: str, kind: UserKind = "User") -> User:
        """The account of that login, made at its first naming."""
        if login not in self.users:
            if not re.fullmatch(r"[A-Za-z0-9-]+(\[bot\])?", login):
                raise ValueError(f"not a login: {login!r}")
            self.users[login] = User(next(self.ids), login, kind)
        return self.users[login]

    def repository(self, full_name: str) -> Repository | None:
        """The repository of `owner/name` or of that path, whatever the case, or None."""
        wanted = full_name.casefold()
        for name, repository in self.repositories.items():
            if wanted in (name.casefold(), repository.path_with_namespace.casefold()):
                return repository
        return None

    def pull(self, repository: Repository, number: int) -> Pull | None:
        found = (p for p in self.pulls if p.repository is repository and p.number == number)
        return next(found, None)

    def comments_of(self, pull: Pull) -> list[Comment]:
        return [c for c in self.comments if c.pull is pull and not c.deleted]

    def runs_of(self, repository: Repository, sha: str) -> list[CheckRun]:
        return [r for r in self.check_runs if r.repository is repository and r.head_sha == sha]

    def installation_of(self, app: App, account: User) -> Installation | None:
        found = (i for i in self.installations if i.app is app and i.account is account)
        return next(found, None)

    def personal_token(self, user: User) -> Token:
        """A new token of a person, that does not expire."""
        return self._keep(Token("ghp_" + secrets.token_urlsafe(27), user))

    def installation_token(
        self,
        installation: Installation,
        repositories: tuple[Repository, ...] | None = None,
        permissions: dict[str, str] | None = None,
    ) -> Token:
        """A new token of an installation; it expires after an hour, as GitHub's do."""
        given = installation.app.permissions if permissions is None else permissions
        return self._keep(
            Token(
                "ghs_" + secrets.token_urlsafe(27), installation.app.bot, installation,
                now() + timedelta(hours=1), repositories, given,
            )
        )  # fmt: skip

    def _keep(self, token: Token) -> Token:
        self.tokens[token.text] = token
        return token
