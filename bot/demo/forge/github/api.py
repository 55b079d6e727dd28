"""The common parts of GitHub's API: a call and its access, bodies, pages, errors, rate limits.

Errors are GitHub's: 401 for invalid credentials, 404 for what is not visible to the caller, 403 for
a missing permission.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from aiohttp import web

from bot.demo.forge.access import STATE, ApiError, Caller, RepositoryCall, caller_of, may
from bot.demo.forge.github.shapes import Shapes
from bot.demo.forge.traffic import TRAFFIC, Handler, link_header, slice_of
from bot.demo.forge.values import App, Comment, Json, Pull, Repository, User

API_PREFIX = "/api/v3"
SHAPES: web.AppKey[Shapes] = web.AppKey("shapes", Shapes)
REPO = "/repos/{owner}/{repo}"
PER_PAGE = 30
_LIMITS = {"Limit": "5000", "Remaining": "4999", "Used": "1", "Resource": "core"}


@web.middleware
async def api_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The middleware that finds the caller, formats errors, and adds rate limit headers."""
    if not request.path.startswith(f"{API_PREFIX}/"):
        return await handler(request)

    async def known_caller(request: web.Request) -> web.StreamResponse:
        caller_of(request)  # refuses invalid credentials for all requests
        return await handler(request)

    response = await request.app[TRAFFIC].answer(request, known_caller, _refusal)
    response.headers.setdefault("X-GitHub-Media-Type", "github.v3; format=json")
    reset = {"Reset": str(int(time.time()) + 3600)}
    for name, value in {**_LIMITS, **reset}.items():
        response.headers.setdefault(f"X-RateLimit-{name}", value)
    return response


def _refusal(error: ApiError | web.HTTPException) -> web.Response:
    refused = ApiError.of(error)
    body: Json = {"message": refused.message}
    if refused.errors is not None:
        body["errors"] = refused.errors
    body |= {"documentation_url": "https://docs.github.com/rest", "status": str(refused.status)}
    return web.json_response(body, status=refused.status, headers=refused.headers)


def not_found() -> ApiError:
    return ApiError(HTTPStatus.NOT_FOUND, "Not Found")


def invalid(resource: str, field: str, code: str, message: str | None = None) -> ApiError:
    """GitHub's error 422: the field of a resource, and a code (`missing_field`, ...)."""
    error = {"resource": resource, "field": field, "code": code}
    if message is not None:
        error["message"] = message
    return ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, "Validation Failed", [error])


@dataclass(frozen=True, slots=True)
class Call(RepositoryCall):
    """A request about a repository, with who makes it."""

    caller: Caller

    @property
    def shapes(self) -> Shapes:
        return self.request.app[SHAPES]

    @property
    def user(self) -> User:
        """The caller's account; ApiError 401 for anonymous callers."""
        if self.caller.user is None:
            raise ApiError(HTTPStatus.UNAUTHORIZED, "Requires authentication")
        return self.caller.user

    @property
    def app(self) -> App | None:
        """The App that calls."""
        return self.caller.installation.app if self.caller.installation else None

    @property
    def pull(self) -> Pull:
        """The pull request in the path; ApiError 404."""
        return self.pull_at("number", not_found())

    @property
    def comment(self) -> Comment:
        """The comment in the path, if it is not on a line; ApiError 404."""
        return self.comment_at("id", not_found())

    @property
    def line_comment(self) -> Comment:
        """The comment on a line in the path; ApiError 404."""
        return self.comment_at("id", not_found(), on_line=True)

    @property
    def commit(self) -> str:
        """The commit id of the branch, tag or id in the path; ApiError 404."""
        return self.commit_at("ref", not_found())

    def may(self, role: str, permission: str) -> bool:
        """Return whether the caller has this role, or its App the permission."""
        return may(self.caller, self.repository, role, permission)

    def page(
        self, items: Sequence[Any], shape: Callable[[Any], Any], key: str | None = None
    ) -> web.Response:
        """One page of a list."""
        return page_of(self.request, items, shape, key)


def page_of(
    request: web.Request, items: Sequence[Any], shape: Callable[[Any], Any], key: str | None = None
) -> web.Response:
    """One page of a list (`per_page`, `page`), with the Link header to the others.

    `key` is the field of the list if GitHub wraps it together with a `total_count`.
    """
    page = _positive(request, "page", 1)
    part, last = slice_of(items, page, _positive(request, "per_page", PER_PAGE))
    before = {"prev": page - 1, "first": 1} if page > 1 else {}
    after = {"next": page + 1, "last": last} if page < last else {}
    links = link_header(request, {**before, **after})
    shapes = [shape(item) for item in part]
    body = shapes if key is None else {"total_count": len(items), key: shapes}
    return web.json_response(body, headers={"Link": links} if links else {})


def _positive(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, "")
    return int(text) if text.isdecimal() and int(text) > 0 else default


Endpoint = Callable[[Call], Awaitable[web.Response]]


def endpoint(
    routes: web.RouteTableDef,
    method: str,
    path: str,
    permission: str = "metadata:read",
    *,
    role: str = "read",
    signed_in: bool | None = None,
) -> Callable[[Endpoint], Endpoint]:
    """Register a handler below a repository's path, for users with the role and Apps with the
    permission. Writing takes a signed-in caller, unless `signed_in` says otherwise."""

    def decorate(function: Endpoint) -> Endpoint:
        async def handle(request: web.Request) -> web.StreamResponse:
            writes = request.method != "GET"
            needs_user = writes if signed_in is None else signed_in
            repository, caller = _repository_for(request, role, permission, signed_in=needs_user)
            body = await json_body(request) if writes else {}
            return await function(Call(request, repository, body, caller))

        routes.route(method, REPO + path)(handle)
        return function

    return decorate


def _repository_for(
    request: web.Request, role: str, permission: str, *, signed_in: bool
) -> tuple[Repository, Caller]:
    """The request's repository; ApiError if the caller lacks the role or permission."""
    state = request.app[STATE]
    caller = caller_of(request)
    match = request.match_info
    repository = state.repository(f"{match['owner']}/{match['repo']}")
    if repository is None or not may(caller, repository, "read", "metadata:read"):
        raise not_found()
    if caller.app is not None:
        raise ApiError(
            HTTPStatus.UNAUTHORIZED,
            "A JSON web token cannot be used here; ask for an installation access token",
        )
    if signed_in and caller.user is None:
        raise ApiError(HTTPStatus.UNAUTHORIZED, "Requires authentication")
    if not may(caller, repository, role, permission):
        if caller.installation is not None:
            raise ApiError(HTTPStatus.FORBIDDEN, "Resource not accessible by integration")
        raise ApiError(HTTPStatus.FORBIDDEN, "Must have admin rights to Repository.")
    return repository, caller


async def json_body(request: web.Request) -> Json:
    """The request's JSON object ({} for an empty body); ApiError 400 if it is none."""
    raw = await request.read()
    if not raw:
        return {}
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ApiError(HTTPStatus.BAD_REQUEST, "Problems parsing JSON")
    return body


def text_field(body: Json, field: str, resource: str, *, limit: int | None = None) -> str:
    """A required text of a body; ApiError 422 if it is missing, no text, or longer than `limit`."""
    value = body.get(field)
    if value is None:
        raise invalid(resource, field, "missing_field")
    if not isinstance(value, str):
        raise invalid(resource, field, "invalid")
    if limit is not None and len(value) > limit:
        raise invalid(
            resource, field, "unprocessable", f"{field} is too long (maximum is {limit} characters)"
        )
    return value
