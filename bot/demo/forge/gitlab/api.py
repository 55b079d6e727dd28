"""The common parts of GitLab's API v4: a call and its access, parameters, pages, errors.

https://docs.gitlab.com/api/rest/. Undocumented parameters are refused, which GitLab would ignore,
so that mistakes of the bot show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from bot.demo.forge.access import STATE, ApiError, Caller, UserCall, caller_of, endpoint_below
from bot.demo.forge.gitlab.shapes import LEVELS, GitLabShapes
from bot.demo.forge.traffic import MOST_PER_PAGE, TRAFFIC, Handler, link_header, slice_of
from bot.demo.forge.values import Comment, Json, Pull, Repository, User

API_PREFIX = "/api/v4"
SHAPES: web.AppKey[GitLabShapes] = web.AppKey("gitlab-shapes", GitLabShapes)
PROJECT = "/projects/{project}"
PER_PAGE = 20


@web.middleware
async def gitlab_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The middleware that formats errors, answers with planned faults, adds rate limit headers, and
    records requests."""
    response = await request.app[TRAFFIC].answer(request, handler, _refusal)
    response.headers.setdefault("RateLimit-Limit", "2000")
    response.headers.setdefault("RateLimit-Remaining", "1999")
    return response


def _refusal(error: ApiError | web.HTTPException) -> web.Response:
    if isinstance(error, ApiError):
        body = {"message": error.message}
        return web.json_response(body, status=error.status, headers=error.headers)
    if isinstance(error, web.HTTPMovedPermanently):
        return web.Response(status=error.status, headers={"Location": str(error.location)})
    return web.json_response({"error": f"{error.status} {error.reason}"}, status=error.status)


def bad_request(message: object) -> ApiError:
    return ApiError(HTTPStatus.BAD_REQUEST, str(message))


def not_found(what: str = "Not found") -> ApiError:
    return ApiError(HTTPStatus.NOT_FOUND, f"404 {what}")


def forbidden() -> ApiError:
    return ApiError(HTTPStatus.FORBIDDEN, "403 Forbidden")


def unauthorized() -> ApiError:
    return ApiError(HTTPStatus.UNAUTHORIZED, "401 Unauthorized")


def refuse_unknown(names: Iterable[str], allowed: Sequence[str]) -> None:
    """Refuse query parameters or fields that the documentation of a route does not list."""
    unknown = set(names) - set(allowed)
    if unknown:
        raise bad_request(f"unknown parameters: {sorted(unknown)}")


def caller_user(request: web.Request, *, required: bool = True) -> User | None:
    """The calling user, by `Authorization: Bearer` or `PRIVATE-TOKEN`."""
    private = request.headers.get("PRIVATE-TOKEN")
    try:
        if private is None:
            caller = caller_of(request)
        else:
            token = request.app[STATE].tokens.get(private)
            caller = Caller(user=token.user) if token else Caller()
    except ApiError:
        raise unauthorized() from None
    if caller.user is None and (required or private is not None):
        raise unauthorized()
    return caller.user


@dataclass(frozen=True, slots=True)
class Call(UserCall[GitLabShapes]):
    """A request about a repository, with its caller."""

    @property
    def project(self) -> Repository:
        """The repository, which GitLab calls a project."""
        return self.repository

    @property
    def merge(self) -> Pull:
        """The merge request in the path; ApiError 404."""
        return self.pull_at("iid", not_found())

    @property
    def note(self) -> Comment:
        """The note in the path; ApiError 404."""
        number = int(self.request.match_info["note"])
        for note in self.state.all_comments_of(self.merge):
            if note.id == number:
                return note
        raise not_found()

    @property
    def commit(self) -> str:
        """The commit in the path; ApiError 404."""
        sha = self.project.git.resolve(self.request.match_info["sha"])
        if sha is None:
            raise not_found("Commit Not Found")
        return sha

    def page(self, items: Sequence[Any], shape: Callable[[Any], Json]) -> web.Response:
        return page_of(self.request, items, shape)


def page_of(
    request: web.Request, items: Sequence[Any], shape: Callable[[Any], Json]
) -> web.Response:
    """One page, with GitLab's X- headers and its Link header."""
    per_page = min(_positive(request, "per_page", PER_PAGE), MOST_PER_PAGE)
    page = _positive(request, "page", 1)
    part, last = slice_of(items, page, per_page)
    before = {"prev": page - 1} if page > 1 else {}
    after = {"next": page + 1} if page < last else {}
    targets = {"first": 1, "last": last, **before, **after}
    headers = {
        "Link": link_header(request, targets, per_page=str(per_page)),
        "X-Page": str(page),
        "X-Per-Page": str(per_page),
        "X-Total": str(len(items)),
        "X-Total-Pages": str(last),
        "X-Next-Page": str(targets.get("next", "")),
        "X-Prev-Page": str(targets.get("prev", "")),
    }
    return web.json_response([shape(item) for item in part], headers=headers)


def _positive(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not text.isdecimal() or int(text) < 1:
        raise bad_request(f"{name} is invalid")
    return int(text)


async def _call(request: web.Request, names: Sequence[str], role: str) -> Call:
    body: Json = {}
    if request.method in ("GET", "HEAD"):
        refuse_unknown(request.query, (*names, "page", "per_page"))
    project, user = _project_of(request, role)
    if request.method in ("POST", "PUT"):
        body = await _body_of(request)
        refuse_unknown(body, names)
    return Call(request, project, body, user, request.app[SHAPES])


endpoint = endpoint_below(PROJECT, _call)


async def _body_of(request: web.Request) -> Json:
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise bad_request("the body is no JSON object")
    return body


def _project_of(request: web.Request, role: str) -> tuple[Repository, User | None]:
    """The project in the path, by id or path; ApiError if the caller lacks the role."""
    state = request.app[STATE]
    name = unquote(request.match_info["project"])
    user = caller_user(request, required=role != "read")
    repository = next((r for r in state.repositories.values() if str(r.id) == name), None)
    if repository is None and not name.isdecimal():
        repository = state.repository(name)
        if repository is not None and repository.path_with_namespace.casefold() != name.casefold():
            old = request.rel_url.raw_path.split("/projects/")[1].split("/")[0]
            path = request.rel_url.raw_path.replace(
                f"/projects/{old}", f"/projects/{repository.id}"
            )
            raise web.HTTPMovedPermanently(f"{path}?{request.query_string}".rstrip("?"))
    if repository is None or repository.role(user) == "none":
        raise not_found("Project Not Found")
    if LEVELS[repository.role(user)] < LEVELS[role]:
        raise forbidden()
    if repository.archived and request.method != "GET":
        raise forbidden()
    return repository, user
