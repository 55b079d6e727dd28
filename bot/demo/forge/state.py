"""The state of the local forge, and operations on it, for all APIs.

It is in memory; only the git repositories are on disk.
"""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bot.demo.forge.gitstore import ZERO, BareRepository
from bot.demo.forge.values import (
    App,
    Change,
    CheckRun,
    Comment,
    CommitStatus,
    Installation,
    Issue,
    Line,
    Pipeline,
    Pull,
    Push,
    Reaction,
    Repository,
    Token,
    User,
    UserKind,
    Version,
    now,
)
from bot.git.hunks import shown_lines

FIRST_ID = 3_000_000_000  # ids exceed 32 bits, as GitHub's do
Listener = Callable[[Change], None]
# The default permissions of an App.
PERMISSIONS = {
    "checks": "write",
    "contents": "read",
    "issues": "write",
    "metadata": "read",
    "pull_requests": "write",
    "statuses": "write",
}


@dataclass(slots=True)
class State:
    """The forge's objects; lists are in the order of creation."""

    users: dict[str, User] = field(default_factory=dict)
    repositories: dict[str, Repository] = field(default_factory=dict)
    pulls: list[Pull] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    statuses: dict[int, list[CommitStatus]] = field(default_factory=dict)
    check_runs: list[CheckRun] = field(default_factory=list)
    pipelines: list[Pipeline] = field(default_factory=list)
    pushes: list[Push] = field(default_factory=list)
    pull_reactions: dict[int, list[Reaction]] = field(default_factory=dict)
    apps: list[App] = field(default_factory=list)
    installations: list[Installation] = field(default_factory=list)
    tokens: dict[str, Token] = field(default_factory=dict)
    listeners: list[Listener] = field(default_factory=list)
    ids: Iterator[int] = field(default_factory=lambda: itertools.count(FIRST_ID))

    def announce(self, kind: str, subject: Pull | Comment | CheckRun | CommitStatus) -> None:
        """Call every listener with a change and the exact time."""
        change = Change(kind, subject, datetime.now(UTC))
        for listener in tuple(self.listeners):
            listener(change)

    # Accounts

    def user(self, login: str, kind: UserKind = "User") -> User:
        """The account with a login, created at its first use."""
        if login not in self.users:
            if not re.fullmatch(r"[A-Za-z0-9-]+(\[bot\])?", login):
                raise ValueError(f"not a login: {login!r}")
            self.users[login] = User(next(self.ids), login, kind)
        return self.users[login]

    def personal_token(self, user: User) -> Token:
        """Create a token of a user, which does not expire."""
        return self._add_token(Token("ghp_" + secrets.token_urlsafe(27), user))

    def installation_token(
        self,
        installation: Installation,
        repositories: tuple[Repository, ...] | None = None,
        permissions: dict[str, str] | None = None,
    ) -> Token:
        """Create a token of an installation, which expires after an hour, as GitHub's do."""
        granted = installation.app.permissions if permissions is None else permissions
        return self._add_token(
            Token(
                "ghs_" + secrets.token_urlsafe(27), installation.app.bot, installation,
                now() + timedelta(hours=1), repositories, granted,
            )
        )  # fmt: skip

    def _add_token(self, token: Token) -> Token:
        self.tokens[token.text] = token
        return token

    def add_app(
        self,
        slug: str,
        hook_url: str | None,
        secret: str | None,
        permissions: Mapping[str, str] | None,
    ) -> App:
        """Register an App with a new key; without `secret` one is generated for its deliveries."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        app = App(
            id=next(self.ids),
            slug=slug,
            client_id=f"Iv23{secrets.token_hex(8)}",
            bot=self.user(f"{slug}[bot]", "Bot"),
            private_key=private.decode(),
            public_key=public.decode(),
            secret=secret or secrets.token_hex(20),
            hook_id=next(self.ids),
            hook_url=hook_url,
            permissions=dict(PERMISSIONS if permissions is None else permissions),
        )
        self.apps.append(app)
        return app

    # Repositories and pull requests

    def add_repository(
        self,
        root: Path,
        full_name: str,
        *,
        private: bool,
        default_branch: str,
        parent: Repository | None,
        owner_kind: UserKind,
    ) -> Repository:
        """Create an empty repository below `root`, or with `parent` a fork with its branches.

        ValueError for a name that GitHub would refuse.
        """
        owner, _, name = full_name.partition("/")
        if not re.fullmatch(r"[A-Za-z0-9._-]+", name) or name.startswith("."):
            raise ValueError(f"not a repository: {full_name!r}")
        git = BareRepository.create(root / owner / f"{name}.git", default_branch)
        if parent is not None:
            git.fetch_from(parent.git, "refs/heads/*", "refs/heads/*")
        account = self.user(owner, owner_kind)
        repository = Repository(next(self.ids), account, name, git, private, default_branch, parent)
        self.repositories[repository.full_name] = repository
        return repository

    def repository(self, full_name: str) -> Repository | None:
        """The repository with the name `owner/name` or that path, ignoring case, or None."""
        folded = full_name.casefold()
        for name, repository in self.repositories.items():
            if folded in (name.casefold(), repository.path_with_namespace.casefold()):
                return repository
        return None

    def pull(self, repository: Repository, number: int) -> Pull | None:
        matching = (p for p in self.pulls if p.repository is repository and p.number == number)
        return next(matching, None)

    def pulls_of(
        self, repository: Repository, state: str, *, by_change: bool = False, rising: bool = False
    ) -> list[Pull]:
        """The pull requests in a state (`all`: any), sorted by creation or by their last change."""
        pulls = [p for p in self.pulls if p.repository is repository and state in ("all", p.state)]
        pulls.sort(key=lambda pull: pull.updated_at if by_change else pull.created_at)
        return pulls if rising else pulls[::-1]

    def pulls_with(self, repository: Repository, sha: str) -> list[Pull]:
        """The pull requests that contain a commit, merged or not."""
        return [
            pull
            for pull in self.pulls
            if pull.repository is repository
            and sha
            in {commit.sha for commit in repository.git.commits(pull.base_sha, pull.head_sha)}
        ]

    def add_push(
        self, repository: Repository, branch: str, before: str, after: str, user: User
    ) -> None:
        forced = ZERO not in (before, after) and repository.git.merge_base(before, after) != before
        push = Push(next(self.ids), repository, branch, before, after, user, forced)
        self.pushes.append(push)

    def pushes_to(self, repository: Repository, branch: str | None = None) -> list[Push]:
        """The pushes to a repository, or to one branch of it, newest first."""
        return [
            push
            for push in reversed(self.pushes)
            if push.repository is repository and branch in (None, push.branch)
        ]

    # Comments, reactions and issues

    def comment(self, repository: Repository, number: int, *, on_line: bool) -> Comment | None:
        """The comment with an id, if it is on a line of a diff, or if it is not; else None."""
        comments = (c for c in self.comments if c.id == number and not c.deleted)
        comments = (c for c in comments if (c.line is not None) is on_line)
        return next((c for c in comments if c.pull.repository is repository), None)

    def comments_of(self, pull: Pull) -> list[Comment]:
        """The comments on a pull request, without those on lines of its diff."""
        return [comment for comment in self.all_comments_of(pull) if comment.line is None]

    def line_comments_of(self, pull: Pull) -> list[Comment]:
        """The comments on lines of a pull request's diff, and their replies."""
        return [comment for comment in self.all_comments_of(pull) if comment.line is not None]

    def all_comments_of(self, pull: Pull) -> list[Comment]:
        """Every comment on a pull request."""
        return [c for c in self.comments if c.pull is pull and not c.deleted]

    def add_comment(
        self,
        pull: Pull,
        user: User,
        body: str,
        app: App | None = None,
        *,
        line: Line | None = None,
        thread: int | None = None,
    ) -> Comment:
        versions = [Version(body, now(), user)]
        comment = Comment(next(self.ids), pull, user, versions, app=app, line=line, thread=thread)
        self.comments.append(comment)
        pull.updated_at = now()
        self.announce("comment.created", comment)
        return comment

    def edit_comment(self, comment: Comment, user: User, body: str) -> None:
        """Add a version of the text if it differs."""
        if body != comment.body:
            comment.versions.append(Version(body, now(), user))
        self.announce("comment.edited", comment)

    def delete_comment(self, comment: Comment) -> None:
        comment.deleted = True
        self.announce("comment.deleted", comment)

    def reactions_of(self, on: Comment | Pull) -> list[Reaction]:
        """The mutable list of reactions to a comment or a pull request."""
        if isinstance(on, Comment):
            return on.reactions
        return self.pull_reactions.setdefault(on.id, [])

    def react(self, on: Comment | Pull, user: User, content: str) -> tuple[Reaction, bool]:
        """Add a user's reaction of one kind; return it, and whether it is new."""
        reactions = self.reactions_of(on)
        for reaction in reactions:
            if reaction.user is user and reaction.content == content:
                return reaction, False
        reactions.append(Reaction(next(self.ids), user, content))
        return reactions[-1], True

    def add_issue(
        self, repository: Repository, user: User, title: str, body: str, app: App | None = None
    ) -> Issue:
        number = next(repository.numbers)
        issue = Issue(next(self.ids), number, repository, user, [(title, body, "open")], app)
        self.issues.append(issue)
        return issue

    def issue(self, repository: Repository, number: int) -> Issue | None:
        matching = (i for i in self.issues if i.repository is repository and i.number == number)
        return next(matching, None)

    def issues_of(
        self, repository: Repository, state: str | None, author: str | None, *, rising: bool
    ) -> list[Issue]:
        """The issues in a state (None, `all`: any) by an author (None: any), sorted by number."""
        issues = [
            issue
            for issue in self.issues
            if issue.repository is repository
            and state in (None, "all", issue.state)
            and author in (None, issue.user.login)
        ]
        return sorted(issues, key=lambda issue: issue.number, reverse=not rising)

    # Checks

    def add_status(
        self,
        repository: Repository,
        sha: str,
        word: str,
        context: str,
        user: User,
        *,
        description: Any = None,
        target_url: Any = None,
    ) -> CommitStatus:
        status = CommitStatus(
            next(self.ids), repository, sha, word, context, description, target_url, user
        )
        self.statuses.setdefault(repository.id, []).append(status)
        return status

    def statuses_of(self, repository: Repository, sha: str) -> list[CommitStatus]:
        """The statuses of a commit, oldest first."""
        return [status for status in self.statuses.get(repository.id, []) if status.sha == sha]

    def add_check_run(self, repository: Repository, app: App, sha: str, name: str) -> CheckRun:
        run = CheckRun(next(self.ids), repository, app, sha, name, {})
        next(self.ids)  # the check suite's id
        self.check_runs.append(run)
        return run

    def runs_of(self, repository: Repository, sha: str) -> list[CheckRun]:
        return [r for r in self.check_runs if r.repository is repository and r.head_sha == sha]


# GitHub's block, and GitLab's with the number of lines above and below to replace.
_BLOCK = re.compile(r"^(`{3,})suggestion(?::-0\+0)?\n(.*?)\n?\1$", re.MULTILINE | re.DOTALL)


def line_of(pull: Pull, path: str, number: int, sha: str) -> Line | None:
    """The line of the head's side at `sha` with this number; null if it is not in the diff."""
    git = pull.repository.git
    base = git.merge_base(pull.base_sha, sha)
    changes = git.changes(base, sha) if base else ()
    patch = next((change.patch for change in changes if change.path == path), None)
    lines = shown_lines(patch or "")
    return Line(path, number, sha, lines[number]) if number in lines else None


def line_now(comment: Comment) -> Line | None:
    """The line of a comment at the pull request's head; null if it was changed or left the diff:
    then the comment is outdated."""
    line, pull = comment.line, comment.pull
    assert line is not None
    if line.sha == pull.head_sha:
        return line
    texts = [
        (pull.repository.git.file(sha, line.path) or b"").splitlines()
        for sha in (line.sha, pull.head_sha)
    ]
    for block in SequenceMatcher(None, texts[0], texts[1], autojunk=False).get_matching_blocks():
        if block.a < line.number <= block.a + block.size:
            return line_of(pull, line.path, line.number - block.a + block.b, pull.head_sha)
    return None


def suggestion_text(comment: Comment) -> str | None:
    """The text that a comment suggests instead of its line; null if it has no suggestion."""
    match = _BLOCK.search(comment.body)
    return None if match is None else match[2]


def with_suggestion(comment: Comment) -> dict[str, bytes] | None:
    """The file's path and content with the suggestion of a comment applied; null if it cannot
    be."""
    line, text = line_now(comment), suggestion_text(comment)
    if line is None or text is None:
        return None
    pull = comment.pull
    lines = (pull.repository.git.file(pull.head_sha, line.path) or b"").split(b"\n")
    lines[line.number - 1 : line.number] = [part.encode() for part in text.split("\n")]
    return {line.path: b"\n".join(lines)}


@dataclass(frozen=True, slots=True)
class StateShapes:
    """Maker of an API's JSON objects from the forge's state; `web` is the forge's address."""

    state: State
    web: str
