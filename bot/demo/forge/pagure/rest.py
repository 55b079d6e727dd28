"""Pagure's REST API on the local forge: projects, pull requests, flags, issues, people."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from aiohttp import web

from bot.demo.forge.access import STATE, ApiError, UserCall, caller_of
from bot.demo.forge.pagure.shapes import PagureShapes
from bot.demo.forge.traffic import TRAFFIC, Handler, slice_of
from bot.demo.forge.values import Json, Pull, User

API_PREFIX = "/api/0"
SHAPES: web.AppKey[PagureShapes] = web.AppKey("pagure-shapes", PagureShapes)
_PER_PAGE = 20
_FLAGS = ("success", "failure", "error", "pending", "canceled")
_REFUSED = "Invalid or expired token. Please visit settings#nav-api-tab to renew it: Invalid token"
routes = web.RouteTableDef()


@web.middleware
async def pagure_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The middleware that formats errors, answers with planned faults, and records requests."""
    return await request.app[TRAFFIC].answer(request, handler, _refusal)


def _refusal(error: ApiError | web.HTTPException) -> web.Response:
    if isinstance(error, web.HTTPException):
        raise error
    body = {"error": error.message, "error_code": "ENOCODE"}
    return web.json_response(body, status=error.status, headers=error.headers)


def gone(what: str) -> ApiError:
    return ApiError(HTTPStatus.NOT_FOUND, f"{what} not found")


@dataclass(frozen=True, slots=True)
class Call(UserCall[PagureShapes]):
    """A request about a project; `caller` is its user, None if anonymous."""

    @property
    def pull(self) -> Pull:
        """The pull request in the path; ApiError 404."""
        return self.pull_at("number", gone("Pull-Request"))

    def page(self, key: str, items: Sequence[Any], shape: Callable[[Any], Json]) -> web.Response:
        """One page of a list."""
        query = self.request.query
        page, most = int(query.get("page", 1)), int(query.get("per_page", _PER_PAGE))
        part, last = slice_of(items, page, most)
        pages = {"page": page, "pages": last, "per_page": most}
        return web.json_response({key: [shape(item) for item in part], "pagination": pages})


Endpoint = Callable[[Call], Awaitable[web.Response]]


def endpoint(method: str, path: str) -> Callable[[Endpoint], Endpoint]:
    """Register a handler below a project's or a fork's path; writing takes a token."""

    def decorate(function: Endpoint) -> Endpoint:
        async def handle(request: web.Request) -> web.StreamResponse:
            user = caller_user(request)
            if method == "POST" and user is None:
                raise ApiError(HTTPStatus.UNAUTHORIZED, _REFUSED)
            match = request.match_info
            name = f"{match.get('fork') or match['namespace']}/{match['name']}"
            repository = request.app[STATE].repository(name)
            # The API does not show private projects.
            if repository is None or repository.private:
                raise gone("Project")
            content = await request.read()
            body: Json = json.loads(content) if content else {}
            return await function(Call(request, repository, body, user, request.app[SHAPES]))

        routes.route(method, "/fork/{fork}/{namespace}/{name}" + path)(handle)
        routes.route(method, "/{namespace}/{name}" + path)(handle)
        return function

    return decorate


def caller_user(request: web.Request) -> User | None:
    """The user of the token; ApiError 401 for an invalid one."""
    try:
        return caller_of(request).user
    except ApiError:
        raise ApiError(HTTPStatus.UNAUTHORIZED, _REFUSED) from None


# People


@routes.post("/-/whoami")
async def whoami(request: web.Request) -> web.Response:
    user = caller_user(request)
    if user is None:
        raise ApiError(HTTPStatus.UNAUTHORIZED, _REFUSED)
    return web.json_response({"username": user.login})


@routes.get("/user/{login}")
async def one_user(request: web.Request) -> web.Response:
    user = request.app[STATE].users.get(request.match_info["login"])
    if user is None:
        raise ApiError(HTTPStatus.NOT_FOUND, "No such user found")
    return web.json_response({"user": request.app[SHAPES].user(user), "repos": [], "forks": []})


@routes.get("/group/{group}")
async def one_group(_: web.Request) -> web.Response:
    """Answer 404: this forge has no groups."""
    raise gone("Group")


# Pull requests


@endpoint("GET", "/git/branches")
async def branches(call: Call) -> web.Response:
    tips, default = call.repository.git.branches(), call.repository.default_branch
    default_tip = {default: tips[default]} if default in tips else {}
    return web.json_response(
        {"branches": tips, "default": default_tip, "total_branches": len(tips)}
    )


@endpoint("GET", "/pull-requests")
async def pulls(call: Call) -> web.Response:
    """The pull requests in a status, newest first."""
    status = call.request.query.get("status", "Open")
    selection = [
        pull
        for pull in reversed(call.state.pulls)
        if pull.repository is call.repository and call.shapes.status_of(pull) == status
    ]
    return call.page("requests", selection, call.shapes.pull)


@endpoint("GET", "/pull-request/{number:[0-9]+}")
async def pull(call: Call) -> web.Response:
    whole = call.request.query.get("comments") != "false"
    return web.json_response(call.shapes.pull(call.pull, comments=whole))


@endpoint("GET", "/pull-request/{number:[0-9]+}/diffstats")
async def diffstats(call: Call) -> web.Response:
    git, pull = call.repository.git, call.pull
    base = git.merge_base(pull.base_sha, pull.head_sha) or pull.base_sha
    return web.json_response(
        {
            change.path: {
                "lines_added": change.additions,
                "lines_removed": change.deletions,
                "new_id": change.blob,
                "old_id": change.blob,
                "old_path": change.previous or change.path,
                "status": change.state[0].upper(),
            }
            for change in git.changes(base, pull.head_sha)
        }
    )


@endpoint("POST", "/pull-request/{number:[0-9]+}/comment")
async def create_comment(call: Call) -> web.Response:
    call.state.add_comment(call.pull, call.user, _required_text(call, "comment"))
    return web.json_response({"message": "Comment added"})


# Flags


@endpoint("GET", "/c/{sha:[0-9a-f]{40}}/flag")
async def flags(call: Call) -> web.Response:
    """The newest flag of each id, the newest last."""
    sha = call.request.match_info["sha"]
    newest = {flag.context: flag for flag in call.state.statuses_of(call.repository, sha)}
    shapes = [call.shapes.flag(flag) for flag in sorted(newest.values(), key=lambda flag: flag.id)]
    return web.json_response({"flags": shapes, "total_flags": len(shapes)})


@endpoint("POST", "/c/{sha:[0-9a-f]{40}}/flag")
async def set_flag(call: Call) -> web.Response:
    name, text, word, url = (
        _required_text(call, field) for field in ("username", "comment", "status", "url")
    )
    if word not in _FLAGS:
        raise ApiError(HTTPStatus.BAD_REQUEST, "Invalid or incomplete input submitted")
    status = call.state.add_status(
        call.repository, call.request.match_info["sha"], word, name, call.user,
        description=text, target_url=url,
    )  # fmt: skip
    call.state.announce("status.created", status)
    shape = {"message": "Flag added", "uid": call.body.get("uid"), "flag": call.shapes.flag(status)}
    return web.json_response(shape)


# Issues


@endpoint("GET", "/issues")
async def issues(call: Call) -> web.Response:
    author = call.request.query.get("author")
    selection = call.state.issues_of(call.repository, "all", author, rising=False)
    return call.page("issues", selection, call.shapes.issue)


@endpoint("POST", "/new_issue")
async def create_issue(call: Call) -> web.Response:
    texts = _required_text(call, "title"), _required_text(call, "issue_content")
    issue = call.state.add_issue(call.repository, call.user, *texts)
    return web.json_response({"message": "Issue created", "issue": call.shapes.issue(issue)})


@endpoint("POST", "/issue/{number:[0-9]+}/{what:comment|status}")
async def change_issue(call: Call) -> web.Response:
    """Add a comment to an issue, as anybody, or change its status, with the access `ticket`."""
    what = call.request.match_info["what"]
    issue = call.state.issue(call.repository, int(call.request.match_info["number"]))
    if issue is None:
        raise gone("Issue")
    text = _required_text(call, what)
    if what == "comment":
        issue.change(issue.title, text, issue.state)
        return web.json_response({"message": "Comment added"})
    if not call.has("triage"):
        raise ApiError(HTTPStatus.FORBIDDEN, "You are not allowed to view this issue")
    issue.change(issue.title, issue.body, "open" if text == "Open" else "closed")
    return web.json_response({"message": ["Issue status updated"]})


@endpoint("GET", "")
async def project(call: Call) -> web.Response:
    return web.json_response(call.shapes.project(call.repository))


def _required_text(call: Call, name: str) -> str:
    """A field of the body; ApiError 400 if it is missing or empty."""
    text = call.body.get(name)
    if not isinstance(text, str) or not text.strip():
        raise ApiError(HTTPStatus.BAD_REQUEST, "Invalid or incomplete input submitted")
    return text
