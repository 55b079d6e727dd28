"""Forgejo's REST API on the local forge: pull requests, comments, statuses, issues, roles."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import unquote

from aiohttp import web

from bot.demo.forge.access import ApiError
from bot.demo.forge.forgejo.api import SHAPES, Call, caller_user, endpoint, gone, wrong
from bot.demo.forge.values import Comment, CommitStatus, Issue, IssueState

routes = web.RouteTableDef()
_PULL, _ISSUE = "/pulls/{index:[0-9]+}", "/issues/{index:[0-9]+}"
_COMMENT = "/issues/comments/{id:[0-9]+}"
_STATES = ("pending", "success", "error", "failure", "warning")
# The default of REACTIONS.
_REACTIONS = ("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")


@routes.get("/user")
async def own_user(request: web.Request) -> web.Response:
    user = caller_user(request)
    if user is None:
        raise ApiError(HTTPStatus.UNAUTHORIZED, "token is required")
    return web.json_response(request.app[SHAPES].user(user))


# Repositories and pull requests


@endpoint(routes, "GET", "")
async def repository(call: Call) -> web.Response:
    return web.json_response(call.shapes.repository(call.repository, call.caller))


@endpoint(routes, "GET", "/collaborators/{login}/permission")
async def permission(call: Call) -> web.Response:
    """A user's permission, which only the repository's administrators and that user may query."""
    login = call.request.match_info["login"]
    if call.caller is None or not (call.has("admin") or call.caller.login == login):
        message = (
            "Only admins can query all permissions, repo admins can query all repo permissions"
        )
        raise ApiError(HTTPStatus.FORBIDDEN, message)
    user = call.state.users.get(login)
    if user is None:
        raise gone()
    name = call.shapes.permission(call.repository, user)
    shape = {"permission": name, "role_name": name, "user": call.shapes.user(user)}
    return web.json_response(shape)


@endpoint(routes, "GET", "/activities/feeds", "date", "page", "limit")
async def activities(call: Call) -> web.Response:
    """The pushes to the repository, newest first, without links to other pages."""
    pushes, headers = call.slice(call.state.pushes_to(call.repository))
    headers.pop("Link", None)
    return web.json_response([call.shapes.activity(push) for push in pushes], headers=headers)


@endpoint(routes, "GET", "/branches/{branch}")
async def branch(call: Call) -> web.Response:
    name = unquote(call.request.match_info["branch"])
    sha = call.repository.git.branch(name)
    if sha is None:
        raise gone()
    return web.json_response({"name": name, "commit": {"id": sha}})


@endpoint(routes, "GET", "/pulls", "state", "sort", "poster", "page", "limit")
async def pulls(call: Call) -> web.Response:
    """Open pull requests, or those in the query's state; newest or most recently changed first."""
    state = call.request.query.get("state", "open")
    recent = call.request.query.get("sort") == "recentupdate"
    selection = call.state.pulls_of(call.repository, state, by_change=recent)
    return call.page(selection, call.shapes.pull)


@endpoint(routes, "GET", _PULL)
async def pull(call: Call) -> web.Response:
    return web.json_response(call.shapes.pull(call.pull))


@endpoint(routes, "GET", _PULL + "/files", "skip-to", "whitespace", "page", "limit")
async def files(call: Call) -> web.Response:
    git, pull = call.repository.git, call.pull
    base = git.merge_base(pull.base_sha, pull.head_sha)
    changes = git.changes(base, pull.head_sha) if base else ()
    return call.page(
        changes, lambda change: call.shapes.file(call.repository, change, pull.head_sha)
    )


@endpoint(routes, "GET", _PULL + "/commits", "page", "limit", "verification", "files")
async def commits(call: Call) -> web.Response:
    pull = call.pull
    selection = call.repository.git.commits(pull.base_sha, pull.head_sha)
    return call.page(selection, lambda commit: call.shapes.commit(call.repository, commit))


@endpoint(routes, "GET", "/commits/{sha}/pull")
async def pull_of_commit(call: Call) -> web.Response:
    """The pull request that was merged as this commit."""
    for pull in call.state.pulls:
        if pull.repository is call.repository and pull.merged and pull.head_sha == call.sha:
            return web.json_response(call.shapes.pull(pull))
    raise gone()


# Comments and reactions


@endpoint(routes, "GET", _ISSUE + "/comments", "since", "before")
async def comments(call: Call) -> web.Response:
    """All comments, oldest first: this list has no pages."""
    shapes = [call.shapes.comment(comment) for comment in call.state.comments_of(call.pull)]
    return web.json_response(shapes, headers={"X-Total-Count": str(len(shapes))})


@endpoint(routes, "POST", _ISSUE + "/comments", "body", "updated_at")
async def create_comment(call: Call) -> web.Response:
    comment = call.state.add_comment(call.pull, call.user, _text(call))
    return web.json_response(call.shapes.comment(comment), status=HTTPStatus.CREATED)


@endpoint(routes, "PATCH", _COMMENT, "body", "updated_at")
async def edit_comment(call: Call) -> web.Response:
    comment = _own_comment(call)
    call.state.edit_comment(comment, call.user, _text(call))
    return web.json_response(call.shapes.comment(comment))


@endpoint(routes, "DELETE", _COMMENT)
async def delete_comment(call: Call) -> web.Response:
    call.state.delete_comment(_own_comment(call))
    return web.Response(status=HTTPStatus.NO_CONTENT)


def _own_comment(call: Call) -> Comment:
    if call.comment.user is not call.caller and not call.has("admin"):
        raise ApiError(HTTPStatus.FORBIDDEN, "")
    return call.comment


def _text(call: Call) -> str:
    text = call.body.get("body")
    if not isinstance(text, str) or not text:
        raise wrong("[Body]: Required")
    return text


@endpoint(routes, "POST", _COMMENT + "/reactions", "content")
async def react(call: Call) -> web.Response:
    """Add a reaction: 201, or 200 if the caller has already added it."""
    content = str(call.body.get("content"))
    if content not in _REACTIONS:
        raise ApiError(HTTPStatus.FORBIDDEN, f"'{content}' is not an allowed reaction")
    reaction, new = call.state.react(call.comment, call.user, content)
    status = HTTPStatus.CREATED if new else HTTPStatus.OK
    return web.json_response(call.shapes.reaction(reaction), status=status)


# Commit statuses


@endpoint(
    routes, "POST", "/statuses/{sha:[0-9a-f]{40}}",
    "context", "description", "state", "target_url", role="write",
)  # fmt: skip
async def create_status(call: Call) -> web.Response:
    word, body = str(call.body.get("state")), call.body
    if word not in _STATES:
        raise ApiError(HTTPStatus.INTERNAL_SERVER_ERROR, f"unknown CommitStatusState: {word}")
    status = call.state.add_status(
        call.repository, call.sha, word, str(body.get("context") or "default"), call.user,
        description=body.get("description"), target_url=body.get("target_url"),
    )  # fmt: skip
    call.state.announce("status.created", status)
    shape = call.shapes.status(status, call.repository)
    return web.json_response(shape, status=HTTPStatus.CREATED)


@endpoint(routes, "GET", "/commits/{sha}/statuses", "sort", "state", "page", "limit")
async def statuses(call: Call) -> web.Response:
    newest_first = call.state.statuses_of(call.repository, call.sha)[::-1]
    return call.page(newest_first, lambda status: call.shapes.status(status, call.repository))


@endpoint(routes, "GET", "/commits/{sha}/status", "page", "limit")
async def combined_status(call: Call) -> web.Response:
    """The newest status of each context, and the worst of them."""
    newest: dict[str, CommitStatus] = {
        status.context: status for status in call.state.statuses_of(call.repository, call.sha)
    }
    part, headers = call.slice(list(newest.values()))
    words = [status.state for status in newest.values()]
    worst = next((word for word in ("error", "failure", "pending", "success") if word in words), "")
    shape = {
        "state": worst,
        "sha": call.sha,
        "total_count": len(newest),
        "statuses": [call.shapes.status(status, call.repository) for status in part],
        "repository": call.shapes.repository(call.repository),
        "commit_url": "",
        "url": "",
    }
    return web.json_response(shape, headers=headers)


# Issues


@endpoint(routes, "GET", "/issues", "state", "type", "created_by", "sort", "page", "limit")
async def issues(call: Call) -> web.Response:
    """Open issues, or those in the query's state, newest first."""
    query = call.request.query
    rising = query.get("sort") == "oldest"
    filters = query.get("state", "open"), query.get("created_by")
    selection = call.state.issues_of(call.repository, *filters, rising=rising)
    return call.page(selection, call.shapes.issue)


@endpoint(routes, "POST", "/issues", "title", "body")
async def create_issue(call: Call) -> web.Response:
    title, body = str(call.body.get("title") or ""), str(call.body.get("body") or "")
    if not title.strip():
        raise wrong("[Title]: Required")
    issue = call.state.add_issue(call.repository, call.user, title, body)
    return web.json_response(call.shapes.issue(issue), status=HTTPStatus.CREATED)


@endpoint(routes, "PATCH", _ISSUE, "title", "body", "state")
async def edit_issue(call: Call) -> web.Response:
    issue = _issue(call)
    if issue.user is not call.caller and not call.has("write"):
        raise ApiError(HTTPStatus.FORBIDDEN, "")
    title, body = (str(call.body.get(name, getattr(issue, name))) for name in ("title", "body"))
    state: IssueState = "closed" if call.body.get("state", issue.state) == "closed" else "open"
    issue.change(title, body, state)
    return web.json_response(call.shapes.issue(issue), status=HTTPStatus.CREATED)


def _issue(call: Call) -> Issue:
    issue = call.state.issue(call.repository, int(call.request.match_info["index"]))
    if issue is None:
        raise gone()
    return issue
