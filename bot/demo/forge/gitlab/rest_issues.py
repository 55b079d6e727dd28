"""Issues of projects. https://docs.gitlab.com/api/issues/"""

from __future__ import annotations

from http import HTTPStatus
from typing import Literal

from aiohttp import web

from bot.demo.forge.gitlab.rest import (
    PROJECT,
    SHAPES,
    body_of,
    page_of,
    parameters,
    project_of,
    refused,
)
from bot.demo.forge.gitlab.shapes import LEVELS, GitLabShapes, Json, stamp
from bot.demo.forge.issues import LocalIssue, chosen_issues, new_issue, numbered

routes = web.RouteTableDef()
ISSUES = PROJECT + "/issues"


@routes.get(ISSUES)
async def listed(request: web.Request) -> web.Response:
    """All states, unless told otherwise, newest first."""
    parameters(request, "author_username", "scope", "state", "order_by", "sort")
    found, _ = project_of(request)
    shapes = request.app[SHAPES]
    return page_of(request, chosen_issues(request, found), lambda one: _shape(shapes, one))


@routes.post(ISSUES)
async def create(request: web.Request) -> web.Response:
    found, user = project_of(request)
    if user is None:
        raise refused(HTTPStatus.UNAUTHORIZED, "401 Unauthorized")
    given = await body_of(request, "title", "description")
    title = str(given.get("title") or "")
    if not title.strip():
        raise refused(HTTPStatus.BAD_REQUEST, "title is missing")
    versions = [(title, str(given.get("description") or ""), "open")]
    made = new_issue(request, found, user, versions=versions)
    shape = _shape(request.app[SHAPES], made)
    return web.json_response(shape, status=HTTPStatus.CREATED)


@routes.put(ISSUES + "/{iid:[0-9]+}")
async def edit(request: web.Request) -> web.Response:
    """The author may, and whoever has the role Planner or above."""
    found, user = project_of(request)
    issue = numbered(request, found, "iid")
    own = user is not None and (user is issue.user or LEVELS[found.role(user)] >= LEVELS["triage"])
    if not own:
        raise refused(HTTPStatus.FORBIDDEN, "403 Forbidden")
    given = await body_of(request, "title", "description", "state_event")
    states: dict[str, Literal["open", "closed"]] = {"close": "closed", "reopen": "open"}
    issue.change(
        str(given.get("title", issue.title)),
        str(given.get("description", issue.body)),
        states.get(str(given.get("state_event")), issue.state),
    )
    return web.json_response(_shape(request.app[SHAPES], issue))


def _shape(shapes: GitLabShapes, issue: LocalIssue) -> Json:
    """An issue as GitLab shows it."""
    path = issue.repository.path_with_namespace
    return {
        "id": issue.id,
        "iid": issue.number,
        "project_id": issue.repository.id,
        "title": issue.title,
        "description": issue.body,
        "state": "opened" if issue.state == "open" else "closed",
        "author": shapes.user(issue.user),
        "created_at": stamp(issue.created_at),
        "updated_at": stamp(issue.updated_at),
        "closed_at": stamp(issue.updated_at) if issue.state == "closed" else None,
        "labels": [],
        "confidential": False,
        "web_url": f"{shapes.web}/{path}/-/issues/{issue.number}",
    }
