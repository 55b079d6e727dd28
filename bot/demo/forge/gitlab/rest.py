"""GitLab's REST API v4 on the local forge: users, projects, members, merge requests, statuses.

https://docs.gitlab.com/api/rest/. Parameters that the documentation does not know are refused,
where GitLab would pass over them: a mistake shall show.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from bot.demo.forge.access import STATE, ApiError, Caller, caller_of
from bot.demo.forge.gitlab.shapes import LEVELS, GitLabShapes, Json
from bot.demo.forge.middleware import TRAFFIC
from bot.demo.forge.state import CommitStatus, Pull, Repository, User

SHAPES: web.AppKey[GitLabShapes] = web.AppKey("gitlab-shapes", GitLabShapes)
# The pipelines there are now: project, commit and id of each.
PIPELINE_IDS: web.AppKey[Callable[[], set[tuple[int, str, int]]]] = web.AppKey(
    "gitlab-pipeline-ids"
)
routes = web.RouteTableDef()
PROJECT = "/projects/{project}"
MERGE = PROJECT + "/merge_requests/{iid:[0-9]+}"
PER_PAGE, MOST_PER_PAGE = 20, 100
STATES = ("pending", "running", "success", "failed", "canceled", "skipped")
_UNDER_WAY = ("pending", "running")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def refused(status: int, message: object) -> ApiError:
    """A refusal; GitLab's bodies have the text under `message`."""
    return ApiError(status, str(message))


@web.middleware
async def gitlab_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Errors in GitLab's shape, faults for tests, rate limit headers, and the record."""
    traffic = request.app[TRAFFIC]
    response: web.StreamResponse
    try:
        traffic.meet_fault(request)
        response = await handler(request)
    except ApiError as error:
        body = {"message": error.message}
        response = web.json_response(body, status=error.status, headers=error.headers)
    except web.HTTPMovedPermanently as error:
        response = web.Response(status=error.status, headers={"Location": str(error.location)})
    except web.HTTPException as error:
        response = web.json_response(
            {"error": f"{error.status} {error.reason}"}, status=error.status
        )
    response.headers.setdefault("RateLimit-Limit", "2000")
    response.headers.setdefault("RateLimit-Remaining", "1999")
    traffic.requests.append((request.method, request.path_qs, response.status))
    return response


def parameters(request: web.Request, *known: str) -> None:
    """Refuses query parameters that the documentation of this route does not list."""
    strange = set(request.query) - {*known, "page", "per_page"}
    if strange:
        raise refused(HTTPStatus.BAD_REQUEST, f"unknown parameters: {sorted(strange)}")


async def body_of(request: web.Request, *known: str) -> Json:
    """The JSON body of a write; fields that the documentation does not list are refused."""
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise refused(HTTPStatus.BAD_REQUEST, "the body is no JSON object")
    strange = body.keys() - set(known)
    if strange:
        raise refused(HTTPStatus.BAD_REQUEST, f"unknown parameters: {sorted(strange)}")
    return body


def caller_user(request: web.Request, *, needed: bool = True) -> User | None:
    """Who calls, by `Authorization: Bearer` or `PRIVATE-TOKEN`."""
    state = request.app[STATE]
    private = request.headers.get("PRIVATE-TOKEN")
    try:
        if private is None:
            caller = caller_of(request)
        else:
            token = state.tokens.get(private)
            caller = Caller(user=token.user) if token else Caller()
    except ApiError:
        raise refused(HTTPStatus.UNAUTHORIZED, "401 Unauthorized") from None
    if caller.user is None and (needed or private is not None):
        raise refused(HTTPStatus.UNAUTHORIZED, "401 Unauthorized")
    return caller.user


def project_of(request: web.Request, least: str = "read") -> tuple[Repository, User | None]:
    """The project that the path names by id or path, if the caller has the role there."""
    state = request.app[STATE]
    name = unquote(request.match_info["project"])
    user = caller_user(request, needed=least != "read")
    found = next((r for r in state.repositories.values() if str(r.id) == name), None)
    if found is None and not name.isdecimal():
        found = state.repository(name)
        if found is not None and found.path_with_namespace.casefold() != name.casefold():
            path = request.rel_url.raw_path.replace(
                f"/projects/{request.rel_url.raw_path.split('/projects/')[1].split('/')[0]}",
                f"/projects/{found.id}",
            )
            raise web.HTTPMovedPermanently(f"{path}?{request.query_string}".rstrip("?"))
    if found is None or found.role(user) == "none":
        raise refused(HTTPStatus.NOT_FOUND, "404 Project Not Found")
    if LEVELS[found.role(user)] < LEVELS[least]:
        raise refused(HTTPStatus.FORBIDDEN, "403 Forbidden")
    if found.archived and request.method != "GET":
        raise refused(HTTPStatus.FORBIDDEN, "403 Forbidden")
    return found, user


def merge_of(request: web.Request, repository: Repository) -> Pull:
    found = request.app[STATE].pull(repository, int(request.match_info["iid"]))
    if found is None:
        raise refused(HTTPStatus.NOT_FOUND, "404 Not found")
    return found


def page_of(
    request: web.Request, items: Sequence[Any], shape: Callable[[Any], Json]
) -> web.Response:
    """One page, with GitLab's X- headers and its Link header."""
    per_page = min(_positive(request, "per_page", PER_PAGE), MOST_PER_PAGE)
    page = _positive(request, "page", 1)
    last = max(1, -(-len(items) // per_page))
    shown = [shape(item) for item in items[(page - 1) * per_page : page * per_page]]
    targets = {"first": 1, "last": last}
    if page > 1:
        targets["prev"] = page - 1
    if page < last:
        targets["next"] = page + 1
    links = [
        f'<{request.url.update_query(page=str(number), per_page=str(per_page))}>; rel="{name}"'
        for name, number in targets.items()
    ]
    headers = {
        "Link": ", ".join(links),
        "X-Page": str(page),
        "X-Per-Page": str(per_page),
        "X-Total": str(len(items)),
        "X-Total-Pages": str(last),
        "X-Next-Page": str(targets.get("next", "")),
        "X-Prev-Page": str(targets.get("prev", "")),
    }
    return web.json_response(shown, headers=headers)


def _positive(request: web.Request, name: str, otherwise: int) -> int:
    text = request.query.get(name, str(otherwise))
    if not text.isdecimal() or int(text) < 1:
        raise refused(HTTPStatus.BAD_REQUEST, f"{name} is invalid")
    return int(text)


@routes.get("/user")
async def own_user(request: web.Request) -> web.Response:
    parameters(request)
    user = caller_user(request)
    assert user is not None
    return web.json_response(request.app[SHAPES].whole_user(user))


@routes.get("/users")
async def users(request: web.Request) -> web.Response:
    parameters(request, "username", "search", "active")
    caller_user(request, needed=False)
    wanted = request.query.get("username", "").casefold()
    found = [u for u in request.app[STATE].users.values() if u.login.casefold() == wanted]
    return page_of(request, found, request.app[SHAPES].user)


@routes.get("/users/{id:[0-9]+}")
async def one_user(request: web.Request) -> web.Response:
    parameters(request)
    caller_user(request, needed=False)
    return web.json_response(request.app[SHAPES].whole_user(_user(request)))


def _user(request: web.Request) -> User:
    wanted = int(request.match_info["id"])
    for user in request.app[STATE].users.values():
        if user.id == wanted:
            return user
    raise refused(HTTPStatus.NOT_FOUND, "404 User Not Found")


@routes.get(PROJECT)
async def project(request: web.Request) -> web.Response:
    parameters(request, "statistics", "license", "with_custom_attributes")
    found, _ = project_of(request)
    return web.json_response(request.app[SHAPES].project(found))


@routes.get(PROJECT + "/members/all/{id:[0-9]+}")
async def member(request: web.Request) -> web.Response:
    parameters(request)
    found, _ = project_of(request, "read")
    shape = request.app[SHAPES].member(found, _user(request))
    if shape is None:
        raise refused(HTTPStatus.NOT_FOUND, "404 Not found")
    return web.json_response(shape)


@routes.get(PROJECT + "/repository/branches/{branch}")
async def branch(request: web.Request) -> web.Response:
    parameters(request)
    found, _ = project_of(request)
    shape = request.app[SHAPES].branch(found, unquote(request.match_info["branch"]))
    if shape is None:
        raise refused(HTTPStatus.NOT_FOUND, "404 Branch Not Found")
    return web.json_response(shape)


@routes.get(MERGE)
async def merge_request(request: web.Request) -> web.Response:
    known = ("render_html", "include_diverged_commits_count", "include_rebase_in_progress")
    parameters(request, *known)
    found, _ = project_of(request)
    return web.json_response(request.app[SHAPES].merge_request(merge_of(request, found)))


@routes.get(MERGE + "/diffs")
async def diffs(request: web.Request) -> web.Response:
    parameters(request, "unidiff")
    found, _ = project_of(request)
    wanted = merge_of(request, found)
    base = found.git.merge_base(wanted.base_sha, wanted.head_sha)
    changes = found.git.changes(base, wanted.head_sha) if base else ()
    return page_of(request, changes, request.app[SHAPES].diff)


@routes.get(PROJECT + "/repository/commits/{sha}/merge_requests")
async def merges_of_commit(request: web.Request) -> web.Response:
    """The merge requests that a commit came with, merged or not."""
    parameters(request, "state")
    found, _ = project_of(request)
    sha = found.git.resolve(request.match_info["sha"])
    if sha is None:
        raise refused(HTTPStatus.NOT_FOUND, "404 Commit Not Found")
    holding = [
        pull
        for pull in request.app[STATE].pulls
        if pull.repository is found
        and sha in {one.sha for one in found.git.commits(pull.base_sha, pull.head_sha)}
    ]
    return page_of(request, holding, request.app[SHAPES].merge_request)


@routes.get(PROJECT + "/repository/commits/{sha}/statuses")
async def statuses(request: web.Request) -> web.Response:
    """Newest last; `all` shows those that a later one of the same name replaced."""
    parameters(request, "ref", "stage", "name", "pipeline_id", "order_by", "sort", "all")
    found, _ = project_of(request)
    sha = found.git.resolve(request.match_info["sha"])
    made = [s for s in request.app[STATE].statuses.get(found.id, []) if s.sha == sha]
    if "name" in request.query:
        made = [s for s in made if s.context == request.query["name"]]
    if request.query.get("all") not in ("true", "True", "1"):
        made = list({s.context: s for s in made}.values())
    return page_of(request, made, request.app[SHAPES].status)


@routes.post(PROJECT + "/statuses/{sha}")
async def create_status(request: web.Request) -> web.Response:
    """Developer and above. One under way is moved on; to where it is already is refused."""
    found, user = project_of(request, "write")
    fields = ("state", "ref", "name", "context", "target_url", "description", "coverage")
    body = await body_of(request, *fields, "pipeline_id")
    sha = found.git.resolve(request.match_info["sha"])
    if sha is None:
        raise refused(HTTPStatus.NOT_FOUND, "404 Commit Not Found")
    word, name = body.get("state"), str(body.get("name") or body.get("context") or "default")
    if word not in STATES:
        raise refused(HTTPStatus.BAD_REQUEST, "state does not have a valid value")
    if len(str(body.get("description") or "")) > 255:
        raise refused(HTTPStatus.BAD_REQUEST, "description is too long (maximum is 255 characters)")
    ref = body.get("ref")
    if ref is not None and found.git.branch(str(ref)) is None:
        raise refused(HTTPStatus.NOT_FOUND, "404 References for commit Not Found")
    pipeline = body.get("pipeline_id")
    if pipeline is not None and (found.id, sha, pipeline) not in request.app[PIPELINE_IDS]():
        raise refused(HTTPStatus.NOT_FOUND, "404 References for commit Not Found")
    state = request.app[STATE]
    assert user is not None
    made = state.statuses.setdefault(found.id, [])
    running = [s for s in made if (s.sha, s.context) == (sha, name) and s.state in _UNDER_WAY]
    if running and running[-1].state == word:
        reason = f"Cannot transition status via :run from :{word}"
        raise refused(HTTPStatus.BAD_REQUEST, reason)
    description, target = body.get("description"), body.get("target_url")
    if running:
        status = running[-1]
        status.state, status.description, status.target_url = word, description, target
    else:
        status = CommitStatus(next(state.ids), sha, word, name, description, target, user)
        made.append(status)
    state.tell("status.created", status)
    return web.json_response(request.app[SHAPES].status(status), status=HTTPStatus.CREATED)
