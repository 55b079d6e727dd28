"""The values of the local forge: people, repositories, pull requests, comments, checks, tokens.

Times are aware datetimes in UTC.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from bot.demo.forge.gitstore import BareRepository

Json = dict[str, Any]
UserKind = Literal["User", "Bot", "Organization"]
IssueState = Literal["open", "closed"]
ROLES = ("none", "read", "triage", "write", "maintain", "admin")


def now() -> datetime:
    """The time in UTC, to the second, as on forges."""
    return datetime.now(UTC).replace(microsecond=0)


@dataclass(slots=True)
class User:
    """An account: a person, an App's bot user or an organization."""

    id: int
    login: str
    kind: UserKind = "User"


@dataclass(slots=True)
class Repository:
    """A repository; `roles` maps a login to its role, one of `ROLES`.

    `gitlab_path` is its path on GitLab, if it is deeper (group/subgroup/name) or renamed.
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
        """The user's role; at least `read`, or `none` for a stranger to a private repository."""
        if user is not None and user.login == self.owner.login:
            return "admin"
        role = self.roles.get(user.login) if user is not None else None
        return role or ("none" if self.private else "read")


@dataclass(slots=True)
class Pull:
    """A pull request; `head_sha` is the commit of the last delivery about it."""

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


@dataclass(frozen=True, slots=True)
class Push:
    """A move of a branch from one commit to another (zeros: created or deleted), by a user."""

    id: int
    repository: Repository
    branch: str
    before: str
    after: str
    user: User
    forced: bool = False
    at: datetime = field(default_factory=now)


@dataclass(slots=True)
class Version:
    """One version of a comment's text, with its time and author."""

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


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a pull request's diff: its number on the head's side at the commit `sha`, and on
    the base's side, if it is there."""

    path: str
    number: int
    sha: str
    base_number: int | None = None


@dataclass(slots=True)
class Comment:
    """A comment on a pull request, with all its versions; on a `line` of its diff, if not null.

    A comment on a line begins a thread; its replies have the comment's id as `thread`.
    """

    id: int
    pull: Pull
    user: User
    versions: list[Version]
    reactions: list[Reaction] = field(default_factory=list)
    app: App | None = None
    deleted: bool = False
    line: Line | None = None
    thread: int | None = None
    resolved: bool = False

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
    """A commit status; the newest of a context counts.

    On GitLab it is in a `pipeline` (null: in that of the branch `ref`).
    """

    id: int
    repository: Repository
    sha: str
    state: str
    context: str
    description: str | None
    target_url: str | None
    creator: User
    at: datetime = field(default_factory=now)
    pipeline: int | None = None
    ref: str | None = None


@dataclass(slots=True)
class CheckRun:
    """A check run of an App; `fields` are those that the App sent last, by the API's names."""

    id: int
    repository: Repository
    app: App
    head_sha: str
    name: str
    fields: Json
    status: str = "queued"
    conclusion: str | None = None
    started_at: datetime = field(default_factory=now)
    completed_at: datetime | None = None


@dataclass(slots=True)
class App:
    """A GitHub App: its bot user, its keys, and the address of its webhook."""

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
    """A token of a user or of an App's installation. An installation's token may be for some of its
    repositories (None: all) and has permissions."""

    text: str
    user: User
    installation: Installation | None = None
    expires_at: datetime | None = None
    repositories: tuple[Repository, ...] | None = None
    permissions: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Issue:
    """An issue, with all its versions: (title, body, state)."""

    id: int
    number: int
    repository: Repository
    user: User
    versions: list[tuple[str, str, IssueState]]
    app: App | None = None
    reason: str | None = None
    created_at: datetime = field(default_factory=now)
    updated_at: datetime = field(default_factory=now)

    @property
    def title(self) -> str:
        return self.versions[-1][0]

    @property
    def body(self) -> str:
        return self.versions[-1][1]

    @property
    def state(self) -> IssueState:
        return self.versions[-1][2]

    def change(self, title: str, body: str, state: IssueState) -> None:
        """Add a version with these values if they differ."""
        if (title, body, state) != self.versions[-1]:
            self.versions.append((title, body, state))
            self.updated_at = now()


@dataclass(slots=True)
class WebHook:
    """A hook of a repository, or of its owner and all below, or of the instance.

    On GitLab a secret `whsec_...` is used to sign; any other is sent itself. `place` is the path of
    the repository (project) or of its owner (group), empty for the instance.
    """

    url: str
    secret: str
    place: str = ""
    events: tuple[str, ...] = ()
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def hears(self, repository: Repository, event: str) -> bool:
        path = repository.path_with_namespace
        inside = not self.place or path == self.place or path.startswith(f"{self.place}/")
        return inside and event in self.events


@dataclass(slots=True)
class Pipeline:
    """A pipeline of somebody's CI for one commit, on GitLab."""

    id: int
    repository: Repository
    sha: str
    ref: str
    status: str
    url: str
    name: str | None = None
    at: datetime = field(default_factory=now)


@dataclass(frozen=True, slots=True)
class Change:
    """A change on the forge: its kind (`comment.created`, ...) and its subject."""

    kind: str
    subject: Pull | Comment | CheckRun | CommitStatus
    at: datetime
