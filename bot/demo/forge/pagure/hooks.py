"""Pagure's webhooks: topics, contents and signatures of notifications.

https://docs.pagure.org/pagure/usage/using_webhooks.html. Private projects send none.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from bot.demo.forge.gitstore import ZERO
from bot.demo.forge.pagure.shapes import PagureShapes, full_name
from bot.demo.forge.traffic import Delivery, WebHooks
from bot.demo.forge.values import Comment, CommitStatus, Json, Pull, Repository, User
from bot.forge.pagure.webhooks import signed_headers

# Actions of a pull request: GitHub's names to Pagure's topics; others are not announced.
_TOPICS = {
    "opened": "pull-request.new",
    "synchronize": "pull-request.updated",
    "reopened": "pull-request.reopened",
    "closed": "pull-request.closed",
}


@dataclass(frozen=True, slots=True)
class PagureHooks(WebHooks):
    """Sender of notifications to the hooks of projects, or of all projects of a namespace."""

    shapes: PagureShapes

    async def pull_event(
        self, pull: Pull, action: str, user: User, before: str | None = None
    ) -> Sequence[Delivery]:
        """Announce a pull request's action, by GitHub's name."""
        del before
        if (topic := _TOPICS.get(action)) is None:
            return []
        updated = action == "synchronize"
        # Pagure itself is the agent of an update.
        content: Json = {
            "pullrequest": self.shapes.pull(pull, comments=not updated),
            "agent": "pagure" if updated else user.login,
        }
        if action == "closed":
            content["merged"] = pull.merged
        return await self.announce(pull.repository, topic, content)

    async def commented(self, comment: Comment, action: str) -> Sequence[Delivery]:
        """Announce a comment that was added or edited."""
        pull, agent = comment.pull, comment.versions[-1].by.login
        if action == "edited":
            content: Json = {
                "pullrequest": self.shapes.pull(pull, comments=False),
                "project": self.shapes.project(pull.repository),
                "comment": self.shapes.comment(comment),
                "agent": agent,
            }
            return await self.announce(pull.repository, "pull-request.comment.edited", content)
        content = {"pullrequest": self.shapes.pull(pull), "agent": agent}
        return await self.announce(pull.repository, "pull-request.comment.added", content)

    async def flagged(self, flag: CommitStatus) -> Sequence[Delivery]:
        """Announce a flag that was added or updated."""
        flags = self.shapes.state.statuses_of(flag.repository, flag.sha)
        is_update = any(older.context == flag.context for older in flags if older.id < flag.id)
        content: Json = {
            "repo": self.shapes.project(flag.repository),
            "flag": self.shapes.flag(flag),
            "agent": flag.creator.login,
        }
        topic = f"commit.flag.{'updated' if is_update else 'added'}"
        return await self.announce(flag.repository, topic, content)

    async def pushed(
        self, repository: Repository, branch: str, before: str, after: str, user: User
    ) -> Sequence[Delivery]:
        """Announce a push to a branch, or its deletion."""
        content: Json = {
            "branch": branch,
            "authors": [{"fullname": user.login, "name": None, "url_path": None}],
            "agent": user.login,
            "repo": self.shapes.project(repository),
        }
        if after == ZERO:
            deletion = {**content, "rev": before}
            return await self.announce(repository, "git.branch.deletion", deletion)
        content |= {
            "total_commits": 1,
            "start_commit": after,
            "end_commit": after,
            "old_commit": f"^{before}" if before == ZERO else before,
            "forced": False,
            "changed_files": {},
            "pull_request_id": None,
        }
        return await self.announce(repository, "git.receive", content)

    async def announce(
        self, repository: Repository, topic: str, content: Json
    ) -> Sequence[Delivery]:
        """Deliver a notification to each hook of the project."""
        deliveries: list[Delivery] = []
        common = {
            "pagure_instance": f"{self.shapes.web}/",
            "project_fullname": full_name(repository),
        }
        for number, hook in enumerate(self.hooks, 1):
            inside = not hook.place or repository.full_name.startswith(hook.place)
            if repository.private or repository.parent is not None or not inside:
                continue
            identity = f"2026-{uuid.uuid4()}"
            notification = {"topic": topic, "msg": {**content, **common}, "msg_id": identity}
            body = json.dumps(
                {**notification, "timestamp": int(time.time()), "i": number}, sort_keys=True
            ).encode()
            headers = signed_headers(topic, body, hook.secret)
            action = topic.rpartition(".")[2]
            arguments = (hook.url, identity, topic, action, body, headers)
            deliveries.append(await self.deliverer.send(*arguments))
        return deliveries
