"""Issues of the local forge: what they are, and GitHub's API of them.

https://docs.github.com/en/rest/issues/issues
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any, Literal

from aiohttp import web

from bot.demo.forge.access import STATE, acting_user, invalid, json_body, not_found, repository_for
from bot.demo.forge.middleware import page_of
from bot.demo.forge.rest_pulls import LONGEST_BODY
from bot.demo.forge.rest_repositories import REPO, SHAPES
from bot.demo.forge.shape_accounts import Json, stamp
from bot.demo.forge.shapes import Shapes, association
from bot.demo.forge.state import App, Repository, User, node_id, now

routes = web.RouteTableDef()
ISSUES = REPO + "/issues"
_REASONS = ("completed", "not_planned", "duplicate", "reopened", None)


@dataclass(slots=True)
class LocalIssue:
    """An issue, with every text it had: (title, body, state)."""

    id: int
    number: int
    repository: Repository
    user: User
    versions: list[tuple[str, str, Literal["open", "closed"]]]
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
    def state(self) -> Literal["open", "closed"]:
        return self.versions[-1][2]

    def change(self, title: str, body: str, state: Literal["open", "closed"]) -> None:
        """Makes it say this."""
        if (title, body, state) != self.versions[-1]:
            self.versions.append((title, body, state))
            self.updated_at = now()


ISSUE_LIST: web.AppKey[list[LocalIssue]] = web.AppKey("issues", list)


def chosen_issues(request: web.Request, repository: Repository) -> list[LocalIssue]:
    """The repository's issues in the order that the query asks for."""
    query = request.query
    wanted = {"opened": "open"}.get(query.get("state", ""), query.get("state"))
    author = query.get("creator") or query.get("author_username")
    found = [
        issue
        for issue in request.app[ISSUE_LIST]
        if issue.repository is repository
        and wanted in (None, "all", issue.state)
        and author in (None, issue.user.login)
    ]
    rising = "asc" in (query.get("direction"), query.get("sort"))
    return sorted(found, key=lambda one: one.number, reverse=not rising)


def new_issue(
    request: web.Request, repository: Repository, user: User, **fields: Any
) -> LocalIssue:
    state = request.app[STATE]
    made = LocalIssue(next(state.ids), next(repository.numbers), repository, user, **fields)
    request.app[ISSUE_LIST].append(made)
    return made


@routes.get(ISSUES)
async def listed(request: web.Request) -> web.Response:
    """Open ones, unless told otherwise, newest first."""
    found, _ = repository_for(request, permission="issues:read")
    chosen = chosen_issues(request, found)
    if "state" not in request.query:
        chosen = [issue for issue in chosen if issue.state == "open"]
    shapes = request.app[SHAPES]
    return page_of(request, chosen, lambda one: github_shape(shapes, one))


@routes.post(ISSUES)
async def create(request: web.Request) -> web.Response:
    found, caller = repository_for(request, "read", "issues:write", signed_in=True)
    title, body, _ = _github_fields(await json_body(request), ("", "", "open"))
    if not title.strip():
        raise invalid("Issue", "title", "missing_field")
    app = caller.installation.app if caller.installation else None
    made = new_issue(request, found, acting_user(caller), versions=[(title, body, "open")], app=app)
    shape = github_shape(request.app[SHAPES], made)
    return web.json_response(shape, status=HTTPStatus.CREATED, headers={"Location": shape["url"]})


@routes.patch(ISSUES + "/{number:[0-9]+}")
async def edit(request: web.Request) -> web.Response:
    found, _ = repository_for(request, "triage", "issues:write", signed_in=True)
    issue = numbered(request, found, "number")
    given = await json_body(request)
    if given.get("state_reason") not in _REASONS:
        raise invalid("Issue", "state_reason", "invalid")
    issue.change(*_github_fields(given, issue.versions[-1]))
    issue.reason = given.get("state_reason", issue.reason)
    return web.json_response(github_shape(request.app[SHAPES], issue))


def numbered(request: web.Request, repository: Repository, name: str) -> LocalIssue:
    number = int(request.match_info[name])
    for issue in request.app[ISSUE_LIST]:
        if issue.repository is repository and issue.number == number:
            return issue
    raise not_found()


def _github_fields(given: Json, before: tuple[str, str, Any]) -> tuple[str, str, Any]:
    title, body = given.get("title", before[0]), given.get("body", before[1]) or ""
    state = given.get("state", before[2])
    if not isinstance(title, str) or not isinstance(body, str) or len(body) > LONGEST_BODY:
        raise invalid("Issue", "body", "invalid")
    if state not in ("open", "closed"):
        raise invalid("Issue", "state", "invalid")
    return title, body, state


def github_shape(shapes: Shapes, issue: LocalIssue) -> Json:
    """An issue as GitHub shows it."""
    url = f"{shapes.repository_url(issue.repository)}/issues/{issue.number}"
    return {
        "url": url,
        "repository_url": shapes.repository_url(issue.repository),
        "labels_url": f"{url}/labels{{/name}}",
        "comments_url": f"{url}/comments",
        "events_url": f"{url}/events",
        "html_url": f"{shapes.web}/{issue.repository.full_name}/issues/{issue.number}",
        "id": issue.id,
        "node_id": node_id("I", issue.id),
        "number": issue.number,
        "title": issue.title,
        "user": shapes.user(issue.user),
        "labels": [],
        "state": issue.state,
        "locked": False,
        "assignee": None,
        "assignees": [],
        "milestone": None,
        "comments": 0,
        "created_at": stamp(issue.created_at),
        "updated_at": stamp(issue.updated_at),
        "closed_at": stamp(issue.updated_at) if issue.state == "closed" else None,
        "author_association": association(issue.repository, issue.user),
        "active_lock_reason": None,
        "body": issue.body,
        "reactions": shapes.rollup(url, []),
        "timeline_url": f"{url}/timeline",
        "performed_via_github_app": None,
        "state_reason": issue.reason,
    }
