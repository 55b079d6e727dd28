"""The payloads of GitHub's webhooks, as documented under "Webhook events and payloads"."""

from __future__ import annotations

from dataclasses import dataclass

from bot.demo.forge.gitstore import ZERO
from bot.demo.forge.shape_accounts import Json
from bot.demo.forge.shapes import Shapes
from bot.demo.forge.state import App, Comment, Installation, Pull, Repository, User, node_id


@dataclass(frozen=True, slots=True)
class Payloads:
    """Makes the payloads that an installation's App receives."""

    shapes: Shapes

    def common(self, repository: Repository, sender: User, installation: Installation) -> Json:
        """The fields of every payload about a repository."""
        common: Json = {
            "repository": self.shapes.repository(repository),
            "sender": self.shapes.user(sender),
            "installation": {
                "id": installation.id,
                "node_id": node_id("MDIzOk", installation.id),
            },
        }
        if repository.owner.kind == "Organization":
            common["organization"] = self.shapes.organization(repository.owner)
        return common

    def pull_request(
        self,
        pull: Pull,
        action: str,
        sender: User,
        installation: Installation,
        extra: Json | None = None,
    ) -> Json:
        """`extra` has what only some actions carry: `before` and `after`, or `changes`."""
        return {
            "action": action,
            "number": pull.number,
            "pull_request": self.shapes.pull(pull),
            **(extra or {}),
            **self.common(pull.repository, sender, installation),
        }

    def issue_comment(
        self,
        comment: Comment,
        action: str,
        sender: User,
        installation: Installation,
    ) -> Json:
        payload: Json = {
            "action": action,
            "issue": self.shapes.issue(comment.pull),
            "comment": self.shapes.comment(comment),
            **self.common(comment.pull.repository, sender, installation),
        }
        if action == "edited":
            before = comment.versions[-2] if len(comment.versions) > 1 else comment.versions[-1]
            payload["changes"] = {"body": {"from": before.body}}
        return payload

    def push(
        self,
        repository: Repository,
        branch: str,
        before: str,
        after: str,
        sender: User,
        installation: Installation,
    ) -> Json:
        """A push to a branch; a zero id stands for a branch that was or is not there."""
        git = repository.git
        html = f"{self.shapes.web}/{repository.full_name}"
        commits = []
        if after != ZERO:
            for one in git.commits(None if before == ZERO else before, after):
                changed = git.changes(one.parents[0], one.sha) if one.parents else ()
                states = {
                    name: [change.path for change in changed if change.state == name]
                    for name in ("added", "removed", "modified")
                }
                person = {"name": one.author, "email": one.email}
                commits.append(
                    {
                        "id": one.sha,
                        "tree_id": one.tree,
                        "distinct": True,
                        "message": one.message,
                        "timestamp": one.at.isoformat(),
                        "url": f"{html}/commit/{one.sha}",
                        "author": person,
                        "committer": person,
                        **states,
                    }
                )
        forced = ZERO not in (before, after) and git.merge_base(before, after) != before
        return {
            "ref": f"refs/heads/{branch}",
            "before": before,
            "after": after,
            "base_ref": None,
            "compare": f"{html}/compare/{before[:12]}...{after[:12]}",
            "created": before == ZERO,
            "deleted": after == ZERO,
            "forced": forced,
            "commits": commits,
            "head_commit": commits[-1] if commits else None,
            "pusher": {"name": sender.login, "email": f"{sender.login}@example.org"},
            **self.common(repository, sender, installation),
        }

    def ping(self, app: App) -> Json:
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
                "updated_at": self.shapes.app(app)["updated_at"],
                "created_at": self.shapes.app(app)["created_at"],
                "app_id": app.id,
            },
        }

    def installation(self, installation: Installation, sender: User) -> Json:
        """`installation` created, with the repositories that the App may now see."""
        return {
            "action": "created",
            "installation": self.shapes.installation(installation),
            "repositories": [
                {
                    "id": one.id,
                    "node_id": node_id("R", one.id),
                    "name": one.name,
                    "full_name": one.full_name,
                    "private": one.private,
                }
                for one in self.shapes.state.repositories.values()
                if one.owner is installation.account
            ],
            "requester": None,
            "sender": self.shapes.user(sender),
        }
