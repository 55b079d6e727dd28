"""GitLab's webhooks: recipients, payloads, signatures, and the API of a project's hooks, for its
maintainers. Fields follow https://docs.gitlab.com/user/project/integrations/webhook_events/ and
https://docs.gitlab.com/api/project_webhooks/."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

from aiohttp import web

from bot.demo.forge.gitlab.api import Call, endpoint, not_found
from bot.demo.forge.gitlab.shapes import GitLabShapes, stamp
from bot.demo.forge.gitstore import ZERO
from bot.demo.forge.traffic import DELIVERER, Delivery, PlacedHooks
from bot.demo.forge.values import Comment, Json, Pipeline, Pull, Repository, User, WebHook
from bot.forge.gitlab.webhooks import signed_headers

# Actions of a merge request: GitHub's names to GitLab's.
_ACTIONS = {
    "opened": "open",
    "reopened": "reopen",
    "closed": "close",
    "synchronize": "update",
    "ready_for_review": "update",
    "edited": "update",
}


@dataclass(frozen=True, slots=True)
class GitLabHooks(PlacedHooks):
    """Sender of events to the hooks of projects, groups and the instance."""

    events = ("merge_request", "note", "push")

    shapes: GitLabShapes

    def signed(self, event: str, body: bytes, hook: WebHook) -> tuple[str, dict[str, str]]:
        """The id of a delivery to a hook, and its headers; system hooks' events have other
        names."""
        headers = {
            **signed_headers(event if hook.place else "System Hook", body, hook.secret),
            "X-Gitlab-Instance": self.shapes.web,
            "X-Gitlab-Webhook-UUID": hook.id,
        }
        return headers["Idempotency-Key"], headers

    async def pull_event(
        self, pull: Pull, action: str, user: User, before: str | None = None
    ) -> list[Delivery]:
        """Deliver a merge request's action, by GitHub's name; unless in `_ACTIONS` as it is."""
        payload = self.merge_request(pull, action, user, before)
        return await self.deliver(pull.repository, "merge_request", payload)

    def merge_request(self, pull: Pull, action: str, user: User, before: str | None = None) -> Json:
        changes: Json = {}
        if action == "ready_for_review":
            changes["draft"] = {"previous": True, "current": False}
        word = "merge" if pull.merged and action == "closed" else _ACTIONS.get(action, action)
        attributes = {**self._merge(pull), "action": word}
        if before is not None:
            attributes["oldrev"] = before
        common = self._common("merge_request", user, pull.repository)
        return {**common, "object_attributes": attributes, "labels": [], "changes": changes}

    async def pushed(
        self, repository: Repository, branch: str, before: str, after: str, user: User
    ) -> list[Delivery]:
        payload = self._push(repository, branch, before, after, user)
        return await self.deliver(repository, "push", payload)

    async def commented(self, comment: Comment, action: str) -> list[Delivery]:
        """Deliver a new or edited note; GitLab sends no event for a deleted one."""
        word = {"created": "create", "edited": "update"}.get(action)
        if word is None:
            return []
        payload = self._note(comment, word, comment.versions[-1].by)
        return await self.deliver(comment.pull.repository, "note", payload)

    async def pipeline_moved(self, pipeline: Pipeline, user: User) -> list[Delivery]:
        """Deliver the start or end of a pipeline."""
        payload = self._pipeline(pipeline, user)
        return await self.deliver(pipeline.repository, "pipeline", payload)

    def _common(self, kind: str, user: User, repository: Repository) -> Json:
        project = self.shapes.project(repository)
        return {
            "object_kind": kind,
            "event_type": kind,
            "user": {
                "id": user.id,
                "name": user.login.title(),
                "username": user.login,
                "avatar_url": None,
                "email": "[REDACTED]",
            },
            "project": self._project(project, repository),
            "repository": {
                "name": project["name"],
                "url": project["ssh_url_to_repo"],
                "description": "",
                "homepage": project["web_url"],
            },
        }

    @staticmethod
    def _project(project: Json, repository: Repository) -> Json:
        return {
            "id": repository.id,
            "name": project["name"],
            "description": None,
            "web_url": project["web_url"],
            "git_ssh_url": project["ssh_url_to_repo"],
            "git_http_url": project["http_url_to_repo"],
            "namespace": project["namespace"]["full_path"],
            "visibility_level": 0 if repository.private else 20,
            "path_with_namespace": project["path_with_namespace"],
            "default_branch": repository.default_branch,
        }

    def _merge(self, pull: Pull) -> Json:
        head = pull.repository.git.one_commit(pull.head_sha)
        source = pull.head_repository or pull.repository
        return {
            "id": pull.id,
            "iid": pull.number,
            "title": pull.title,
            "description": pull.body,
            "author_id": pull.user.id,
            "source_branch": pull.head_branch,
            "target_branch": pull.base_branch,
            "source_project_id": source.id,
            "target_project_id": pull.repository.id,
            "source": self._project(self.shapes.project(source), source),
            "target": self._project(self.shapes.project(pull.repository), pull.repository),
            "state": self.shapes.merge_request(pull)["state"],
            "draft": pull.draft,
            "work_in_progress": pull.draft,
            "merge_status": "unchecked",
            "url": self.shapes.merge_url(pull),
            "created_at": _hook_time(pull.created_at),
            "updated_at": _hook_time(pull.updated_at),
            "last_commit": {
                "id": pull.head_sha,
                "message": head.message,
                "title": head.message.partition("\n")[0],
                "timestamp": head.at.isoformat(),
                "url": f"{self.shapes.web}/{source.path_with_namespace}/-/commit/{pull.head_sha}",
                "author": {"name": head.author, "email": head.email},
            },
        }

    def _note(self, comment: Comment, action: str, user: User) -> Json:
        pull = comment.pull
        return {
            **self._common("note", user, pull.repository),
            "project_id": pull.repository.id,
            "object_attributes": {
                "id": comment.id,
                "note": comment.body,
                "action": action,
                "noteable_type": "MergeRequest",
                "noteable_id": pull.id,
                "author_id": comment.user.id,
                "created_at": _hook_time(comment.created_at),
                "updated_at": _hook_time(comment.updated_at),
                "project_id": pull.repository.id,
                "system": False,
                "type": None,
                "url": f"{self.shapes.merge_url(pull)}#note_{comment.id}",
            },
            "merge_request": self._merge(pull),
        }

    def _pipeline(self, pipeline: Pipeline, user: User) -> Json:
        return {
            **self._common("pipeline", user, pipeline.repository),
            "object_attributes": {
                "id": pipeline.id,
                "iid": 1,
                "name": pipeline.name,
                "ref": pipeline.ref,
                "tag": False,
                "sha": pipeline.sha,
                "before_sha": ZERO,
                "source": "external",
                "status": pipeline.status,
                "detailed_status": pipeline.status,
                "stages": ["external"],
                "created_at": _hook_time(pipeline.at),
                "finished_at": None,
                "duration": None,
                "queued_duration": None,
                "variables": [],
                "url": pipeline.url,
            },
            "merge_request": None,
            "builds": [],
        }

    def _push(
        self, repository: Repository, branch: str, before: str, after: str, user: User
    ) -> Json:
        project = self.shapes.project(repository)
        return {
            "object_kind": "push",
            "event_name": "push",
            "before": before,
            "after": after,
            "ref": f"refs/heads/{branch}",
            "ref_protected": False,
            "checkout_sha": None if after == ZERO else after,
            "user_id": user.id,
            "user_name": user.login.title(),
            "user_username": user.login,
            "project_id": repository.id,
            "project": self._project(project, repository),
            "commits": [],
            "total_commits_count": 0,
        }


def _hook_time(at: datetime) -> str:
    return (stamp(at) or "").replace("T", " ").replace(".000Z", " UTC")


HOOKS: web.AppKey[GitLabHooks] = web.AppKey("hooks", GitLabHooks)
routes = web.RouteTableDef()
_HOOK = "/hooks/{hook:[0-9]+}"


@endpoint(routes, "GET", "/hooks", role="maintain")
async def hooks(call: Call) -> web.Response:
    return call.page(_hooks(call), lambda entry: {"id": entry[0], "url": entry[1].url})


@endpoint(routes, "GET", _HOOK + "/events", "status", role="maintain")
async def events(call: Call) -> web.Response:
    """The deliveries of a hook, newest first."""
    return call.page(_deliveries(call)[::-1], lambda entry: _event(*entry))


@endpoint(routes, "POST", _HOOK + "/events/{event:[0-9]+}/resend", role="maintain")
async def resend(call: Call) -> web.Response:
    event_id = int(call.request.match_info["event"])
    for number, delivery in _deliveries(call):
        if number == event_id:
            repeated = await call.request.app[DELIVERER].redeliver(delivery)
            status = {"response_status": repeated.status or "internal error"}
            return web.json_response(status, status=HTTPStatus.CREATED)
    raise not_found()


def _hooks(call: Call) -> list[tuple[int, WebHook]]:
    path = call.project.path_with_namespace
    return [(n, h) for n, h in enumerate(call.request.app[HOOKS].hooks, 1) if h.place == path]


def _deliveries(call: Call) -> list[tuple[int, Delivery]]:
    """The deliveries of the hook in the path, by their index among all."""
    hook_id = int(call.request.match_info["hook"])
    hook = next((hook for number, hook in _hooks(call) if number == hook_id), None)
    if hook is None:
        raise not_found()
    numbered = enumerate(call.request.app[DELIVERER].deliveries, 1)
    return [
        (n, delivery)
        for n, delivery in numbered
        if delivery.headers.get("X-Gitlab-Webhook-UUID") == hook.id
    ]


def _event(number: int, delivery: Delivery) -> Json:
    return {
        "id": number,
        "url": delivery.url,
        "trigger": f"{delivery.event}_hooks",
        "request_headers": delivery.headers,
        "request_data": {},
        "response_headers": {},
        "response_body": delivery.answer,
        "execution_duration": delivery.seconds,
        "response_status": str(delivery.status or "internal error"),
        "created_at": stamp(delivery.at),
    }
