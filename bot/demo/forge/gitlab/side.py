"""GitLab's side of the local forge: its API, its hooks, and its words for what happens."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from aiohttp import web

from bot.demo.forge.access import STATE
from bot.demo.forge.deliveries import Deliverer, Delivery
from bot.demo.forge.gitlab import rest, rest_awards, rest_issues, rest_notes, rest_pipelines
from bot.demo.forge.gitlab.hooks import HookPayloads, WebHook, deliver
from bot.demo.forge.gitlab.rest import PIPELINE_IDS, SHAPES, gitlab_middleware
from bot.demo.forge.gitlab.rest_pipelines import PIPELINES, Pipeline
from bot.demo.forge.gitlab.shapes import GitLabShapes, Json
from bot.demo.forge.issues import ISSUE_LIST, LocalIssue
from bot.demo.forge.middleware import TRAFFIC, Traffic
from bot.demo.forge.state import Comment, Pull, Repository, State, User

if TYPE_CHECKING:
    from collections.abc import Sequence

API_PREFIX = "/api/v4"
# GitHub's actions of a pull request, in GitLab's words.
_ACTIONS = {
    "opened": "open",
    "reopened": "reopen",
    "closed": "close",
    "synchronize": "update",
    "ready_for_review": "update",
    "edited": "update",
}


class GitLabSide:
    """Hooks and API of the forge as a GitLab; `web` is its URL."""

    def __init__(
        self,
        state: State,
        deliverer: Deliverer,
        web_url: str,
        issues: list[LocalIssue],
    ) -> None:
        self._state = state
        self._deliverer = deliverer
        self._web = web_url
        self._issues = issues
        self.shapes = GitLabShapes(state, web_url)
        self.payloads = HookPayloads(self.shapes)
        self.hooks: list[WebHook] = []
        self.pipelines: list[Pipeline] = []

    def application(self, traffic: Traffic, most_bytes: int) -> web.Application:
        """The routes below `/api/v4`."""
        api = web.Application(middlewares=[gitlab_middleware], client_max_size=most_bytes)
        api[STATE], api[TRAFFIC], api[SHAPES] = self._state, traffic, self.shapes
        api[PIPELINES] = self.pipelines
        api[PIPELINE_IDS] = lambda: {(p.repository.id, p.sha, p.id) for p in self.pipelines}
        for module in (rest, rest_awards, rest_issues, rest_notes, rest_pipelines):
            api.router.add_routes(module.routes)
        api[ISSUE_LIST] = self._issues
        return api

    def add_hook(
        self,
        url: str,
        secret: str | None = None,
        *,
        place: str = "",
        events: Sequence[str] = ("merge_request", "note", "push"),
    ) -> WebHook:
        """A hook of a project or group (`place` is its path), or of the instance (no place)."""
        hook = WebHook(url, secret or secrets.token_hex(20), place, tuple(events))
        self.hooks.append(hook)
        return hook

    async def pull_event(
        self, pull: Pull, action: str, user: User, before: str | None = None
    ) -> list[Delivery]:
        """Delivers what GitHub calls `action`; others than those of `_ACTIONS` as they are."""
        changes: Json = {}
        if action == "ready_for_review":
            changes["draft"] = {"previous": True, "current": False}
        word = "merge" if pull.merged and action == "closed" else _ACTIONS.get(action, action)
        payload = self.payloads.merge_request(pull, word, user, oldrev=before, changes=changes)
        return await self._deliver(pull.repository, "merge_request", payload)

    async def pushed(
        self, repository: Repository, branch: str, before: str, after: str, user: User
    ) -> list[Delivery]:
        payload = self.payloads.push(repository, branch, before, after, user)
        return await self._deliver(repository, "push", payload)

    async def commented(self, comment: Comment, action: str) -> list[Delivery]:
        """GitLab tells of new and edited notes, not of deleted ones."""
        word = {"created": "create", "edited": "update"}.get(action)
        if word is None:
            return []
        payload = self.payloads.note(comment, word, comment.versions[-1].by)
        return await self._deliver(comment.pull.repository, "note", payload)

    async def pipeline_moved(self, pipeline: Pipeline, user: User) -> list[Delivery]:
        """Tells of a pipeline that began or is over."""
        payload = self.payloads.pipeline(pipeline, user)
        return await self._deliver(pipeline.repository, "pipeline", payload)

    async def _deliver(self, repository: Repository, event: str, payload: Json) -> list[Delivery]:
        return [
            await deliver(self._deliverer, hook, event, payload, self._web)
            for hook in self.hooks
            if hook.hears(repository, event)
        ]
