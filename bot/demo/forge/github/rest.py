"""GitHub's REST API on the local forge: repositories, pull requests, comments, issues, Apps."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web

from bot.demo.forge.access import ApiError, caller_of
from bot.demo.forge.github.api import (
    SHAPES,
    Call,
    endpoint,
    invalid,
    not_found,
    text_field,
)
from bot.demo.forge.github.shapes import REACTIONS
from bot.demo.forge.values import IssueState, Json

LONGEST_BODY = 65_536  # characters, of a comment
routes = web.RouteTableDef()
PULL, ISSUE = "/pulls/{number:[0-9]+}", "/issues/{number:[0-9]+}"
COMMENT = "/issues/comments/{id:[0-9]+}"
_REASONS = ("completed", "not_planned", "duplicate", "reopened", None)


# Repositories and pull requests


@endpoint(routes, "GET", "")
async def repository(call: Call) -> web.Response:
    shape = call.shapes.repository(call.repository, call.caller.user)
    return web.json_response({**shape, "network_count": 0, "subscribers_count": 0})


@endpoint(routes, "GET", "/collaborators/{login}/permission", signed_in=True)
async def permission(call: Call) -> web.Response:
    """The role of a user; `permission` folds triage into read and maintain into write."""
    repository = call.repository
    if call.app is None and repository.role(call.caller.user) in ("none", "read"):
        message = "Must have push access to view collaborator permission."
        raise ApiError(HTTPStatus.FORBIDDEN, message)
    login = call.request.match_info["login"]
    user = call.state.users.get(login)
    if user is None:
        raise ApiError(HTTPStatus.NOT_FOUND, f"{login} is not a user")
    role = repository.role(user)
    folded = {"triage": "read", "maintain": "write"}.get(role, role)
    account = {**call.shapes.user(user), "role_name": role}
    return web.json_response({"permission": folded, "role_name": role, "user": account})


@endpoint(routes, "GET", "/activity", "contents:read")
async def activity(call: Call) -> web.Response:
    """The moves of a branch, or of all branches, with their actors, newest first."""
    ref = call.request.query.get("ref")
    branch = ref.removeprefix("refs/heads/") if ref else None
    return call.page(call.state.pushes_to(call.repository, branch), call.shapes.activity)


@endpoint(routes, "GET", "/pulls", "pull_requests:read")
async def pulls(call: Call) -> web.Response:
    """Open pull requests, or those in the query's state; newest or most recently changed first."""
    query = call.request.query
    selection = call.state.pulls_of(
        call.repository, query.get("state", "open"),
        by_change=query.get("sort") == "updated", rising=query.get("direction") == "asc",
    )  # fmt: skip
    return call.page(selection, lambda pull: call.shapes.pull(pull, whole=False))


@endpoint(routes, "GET", PULL, "pull_requests:read")
async def pull(call: Call) -> web.Response:
    return web.json_response(call.shapes.pull(call.pull))


@endpoint(routes, "GET", PULL + "/files", "pull_requests:read")
async def files(call: Call) -> web.Response:
    repository, pull = call.repository, call.pull
    base = repository.git.merge_base(pull.base_sha, pull.head_sha)
    changes = repository.git.changes(base, pull.head_sha) if base else ()
    return call.page(changes, lambda change: call.shapes.file(repository, change, pull.head_sha))


@endpoint(routes, "GET", "/commits/{ref}/pulls", "pull_requests:read")
async def pulls_of_commit(call: Call) -> web.Response:
    selection = call.state.pulls_with(call.repository, call.commit)
    return call.page(selection, lambda pull: call.shapes.pull(pull, whole=False))


# Comments and reactions


@endpoint(routes, "GET", ISSUE + "/comments", "pull_requests:read")
async def comments(call: Call) -> web.Response:
    """The comments, oldest first."""
    return call.page(call.state.comments_of(call.pull), call.shapes.comment)


@endpoint(routes, "POST", ISSUE + "/comments", "pull_requests:write")
async def create_comment(call: Call) -> web.Response:
    pull, body = call.pull, _text(call)
    shape = call.shapes.comment(call.state.add_comment(pull, call.user, body, call.app))
    return _created(shape)


def _created(shape: Json) -> web.Response:
    return web.json_response(shape, status=HTTPStatus.CREATED, headers={"Location": shape["url"]})


def _text(call: Call) -> str:
    text = text_field(call.body, "body", "IssueComment", limit=LONGEST_BODY)
    if not text.strip():
        raise invalid("IssueComment", "body", "missing_field", "Body cannot be blank")
    return text


@endpoint(routes, "PATCH", COMMENT, "pull_requests:write")
async def edit_comment(call: Call) -> web.Response:
    comment = call.comment
    _own_or_write(call)
    call.state.edit_comment(comment, call.user, _text(call))
    return web.json_response(call.shapes.comment(comment))


@endpoint(routes, "DELETE", COMMENT, "pull_requests:write")
async def delete_comment(call: Call) -> web.Response:
    comment = call.comment
    _own_or_write(call)
    call.state.delete_comment(comment)
    return web.Response(status=HTTPStatus.NO_CONTENT)


def _own_or_write(call: Call) -> None:
    if call.comment.user is not call.caller.user and not call.may("write", "pull_requests:write"):
        raise ApiError(HTTPStatus.FORBIDDEN, "Must have admin rights to Repository.")


@endpoint(routes, "POST", COMMENT + "/reactions", "pull_requests:write")
async def react(call: Call) -> web.Response:
    """Add a reaction: 201, or 200 if the caller has already added it."""
    comment = call.comment
    content = text_field(call.body, "content", "Reaction")
    if content not in REACTIONS:
        raise invalid("Reaction", "content", "invalid")
    reaction, new = call.state.react(comment, call.user, content)
    status = HTTPStatus.CREATED if new else HTTPStatus.OK
    return web.json_response(call.shapes.reaction(reaction), status=status)


# Issues


@endpoint(routes, "GET", "/issues", "issues:read")
async def issues(call: Call) -> web.Response:
    """Open issues, or those in the query's state, newest first."""
    query = call.request.query
    selection = call.state.issues_of(
        call.repository, query.get("state", "open"), query.get("creator"),
        rising=query.get("direction") == "asc",
    )  # fmt: skip
    return call.page(selection, call.shapes.issue)


@endpoint(routes, "POST", "/issues", "issues:write")
async def create_issue(call: Call) -> web.Response:
    title, body, _ = _issue_fields(call.body, ("", "", "open"))
    if not title.strip():
        raise invalid("Issue", "title", "missing_field")
    issue = call.state.add_issue(call.repository, call.user, title, body, call.app)
    return _created(call.shapes.issue(issue))


@endpoint(routes, "PATCH", ISSUE, "issues:write", role="triage")
async def edit_issue(call: Call) -> web.Response:
    issue = call.state.issue(call.repository, int(call.request.match_info["number"]))
    if issue is None:
        raise not_found()
    if call.body.get("state_reason") not in _REASONS:
        raise invalid("Issue", "state_reason", "invalid")
    issue.change(*_issue_fields(call.body, issue.versions[-1]))
    issue.reason = call.body.get("state_reason", issue.reason)
    return web.json_response(call.shapes.issue(issue))


def _issue_fields(
    fields: Json, current: tuple[str, str, IssueState]
) -> tuple[str, str, IssueState]:
    title, body = fields.get("title", current[0]), fields.get("body", current[1]) or ""
    state: IssueState = fields.get("state", current[2])
    if not isinstance(title, str) or not isinstance(body, str) or len(body) > LONGEST_BODY:
        raise invalid("Issue", "body", "invalid")
    if state not in ("open", "closed"):
        raise invalid("Issue", "state", "invalid")
    return title, body, state


# The caller's own account


@routes.get("/user")
async def user(request: web.Request) -> web.Response:
    caller = caller_of(request)
    if caller.installation is not None:
        raise ApiError(HTTPStatus.FORBIDDEN, "Resource not accessible by integration")
    if caller.user is None:
        raise ApiError(HTTPStatus.UNAUTHORIZED, "Requires authentication")
    return web.json_response(request.app[SHAPES].whole_user(caller.user))
