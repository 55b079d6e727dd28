"""Forgejo's webhooks: recipients, payloads and signatures. Payloads follow
https://forgejo.org/docs/latest/user/webhooks/ and the types of Forgejo's API."""

from __future__ import annotations

from dataclasses import dataclass

from bot.demo.forge.forgejo.shapes import ForgejoShapes
from bot.demo.forge.gitstore import ZERO
from bot.demo.forge.traffic import Delivery, PlacedHooks
from bot.demo.forge.values import Comment, Json, Pull, Repository, User, WebHook
from bot.forge.forgejo.webhooks import signed_headers

# Actions of a pull request: GitHub's names to Forgejo's.
_ACTIONS = {
    "synchronize": "synchronized",
    "labeled": "label_updated",
    "ready_for_review": "edited",
    "converted_to_draft": "edited",
}


@dataclass(frozen=True, slots=True)
class ForgejoHooks(PlacedHooks):
    """Sender of events to the hooks of repositories, organisations and the instance."""

    events = ("pull_request", "issue_comment", "push")
    indent = 2

    shapes: ForgejoShapes

    def signed(self, event: str, body: bytes, hook: WebHook) -> tuple[str, dict[str, str]]:
        """The id of a delivery to a hook, and its headers."""
        headers = signed_headers(event, body, hook.secret)
        return headers["X-Gitea-Delivery"], headers

    async def pull_event(
        self, pull: Pull, action: str, user: User, before: str | None = None
    ) -> list[Delivery]:
        """Deliver a pull request's action, by GitHub's name; unless in `_ACTIONS` as it is."""
        del before
        payload = self.pull_payload(pull, action)
        return await self.send(pull.repository, "pull_request", user, payload)

    def pull_payload(self, pull: Pull, action: str) -> Json:
        """The payload about a pull request, without the common fields."""
        payload: Json = {
            "action": _ACTIONS.get(action, action),
            "number": pull.number,
            "pull_request": self.shapes.pull(pull),
            "requested_reviewer": None,
            "commit_id": "",
            "review": None,
        }
        if action == "ready_for_review":
            # Drafts are marked in the title alone.
            payload["changes"] = {"title": {"from": f"WIP: {pull.title}"}}
        return payload

    async def commented(self, comment: Comment, action: str) -> list[Delivery]:
        payload: Json = {
            "action": action,
            "issue": self.shapes.issue(comment.pull),
            "comment": self.shapes.comment(comment),
            "is_pull": True,
        }
        if action == "edited":
            payload["changes"] = {"body": {"from": comment.versions[-2:][0].body}}
        sender = comment.versions[-1].by
        return await self.send(comment.pull.repository, "issue_comment", sender, payload)

    async def pushed(
        self, repository: Repository, branch: str, before: str, after: str, user: User
    ) -> list[Delivery]:
        """Deliver a push to a branch; the deletion of a branch is another event."""
        if after == ZERO:
            return []
        pusher = self.shapes.user(user)
        compare = f"{self.shapes.web}/{repository.full_name}/compare/{before}...{after}"
        payload: Json = {
            "ref": f"refs/heads/{branch}",
            "before": before,
            "after": after,
            "compare_url": compare,
            "commits": [],
            "total_commits": 0,
            "head_commit": None,
            "pusher": pusher,
        }
        return await self.send(repository, "push", user, payload)

    async def send(
        self, repository: Repository, event: str, sender: User, payload: Json
    ) -> list[Delivery]:
        """Deliver a payload, with the common fields, to each hook with the event."""
        return await self.deliver(repository, event, {**payload, **self.common(repository, sender)})

    def common(self, repository: Repository, sender: User) -> Json:
        """The fields of every payload about a repository."""
        shape = self.shapes.repository(repository)
        return {"repository": shape, "sender": self.shapes.user(sender)}
