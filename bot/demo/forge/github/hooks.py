"""GitHub's webhooks: events and payloads for installed Apps. Payloads follow
https://docs.github.com/en/webhooks/webhook-events-and-payloads."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from bot.demo.forge.github.account_shapes import node_id
from bot.demo.forge.github.shapes import Shapes
from bot.demo.forge.gitstore import ZERO
from bot.demo.forge.traffic import Deliverer, Delivery
from bot.demo.forge.values import App, Comment, Installation, Json, Pull, Repository, User
from bot.forge.github.webhooks import signed_headers


@dataclass(frozen=True, slots=True)
class GitHubHooks:
    """Sender of events to the Apps that are installed on a repository's account."""

    shapes: Shapes
    deliverer: Deliverer

    async def pull_event(
        self, pull: Pull, action: str, user: User, before: str | None = None
    ) -> list[Delivery]:
        """Deliver an action of a pull request; `before` is the head before a push to it."""

        def make() -> Json:
            return self.pull_request(pull, action, before)

        return await self.send(pull.repository, "pull_request", user, make)

    def pull_request(self, pull: Pull, action: str, before: str | None = None) -> Json:
        """The payload about a pull request, without the common fields."""
        commits = {} if before is None else {"before": before, "after": pull.head_sha}
        shape = self.shapes.pull(pull)
        return {"action": action, "number": pull.number, "pull_request": shape, **commits}

    async def commented(self, comment: Comment, action: str) -> list[Delivery]:

        def make() -> Json:
            shape, issue = self.shapes.comment(comment), self.shapes.issue(comment.pull)
            change = {"body": {"from": comment.versions[-2:][0].body}}
            changes = {"changes": change} if action == "edited" else {}
            return {"action": action, "issue": issue, "comment": shape, **changes}

        sender = comment.versions[-1].by
        return await self.send(comment.pull.repository, "issue_comment", sender, make)

    async def pushed(
        self, repository: Repository, branch: str, before: str, after: str, user: User
    ) -> list[Delivery]:
        """Deliver a push to a branch; a zero id is that of a created or deleted branch."""

        def make() -> Json:
            return self._push(repository, branch, before, after, user)

        return await self.send(repository, "push", user, make)

    async def ping(self, app: App) -> Delivery:
        return await self._deliver(app, "ping", self._ping(app))

    async def send(
        self, repository: Repository, event: str, sender: User, make: Callable[[], Json]
    ) -> list[Delivery]:
        """Deliver the payload of `make`, with the common fields, to each installed App."""
        receivers = [
            installation
            for installation in self.shapes.state.installations
            if installation.account is repository.owner
            and event in installation.app.events
            and installation.app.hook_url
        ]
        return [
            await self._deliver(
                installation.app, event, {**make(), **self.common(repository, sender, installation)}
            )
            for installation in receivers
        ]

    async def _deliver(self, app: App, event: str, payload: Json) -> Delivery:
        body = json.dumps(payload, separators=(",", ":")).encode()
        identity = str(uuid.uuid4())
        headers = {
            **signed_headers(event, body, app.secret, delivery=identity),
            "X-GitHub-Hook-ID": str(app.hook_id),
            "X-GitHub-Hook-Installation-Target-ID": str(app.id),
            "X-GitHub-Hook-Installation-Target-Type": "integration",
        }
        action = payload.get("action")
        return await self.deliverer.send(app.hook_url, identity, event, action, body, headers)

    def common(self, repository: Repository, sender: User, installation: Installation) -> Json:
        """The fields of every payload about a repository."""
        identity = {"id": installation.id, "node_id": node_id("MDIzOk", installation.id)}
        common: Json = {
            "repository": self.shapes.repository(repository),
            "sender": self.shapes.user(sender),
            "installation": identity,
        }
        if repository.owner.kind == "Organization":
            common["organization"] = self.shapes.organization(repository.owner)
        return common

    def _push(
        self, repository: Repository, branch: str, before: str, after: str, user: User
    ) -> Json:
        git = repository.git
        html = f"{self.shapes.web}/{repository.full_name}"
        commits = []
        if after != ZERO:
            for commit in git.commits(None if before == ZERO else before, after):
                changes = git.changes(commit.parents[0], commit.sha) if commit.parents else ()
                person = {"name": commit.author, "email": commit.email}
                commits.append(
                    {
                        "id": commit.sha,
                        "tree_id": commit.tree,
                        "distinct": True,
                        "message": commit.message,
                        "timestamp": commit.at.isoformat(),
                        "url": f"{html}/commit/{commit.sha}",
                        "author": person,
                        "committer": person,
                        **{
                            name: [change.path for change in changes if change.state == name]
                            for name in ("added", "removed", "modified")
                        },
                    }
                )
        return {
            "ref": f"refs/heads/{branch}",
            "before": before,
            "after": after,
            "base_ref": None,
            "compare": f"{html}/compare/{before[:12]}...{after[:12]}",
            "created": before == ZERO,
            "deleted": after == ZERO,
            "forced": ZERO not in (before, after) and git.merge_base(before, after) != before,
            "commits": commits,
            "head_commit": commits[-1] if commits else None,
            "pusher": {"name": user.login, "email": f"{user.login}@example.org"},
        }

    def _ping(self, app: App) -> Json:
        created = self.shapes.app(app)["created_at"]
        return {
            "zen": "Keep it logically awesome.",
            "hook_id": app.hook_id,
            "hook": {
                "type": "App",
                "id": app.hook_id,
                "name": "web",
                "active": True,
                "events": list(app.events),
                "config": {
                    "content_type": "json",
                    "insecure_ssl": "0",
                    "secret": "********",
                    "url": app.hook_url or "",
                },
                "updated_at": created,
                "created_at": created,
                "app_id": app.id,
            },
        }
