"""GitLab's REST API v4 on the local forge: users, projects, merge requests, notes, issues, checks.

https://docs.gitlab.com/api/api_resources/
"""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import unquote

from aiohttp import web

from bot.demo.forge.access import STATE, ApiError
from bot.demo.forge.gitlab.api import (
    SHAPES,
    Call,
    bad_request,
    caller_user,
    endpoint,
    forbidden,
    not_found,
    page_of,
    refuse_unknown,
    unauthorized,
)
from bot.demo.forge.gitlab.shapes import EMOJI
from bot.demo.forge.values import Comment, IssueState, Json, Pull, User

routes = web.RouteTableDef()
MERGE = "/merge_requests/{iid:[0-9]+}"
NOTE = MERGE + "/notes/{note:[0-9]+}"
LONGEST_NOTE = 1_000_000  # characters
STATES = ("pending", "running", "success", "failed", "canceled", "skipped")
_UNDER_WAY = ("pending", "running")
_ISSUE_STATES: dict[str, IssueState] = {
    "opened": "open",
    "close": "closed",
    "closed": "closed",
    "reopen": "open",
}


def _created(shape: Json) -> web.Response:
    return web.json_response(shape, status=HTTPStatus.CREATED)


# Users and projects


@routes.get("/user")
async def own_user(request: web.Request) -> web.Response:
    refuse_unknown(request.query, ())
    user = caller_user(request)
    assert user is not None
    return web.json_response(request.app[SHAPES].whole_user(user))


@routes.get("/users")
async def users(request: web.Request) -> web.Response:
    refuse_unknown(request.query, ("username", "search", "active", "page", "per_page"))
    caller_user(request, required=False)
    name = request.query.get("username", "").casefold()
    matching = [u for u in request.app[STATE].users.values() if u.login.casefold() == name]
    return page_of(request, matching, request.app[SHAPES].user)


@routes.get("/users/{id:[0-9]+}")
async def one_user(request: web.Request) -> web.Response:
    refuse_unknown(request.query, ())
    caller_user(request, required=False)
    return web.json_response(request.app[SHAPES].whole_user(_user(request)))


def _user(request: web.Request) -> User:
    number = int(request.match_info["id"])
    for user in request.app[STATE].users.values():
        if user.id == number:
            return user
    raise not_found("User Not Found")


@endpoint(routes, "GET", "", "statistics", "license", "with_custom_attributes")
async def project(call: Call) -> web.Response:
    return web.json_response(call.shapes.project(call.project))


@endpoint(routes, "GET", "/members/all/{id:[0-9]+}")
async def member(call: Call) -> web.Response:
    shape = call.shapes.member(call.project, _user(call.request))
    if shape is None:
        raise not_found()
    return web.json_response(shape)


@endpoint(routes, "GET", "/repository/branches/{branch}")
async def branch(call: Call) -> web.Response:
    shape = call.shapes.branch(call.project, unquote(call.request.match_info["branch"]))
    if shape is None:
        raise not_found("Branch Not Found")
    return web.json_response(shape)


@endpoint(routes, "GET", "/events", "action", "target_type", "before", "after", "sort")
async def events(call: Call) -> web.Response:
    """The pushes, newest first: https://docs.gitlab.com/api/events/."""
    if call.request.query.get("action") != "pushed":
        raise bad_request("here are only events of the action pushed")
    return call.page(call.state.pushes_to(call.project), call.shapes.push_event)


# Merge requests


@endpoint(routes, "GET", "/merge_requests", "state", "order_by", "sort")
async def merge_requests(call: Call) -> web.Response:
    """All merge requests, or those in the query's state; newest or most recently changed first."""
    query = call.request.query
    state = {"opened": "open"}.get(query.get("state", "all"), query.get("state", "all"))
    by_change, rising = query.get("order_by") == "updated_at", query.get("sort") == "asc"
    selection = call.state.pulls_of(call.project, state, by_change=by_change, rising=rising)
    return call.page(selection, call.shapes.merge_request)


@endpoint(
    routes, "GET", MERGE,
    "render_html", "include_diverged_commits_count", "include_rebase_in_progress",
)  # fmt: skip
async def merge_request(call: Call) -> web.Response:
    return web.json_response(call.shapes.merge_request(call.merge))


@endpoint(routes, "GET", MERGE + "/diffs", "unidiff")
async def diffs(call: Call) -> web.Response:
    merge, git = call.merge, call.project.git
    base = git.merge_base(merge.base_sha, merge.head_sha)
    return call.page(git.changes(base, merge.head_sha) if base else (), call.shapes.diff)


@endpoint(routes, "GET", MERGE + "/pipelines")
async def pipelines(call: Call) -> web.Response:
    """The pipelines of all former and current head commits of a merge request, newest first."""
    pull = call.merge
    projects = (pull.repository, pull.head_repository)
    refs = (pull.head_branch, f"refs/merge-requests/{pull.number}/head")
    selection = [
        p
        for p in call.state.pipelines
        if any(p.repository is project for project in projects) and p.ref in refs
    ]
    return call.page(selection[::-1], call.shapes.pipeline)


@endpoint(routes, "GET", "/repository/commits/{sha}/merge_requests", "state")
async def merges_of_commit(call: Call) -> web.Response:
    """The merge requests that contain a commit, merged or not."""
    return call.page(call.state.pulls_with(call.project, call.commit), call.shapes.merge_request)


# Notes, https://docs.gitlab.com/api/notes/: all signed-in readers may write them.


@endpoint(routes, "GET", MERGE + "/notes", "sort", "order_by", "activity_filter")
async def notes(call: Call) -> web.Response:
    """The notes, newest first unless the query says otherwise."""
    query = call.request.query
    order, sort = query.get("order_by", "created_at"), query.get("sort", "desc")
    if order not in ("created_at", "updated_at") or sort not in ("asc", "desc"):
        raise bad_request("order_by or sort does not have a valid value")
    selection = sorted(
        call.state.all_comments_of(call.merge),
        key=lambda note: (note.updated_at if order == "updated_at" else note.created_at, note.id),
        reverse=sort == "desc",
    )
    return call.page(selection, call.shapes.note)


@endpoint(routes, "POST", MERGE + "/notes", "body", "created_at", "internal")
async def create_note(call: Call) -> web.Response:
    user, merge = call.user, call.merge
    return _created(call.shapes.note(call.state.add_comment(merge, user, text_of(call.body))))


@endpoint(routes, "PUT", NOTE, "body")
async def edit_note(call: Call) -> web.Response:
    note = _own_note(call)
    call.state.edit_comment(note, call.user, text_of(call.body))
    return web.json_response(call.shapes.note(note))


@endpoint(routes, "DELETE", NOTE)
async def delete_note(call: Call) -> web.Response:
    call.state.delete_comment(_own_note(call))
    return web.Response(status=HTTPStatus.NO_CONTENT)


def _own_note(call: Call) -> Comment:
    user, note = call.user, call.note
    if note.user is user or call.has("maintain"):
        return note
    raise forbidden()


def text_of(body: Json) -> str:
    """The text of a new note; ApiError 400 if it is missing or too long."""
    text = body.get("body")
    if not isinstance(text, str) or not text.strip():
        raise bad_request("body is missing")
    if len(text) > LONGEST_NOTE:
        raise bad_request("body is too long (maximum is 1000000 characters)")
    return text


# Emoji on merge requests and notes, https://docs.gitlab.com/api/emoji_reactions/


def _awardable(call: Call) -> Comment | Pull:
    return call.note if "note" in call.request.match_info else call.merge


@endpoint(routes, "GET", MERGE + "/award_emoji")
@endpoint(routes, "GET", NOTE + "/award_emoji")
async def awards(call: Call) -> web.Response:
    target = _awardable(call)
    return call.page(
        call.state.reactions_of(target), lambda reaction: call.shapes.award(reaction, target)
    )


@endpoint(routes, "POST", MERGE + "/award_emoji", "name")
@endpoint(routes, "POST", NOTE + "/award_emoji", "name")
async def award(call: Call) -> web.Response:
    """Create an emoji; like GitLab, refuses a second of one name by the same user."""
    user, target = call.user, _awardable(call)
    name = EMOJI.get(str(call.body.get("name")))
    if name is None:
        raise bad_request("name is invalid")
    reaction, new = call.state.react(target, user, name)
    if not new:
        raise not_found("Award Emoji Name has already been taken Not Found")
    return _created(call.shapes.award(reaction, target))


@endpoint(routes, "DELETE", MERGE + "/award_emoji/{award:[0-9]+}")
async def take_back(call: Call) -> web.Response:
    """Delete an emoji of the caller."""
    reactions = call.state.reactions_of(call.merge)
    number = int(call.request.match_info["award"])
    reaction = next((candidate for candidate in reactions if candidate.id == number), None)
    if reaction is None:
        raise not_found("Award Emoji Not Found")
    if reaction.user is not call.caller:
        raise unauthorized()
    reactions.remove(reaction)
    return web.Response(status=HTTPStatus.NO_CONTENT)


# Issues, https://docs.gitlab.com/api/issues/


@endpoint(routes, "GET", "/issues", "author_username", "scope", "state", "order_by", "sort")
async def issues(call: Call) -> web.Response:
    """The issues in all states, or in the query's state, newest first."""
    query = call.request.query
    state = _ISSUE_STATES.get(query.get("state", ""), query.get("state"))
    author, rising = query.get("author_username"), query.get("sort") == "asc"
    selection = call.state.issues_of(call.project, state, author, rising=rising)
    return call.page(selection, call.shapes.issue)


@endpoint(routes, "POST", "/issues", "title", "description")
async def create_issue(call: Call) -> web.Response:
    user, title = call.user, str(call.body.get("title") or "")
    if not title.strip():
        raise bad_request("title is missing")
    text = str(call.body.get("description") or "")
    return _created(call.shapes.issue(call.state.add_issue(call.project, user, title, text)))


@endpoint(routes, "PUT", "/issues/{iid:[0-9]+}", "title", "description", "state_event")
async def edit_issue(call: Call) -> web.Response:
    """Edit an issue, as its author or with the role Planner or above."""
    issue = call.state.issue(call.project, int(call.request.match_info["iid"]))
    if issue is None:
        raise not_found()
    if call.caller is None or (call.caller is not issue.user and not call.has("triage")):
        raise forbidden()
    issue.change(
        str(call.body.get("title", issue.title)),
        str(call.body.get("description", issue.body)),
        _ISSUE_STATES.get(str(call.body.get("state_event")), issue.state),
    )
    return web.json_response(call.shapes.issue(issue))


# Commit statuses, https://docs.gitlab.com/api/commits/#commit-status


@endpoint(
    routes, "GET", "/repository/commits/{sha}/statuses",
    "ref", "stage", "name", "pipeline_id", "order_by", "sort", "all",
)  # fmt: skip
async def statuses(call: Call) -> web.Response:
    """The statuses, newest last; `all` includes those replaced by a later one of the same name."""
    query = call.request.query
    sha = call.project.git.resolve(call.request.match_info["sha"])
    selection = call.state.statuses_of(call.project, sha) if sha else []
    if "name" in query:
        selection = [s for s in selection if s.context == query["name"]]
    if "pipeline_id" in query:
        selection = [s for s in selection if str(s.pipeline) == query["pipeline_id"]]
    if query.get("all") not in ("true", "True", "1"):
        selection = list({s.context: s for s in selection}.values())
    return call.page(selection, call.shapes.status)


@endpoint(
    routes, "POST", "/statuses/{sha}",
    "state", "ref", "name", "context", "target_url", "description", "coverage", "pipeline_id",
    role="write",
)  # fmt: skip
async def create_status(call: Call) -> web.Response:
    """Create a status as a developer or above, or change an open one; refuse the same state
    again."""
    body, project, sha = call.body, call.project, call.commit
    word, name = body.get("state"), str(body.get("name") or body.get("context") or "default")
    if word not in STATES:
        raise bad_request("state does not have a valid value")
    if len(str(body.get("description") or "")) > 255:
        raise bad_request("description is too long (maximum is 255 characters)")
    ref, pipeline = body.get("ref"), body.get("pipeline_id")
    pipelines = {p.id for p in call.state.pipelines if (p.repository, p.sha) == (project, sha)}
    no_branch = ref is not None and project.git.branch(str(ref)) is None
    if no_branch or (pipeline is not None and pipeline not in pipelines):
        raise not_found("References for commit Not Found")
    description, target = body.get("description"), body.get("target_url")
    pipeline = None if pipeline is None else int(pipeline)
    of_name = [s for s in call.state.statuses_of(project, sha) if s.context == name]
    same = [s for s in of_name if s.pipeline == pipeline]
    running = [s for s in same if s.state in _UNDER_WAY]
    if running and running[-1].state == word:
        raise ApiError(HTTPStatus.BAD_REQUEST, f"Cannot transition status via :run from :{word}")
    if running:
        status = running[-1]
        status.state, status.description, status.target_url = word, description, target
    else:
        status = call.state.add_status(
            project, sha, word, name, call.user, description=description, target_url=target
        )
        status.pipeline, status.ref = pipeline, None if ref is None else str(ref)
    call.state.announce("status.created", status)
    return _created(call.shapes.status(status))
