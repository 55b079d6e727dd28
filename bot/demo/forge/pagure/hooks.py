"""Pagure's webhooks: what is announced under which topic, and how it is signed.

https://docs.pagure.org/pagure/usage/using_webhooks.html. A private project announces nothing.
"""

from __future__ import annotations

import json
import secrets
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.demo.forge.gitstore import ZERO
from bot.demo.forge.pagure.shapes import PagureShapes, full_name
from bot.demo.forge.traffic import Deliverer, Delivery
from bot.demo.forge.values import Comment, CommitStatus, Json, Pull, Repository, User, WebHook
from bot.forge.pagure.webhooks import signed_headers

# GitHub's actions of a pull request by Pagure's topics; of others it announces nothing.
_TOPICS = {
    "opened": "pull-request.new",
    "synchronize": "pull-request.updated",
    "reopened": "pull-request.reopened",
    "closed": "pull-request.closed",
}


@dataclass(frozen=True, slots=True)
class PagureHooks:
    """Delivers to the hooks of projects; one with the name of a namespace is all its projects'."""

    shapes: PagureShapes
    deliverer: Deliverer
    hooks: list[WebHook] = field(default_factory=list)

    def add_hook(self, url: str, secret: str | None = None, *, place: str = "") -> WebHook:
        """A hook, whose secret is the key of the projects that it is for."""
        hook = WebHook(url, secret or secrets.token_hex(20), place)
        self.hooks.append(hook)
        return hook

    async def pull_event(
        self, pull: Pull, action: str, user: User, before: str | None = None
    ) -> Sequence[Delivery]:
        """Announces what GitHub calls `action`."""
        del before
        if (topic := _TOPICS.get(action)) is None:
            return []
        updated = action == "synchronize"
        # What was pushed the forge itself announces.
        content: Json = {
            "pullrequest": self.shapes.pull(pull, comments=not updated),
            "agent": "pagure" if updated else user.login,
        }
        if action == "closed":
            content["merged"] = pull.merged
        return await self.announce(pull.repository, topic, content)

    async def commented(self, comment: Comment, action: str) -> Sequence[Delivery]:
        """Announces a comment that was added or edited."""
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
        """Announces a flag that was set for the first time, or again."""
        before = self.shapes.state.statuses_of(flag.repository, flag.sha)
        known = any(one.context == flag.context for one in before if one.id < flag.id)
        content: Json = {
            "repo": self.shapes.project(flag.repository),
            "flag": self.shapes.flag(flag),
            "agent": flag.creator.login,
        }
        topic = f"commit.flag.{'updated' if known else 'added'}"
        return await self.announce(flag.repository, topic, content)

    async def pushed(
        self, repository: Repository, branch: str, before: str, after: str, user: User
    ) -> Sequence[Delivery]:
        """Announces a push to a branch, or that the branch is gone."""
        content: Json = {
            "branch": branch,
            "authors": [{"fullname": user.login, "name": None, "url_path": None}],
            "agent": user.login,
            "repo": self.shapes.project(repository),
        }
        if after == ZERO:
            gone = {**content, "rev": before}
            return await self.announce(repository, "git.branch.deletion", gone)
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
        """Delivers an announcement to each hook of the project."""
        made: list[Delivery] = []
        about = {
            "pagure_instance": f"{self.shapes.web}/",
            "project_fullname": full_name(repository),
        }
        for number, hook in enumerate(self.hooks, 1):
            inside = not hook.place or repository.full_name.startswith(hook.place)
            if repository.private or repository.parent is not None or not inside:
                continue
            identity = f"2026-{uuid.uuid4()}"
            whole = {"topic": topic, "msg": {**content, **about}, "msg_id": identity}
            body = json.dumps(
                {**whole, "timestamp": int(time.time()), "i": number}, sort_keys=True
            ).encode()
            headers = signed_headers(topic, body, hook.secret)
            action = topic.rpartition(".")[2]
            sent = (hook.url, identity, topic, action, body, headers)
            made.append(await self.deliverer.send(*sent))
        return made
