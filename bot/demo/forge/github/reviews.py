"""GitHub's review comments on the local forge: comments on lines of a pull request's diff.

https://docs.github.com/en/rest/pulls/comments
"""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web

from bot.demo.forge.access import ApiError
from bot.demo.forge.github.api import Call, endpoint, invalid, text_field
from bot.demo.forge.github.rest import LONGEST_BODY, PULL
from bot.demo.forge.state import line_now, line_of
from bot.demo.forge.values import Comment, Json

routes = web.RouteTableDef()
COMMENT = "/pulls/comments/{id:[0-9]+}"
_RESOURCE = "PullRequestReviewComment"


@endpoint(routes, "GET", PULL + "/comments", "pull_requests:read")
async def comments(call: Call) -> web.Response:
    """The comments on lines and their replies, oldest first."""
    return call.page(call.state.line_comments_of(call.pull), lambda comment: _shape(call, comment))


@endpoint(routes, "POST", PULL + "/comments", "pull_requests:write")
async def create(call: Call) -> web.Response:
    """Create a comment on a line of the head's side that is in the diff."""
    pull, body = call.pull, call.body
    text = text_field(body, "body", _RESOURCE, limit=LONGEST_BODY)
    path, sha = text_field(body, "path", _RESOURCE), text_field(body, "commit_id", _RESOURCE)
    number = body.get("line")
    if not isinstance(number, int) or body.get("side", "RIGHT") != "RIGHT":
        raise invalid(_RESOURCE, "line", "missing_field")
    if call.repository.git.resolve(sha) is None:
        raise invalid(_RESOURCE, "pull_request_review_thread.end_commit_oid", "custom")
    line = line_of(pull, path, number, sha)
    if line is None:
        field = "pull_request_review_thread.line"
        raise invalid(_RESOURCE, field, "custom", f"{field} must be part of the diff")
    comment = call.state.add_comment(pull, call.user, text, call.app, line=line)
    shape = _shape(call, comment)
    return web.json_response(shape, status=HTTPStatus.CREATED, headers={"Location": shape["url"]})


@endpoint(routes, "PATCH", COMMENT, "pull_requests:write")
async def edit(call: Call) -> web.Response:
    comment = _own(call)
    text = text_field(call.body, "body", _RESOURCE, limit=LONGEST_BODY)
    call.state.edit_comment(comment, call.user, text)
    return web.json_response(_shape(call, comment))


@endpoint(routes, "DELETE", COMMENT, "pull_requests:write")
async def delete(call: Call) -> web.Response:
    call.state.delete_comment(_own(call))
    return web.Response(status=HTTPStatus.NO_CONTENT)


def _own(call: Call) -> Comment:
    comment = call.line_comment
    if comment.user is not call.caller.user and not call.may("write", "pull_requests:write"):
        raise ApiError(HTTPStatus.FORBIDDEN, "Must have admin rights to Repository.")
    return comment


def _shape(call: Call, comment: Comment) -> Json:
    line, current_line = comment.line, line_now(comment)
    assert line is not None
    pull = comment.pull
    where = call.shapes.repository_url(pull.repository)
    common = call.shapes.comment(comment)
    url = f"{where}/pulls/comments/{comment.id}"
    html = f"{common['html_url'].partition('#')[0]}#discussion_r{comment.id}"
    pull_url = f"{where}/pulls/{pull.number}"
    links = {"self": url, "html": html, "pull_request": pull_url}
    del common["issue_url"], common["performed_via_github_app"]
    return {
        **common,
        "url": url,
        "html_url": html,
        "pull_request_url": pull_url,
        "pull_request_review_id": None,
        "diff_hunk": "",
        "path": line.path,
        "commit_id": (current_line or line).sha,
        "original_commit_id": line.sha,
        "original_line": line.number,
        "side": "RIGHT",
        "subject_type": "line",
        # An outdated comment has none.
        **({} if current_line is None else {"line": current_line.number}),
        **({} if comment.thread is None else {"in_reply_to_id": comment.thread}),
        "_links": {name: {"href": href} for name, href in links.items()},
    }
