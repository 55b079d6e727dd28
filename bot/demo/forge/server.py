"""The local forge: the REST APIs of four forges, git over HTTP, webhooks and pages.

    async with LocalForge(directory) as forge:
        repository = forge.add_repository("rpms/nginx")
        forge.commit(repository, "main", {"nginx.spec": "..."}, "Start")
        app = forge.add_app("minimize", hook_url="http://127.0.0.1:8080/webhook/github")
        forge.install(app, "rpms")
        forge.commit(repository, "xslt", {"nginx.spec": "..."}, "Switch on XSLT", start="main")
        pull = await forge.open_pull(repository, "xslt", user="alice", title="Switch on XSLT")

Events of pull requests, pushes and comments, including the bot's own, are delivered to installed
Apps in GitHub's form, and to the hooks of `forge.gitlab`, `forge.forgejo` and `forge.pagure` in
theirs.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Coroutine, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Self

from aiohttp import web
from aiohttp.typedefs import Middleware

from bot.demo.forge import http_git, pages
from bot.demo.forge.access import STATE, Caller
from bot.demo.forge.faces import Faces
from bot.demo.forge.github.api import API_PREFIX, api_middleware
from bot.demo.forge.gitstore import ZERO
from bot.demo.forge.state import State, with_suggestion
from bot.demo.forge.traffic import (
    DELIVERER,
    LARGEST_REQUEST,
    TRAFFIC,
    Deliverer,
    Delivery,
    Fault,
    Traffic,
)
from bot.demo.forge.values import (
    ROLES,
    App,
    Change,
    Comment,
    CommitStatus,
    Installation,
    Pull,
    Repository,
    User,
    UserKind,
    now,
)


class LocalForge:
    """A forge on a port of the loopback; `root` is the directory of its git repositories."""

    def __init__(self, root: Path, host: str = "127.0.0.1", port: int = 0) -> None:
        """Bind the port (0: a free one) at once, so that `url` is known before `start`."""
        self.root = root
        self.state = State()
        self.traffic = Traffic()
        self.deliverer = Deliverer()
        self._socket = socket.create_server((host, port))
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://{host}:{self.port}"
        self.api_url = f"{self.url}{API_PREFIX}"
        faces = self._faces = Faces.of(self.state, self.url, self.deliverer)
        self.github, self.gitlab = faces.github, faces.gitlab
        self.forgejo, self.pagure = faces.forgejo, faces.pagure
        self._runner: web.AppRunner | None = None
        self._tasks: set[asyncio.Task[object]] = set()

    # Running

    async def start(self) -> None:
        """Start serving."""
        # Errors of pages and of git, which belong to no API, have GitHub's format.
        application = self._application(middlewares=[api_middleware])
        application[http_git.ON_PUSH] = self._pushed
        application[pages.APPLY] = self.apply_suggestion
        self._faces.add_to(application, self._application)
        application.router.add_routes(http_git.routes)
        application.router.add_routes(pages.routes)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.SockSite(self._runner, self._socket).start()
        self.state.listeners.append(self._on_change)

    def _application(
        self, *routes: web.RouteTableDef, middlewares: Sequence[Middleware] = ()
    ) -> web.Application:
        application = web.Application(middlewares=middlewares, client_max_size=LARGEST_REQUEST)
        application[STATE], application[TRAFFIC] = self.state, self.traffic
        application[DELIVERER] = self.deliverer
        for table in routes:
            application.router.add_routes(table)
        return application

    async def stop(self) -> None:
        """Cancel deliveries and stop serving."""
        tasks = {*self._tasks, *self.deliverer.tasks}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()
        self._socket.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def settled(self) -> None:
        """Wait until every delivery of an event has its answer."""
        while self._tasks:
            # Ended tasks are removed here: their callback runs only in the loop's next iteration,
            # which gather() of ended tasks does not wait for (Python 3.12 and newer).
            ended, _ = await asyncio.wait(self._tasks)
            self._tasks -= ended

    @property
    def deliveries(self) -> list[Delivery]:
        """Every delivery so far, oldest first."""
        return self.deliverer.deliveries

    # Accounts, repositories, Apps

    def add_user(self, login: str, kind: UserKind = "User") -> User:
        return self.state.user(login, kind)

    def token(self, login: str) -> str:
        """Create a personal access token of a user, valid for the API and for git."""
        return self.state.personal_token(self.state.user(login)).text

    def add_repository(
        self,
        full_name: str,
        *,
        private: bool = False,
        default_branch: str = "main",
        parent: Repository | None = None,
        owner_kind: UserKind = "Organization",
    ) -> Repository:
        """Create an empty repository, or with `parent` a fork with its branches."""
        return self.state.add_repository(
            self.root, full_name, private=private, default_branch=default_branch, parent=parent,
            owner_kind=owner_kind,
        )  # fmt: skip

    def set_role(self, repository: Repository, login: str, role: str) -> None:
        """Give a user a role: `read`, `triage`, `write`, `maintain`, `admin` or `none`."""
        if role not in ROLES:
            raise ValueError(f"not a role: {role!r}")
        repository.roles[self.state.user(login).login] = role

    def add_app(
        self,
        slug: str,
        *,
        hook_url: str | None = None,
        secret: str | None = None,
        permissions: Mapping[str, str] | None = None,
    ) -> App:
        """Register an App: `private_key` (PEM) signs its JWTs, `secret` its deliveries."""
        return self.state.add_app(slug, hook_url, secret, permissions)

    def install(self, app: App, account: str) -> Installation:
        """Install an App on an account, for all its repositories."""
        installation = Installation(next(self.state.ids), app, self.state.user(account))
        self.state.installations.append(installation)
        return installation

    # Git and pull requests

    async def push(
        self,
        repository: Repository,
        branch: str,
        files: Mapping[str, bytes | str | None],
        message: str,
        *,
        user: str,
        at: datetime | None = None,
    ) -> str:
        """Commit on a branch, and deliver the push and the changes of pull requests."""
        before = repository.git.branch(branch) or ZERO
        after = repository.git.commit(branch, files, message, at=at)
        await self._branch_moved(repository, branch, before, after, self.state.user(user))
        return after

    async def move_branch(
        self, repository: Repository, branch: str, sha: str, *, user: str
    ) -> None:
        """Move a branch to a commit, as by a force push, and deliver the events."""
        before = repository.git.branch(branch) or ZERO
        repository.git.set_ref(f"refs/heads/{branch}", sha)
        await self._branch_moved(repository, branch, before, sha, self.state.user(user))

    async def open_pull(
        self,
        repository: Repository,
        head_branch: str,
        *,
        user: str,
        title: str,
        body: str | None = None,
        base_branch: str | None = None,
        head_repository: Repository | None = None,
        draft: bool = False,
    ) -> Pull:
        """Open a pull request (from a fork with `head_repository`) and deliver `opened`."""
        source = head_repository or repository
        base = base_branch or repository.default_branch
        head_sha, base_sha = source.git.branch(head_branch), repository.git.branch(base)
        if head_sha is None or base_sha is None:
            missing = base if head_sha else head_branch
            raise ValueError(f"there is no branch {missing!r}")
        pull = Pull(
            next(self.state.ids), next(repository.numbers), repository, base, source,
            head_branch, head_sha, base_sha, title, body, self.state.user(user), draft,
        )  # fmt: skip
        self.state.pulls.append(pull)
        self._publish_head(pull)
        self.state.announce("pull.opened", pull)
        await self._pull_event(pull, "opened", pull.user)
        return pull

    async def close_pull(self, pull: Pull, *, user: str, reopen: bool = False) -> None:
        """Close a pull request without merging it (or reopen it) and deliver that."""
        pull.state = "open" if reopen else "closed"
        pull.closed_at = None if reopen else now()
        pull.updated_at = now()
        await self._pull_event(pull, "reopened" if reopen else "closed", self.state.user(user))

    async def merge_pull(self, pull: Pull, *, user: str) -> None:
        """Merge a pull request by fast-forwarding its base branch, and deliver the events."""
        repository = pull.repository
        pull.state, pull.merged = "closed", True
        pull.closed_at = pull.updated_at = now()
        await self.move_branch(repository, pull.base_branch, pull.head_sha, user=user)
        await self._pull_event(pull, "closed", self.state.user(user))

    async def pull_event(self, pull: Pull, action: str, *, user: str) -> list[Delivery]:
        """Deliver any other action of a pull request: `labeled`, `ready_for_review`, ..."""
        return await self._pull_event(pull, action, self.state.user(user))

    async def comment(self, pull: Pull, body: str, *, user: str) -> Comment:
        """Comment as a user and deliver `issue_comment`, as by the forge's page."""
        comment = self.state.add_comment(pull, self.state.user(user), body)
        await self.settled()
        return comment

    async def apply_suggestion(self, comment: Comment) -> bool:
        """Commit the suggestion of a comment as the pull request's author, as by a click on the
        page; return whether it could be applied."""
        files, pull = with_suggestion(comment), comment.pull
        if files is None or pull.head_repository is None:
            return False
        repository, branch = pull.head_repository, pull.head_branch
        sha = repository.git.commit(branch, files, "Apply a suggestion")
        # Delivered after the click's answer.
        self._later(self._branch_moved(repository, branch, pull.head_sha, sha, pull.user))
        return True

    async def ping(self, app: App) -> Delivery:
        return await self.github.ping(app)

    async def redeliver(self, app: App, delivery: Delivery) -> Delivery:
        """Send a delivery again, byte for byte and with its id."""
        return await self.deliverer.redeliver(delivery, app.hook_url)

    # For tests

    def fail_next(
        self,
        path: str,
        status: int,
        *,
        method: str = "*",
        times: int = 1,
        message: str = "Server Error",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Let the next API requests whose path and query match the pattern fail."""
        pattern = re.compile(path)
        fault = Fault(method, pattern, status, message, dict(headers or {}), times)
        self.traffic.faults.append(fault)

    @property
    def requests(self) -> list[tuple[str, str, int]]:
        """Every API request so far: method, path with query, and the answer's status."""
        return self.traffic.requests

    # Consequences of events

    def _publish_head(self, pull: Pull) -> None:
        """Set GitHub's and GitLab's refs of the head in the base repository, also from a fork."""
        git = pull.repository.git
        target = f"refs/pull/{pull.number}/head"
        if pull.head_repository is not None and pull.head_repository is not pull.repository:
            git.fetch_from(pull.head_repository.git, f"refs/heads/{pull.head_branch}", target)
        else:
            git.set_ref(target, pull.head_sha)
        git.set_ref(f"refs/merge-requests/{pull.number}/head", pull.head_sha)

    async def _branch_moved(
        self, repository: Repository, branch: str, before: str, after: str, user: User
    ) -> None:
        self.state.add_push(repository, branch, before, after, user)
        for hooks in self._faces.hooks:
            await hooks.pushed(repository, branch, before, after, user)
        if after == ZERO:
            return
        for pull in self.state.pulls:
            is_head = pull.head_repository is repository and pull.head_branch == branch
            if not is_head or pull.state != "open" or pull.head_sha == after:
                continue
            pull.head_sha = after
            pull.base_sha = pull.repository.git.branch(pull.base_branch) or pull.base_sha
            pull.updated_at = now()
            self._publish_head(pull)
            self.state.announce("pull.synchronize", pull)
            await self._pull_event(pull, "synchronize", user, before)

    async def _pull_event(
        self, pull: Pull, action: str, sender: User, before: str | None = None
    ) -> list[Delivery]:
        return [
            delivery
            for hooks in self._faces.hooks
            for delivery in await hooks.pull_event(pull, action, sender, before)
        ]

    def _on_change(self, change: Change) -> None:
        """Deliver comments and flags, including the bot's, after the request that made them."""
        if isinstance(change.subject, CommitStatus):
            # Tests send events of statuses on other forges themselves.
            self._later(self.pagure.flagged(change.subject))
        if not isinstance(change.subject, Comment):
            return
        comment, action = change.subject, change.kind.removeprefix("comment.")
        for hooks in self._faces.hooks:
            # Comments on lines have other events on GitHub and Forgejo, to which the bot does not
            # subscribe.
            if comment.line is None or hooks is self.gitlab:
                self._later(hooks.commented(comment, action))

    def _later(self, work: Coroutine[object, object, object]) -> None:
        task: asyncio.Task[object] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pushed(self, repository: Repository, caller: Caller, before: dict[str, str]) -> None:
        """Deliver the moves of branches by a push over HTTP, after the answer."""
        after = repository.git.branches()
        user = caller.user
        assert user is not None
        for branch in sorted(before.keys() | after.keys()):
            old, new = before.get(branch, ZERO), after.get(branch, ZERO)
            if old != new:
                self._later(self._branch_moved(repository, branch, old, new, user))
