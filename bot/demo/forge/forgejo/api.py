"""The common parts of Forgejo's API: a call and its access, parameters, pages, errors.

Unknown parameters and fields are refused, which Forgejo would ignore, so that mistakes of the bot
show.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from aiohttp import web

from bot.demo.forge.access import STATE, ApiError, UserCall, caller_of, endpoint_below
from bot.demo.forge.forgejo.shapes import ForgejoShapes
from bot.demo.forge.traffic import TRAFFIC, Handler, link_header, slice_of
from bot.demo.forge.values import ROLES, Comment, Json, Pull, Repository, User

API_PREFIX = "/api/v1"
SHAPES: web.AppKey[ForgejoShapes] = web.AppKey("forgejo-shapes", ForgejoShapes)
# The defaults of DEFAULT_PAGING_NUM and MAX_RESPONSE_ITEMS.
PER_PAGE, MOST = 30, 50


@web.middleware
async def forgejo_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The middleware that formats errors, answers with planned faults, and records requests."""
    return await request.app[TRAFFIC].answer(request, handler, _refusal)


def _refusal(error: ApiError | web.HTTPException) -> web.Response:
    refused = ApiError.of(error)
    body = {"message": refused.message, "url": "https://forge.example.org/api/swagger"}
    return web.json_response(body, status=refused.status, headers=refused.headers)


def gone() -> ApiError:
    return ApiError(HTTPStatus.NOT_FOUND, "The target couldn't be found.")


def wrong(message: str) -> ApiError:
    return ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, message)


@dataclass(frozen=True, slots=True)
class Call(UserCall[ForgejoShapes]):
    """A request about a repository, with its caller."""

    @property
    def pull(self) -> Pull:
        """The pull request in the path; ApiError 404."""
        return self.pull_at("index", gone())

    @property
    def comment(self) -> Comment:
        """The comment in the path; ApiError 404."""
        return self.comment_at("id", gone())

    @property
    def sha(self) -> str:
        """The commit in the path; ApiError 404."""
        return self.commit_at("sha", gone())

    def page(self, items: Sequence[Any], shape: Callable[[Any], Json]) -> web.Response:
        """One page of a list."""
        part, headers = self.slice(items)
        return web.json_response([shape(item) for item in part], headers=headers)

    def slice(self, items: Sequence[Any]) -> tuple[Sequence[Any], dict[str, str]]:
        """The items of the requested page, and headers with links to the others."""
        query = self.request.query
        page, limit = int(query.get("page", 1)), min(int(query.get("limit", PER_PAGE)), MOST)
        part, last = slice_of(items, page, limit)
        targets = {"next": page + 1, "last": last} if page < last else {}
        links = link_header(self.request, targets)
        total = {"X-Total-Count": str(len(items))}
        return part, {**total, "Link": links} if links else total


async def _call(request: web.Request, names: Sequence[str], role: str) -> Call:
    """The call of a request; only signed-in users may write."""
    reads = request.method in ("GET", "HEAD")
    repository, user = _repository(request, role, signed_in=not reads)
    content = b"" if reads else await request.read()
    body: Json = json.loads(content) if content else {}
    unknown = set(request.query if reads else body) - set(names)
    if unknown:
        raise wrong(f"unknown parameters: {sorted(unknown)}")
    return Call(request, repository, body, user, request.app[SHAPES])


endpoint = endpoint_below("/repos/{owner}/{repo}", _call)


def caller_user(request: web.Request) -> User | None:
    """The user of the token; ApiError 401 for an invalid one."""
    try:
        return caller_of(request).user
    except ApiError:
        raise ApiError(HTTPStatus.UNAUTHORIZED, "invalid username, password or token") from None


def _repository(
    request: web.Request, role: str, *, signed_in: bool
) -> tuple[Repository, User | None]:
    """The repository of the path; ApiError if the caller lacks the role."""
    user, match = caller_user(request), request.match_info
    repository = request.app[STATE].repository(f"{match['owner']}/{match['repo']}")
    if repository is None or repository.role(user) == "none":
        raise gone()
    if signed_in and user is None:
        raise ApiError(HTTPStatus.UNAUTHORIZED, "token is required")
    if ROLES.index(repository.role(user)) < ROLES.index(role):
        raise ApiError(HTTPStatus.FORBIDDEN, f"user should have a permission to {role}")
    if signed_in and repository.archived:
        raise ApiError(HTTPStatus.LOCKED, f"{repository.full_name} is archived")
    return repository, user
