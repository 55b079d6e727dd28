"""GitLab's threads on the local forge: those on lines of a merge request's diff.

https://docs.gitlab.com/api/discussions/#merge-requests
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from aiohttp import web

from bot.demo.forge.gitlab.api import Call, bad_request, endpoint, forbidden, not_found
from bot.demo.forge.gitlab.rest import MERGE, text_of
from bot.demo.forge.state import line_now, line_of
from bot.demo.forge.values import Comment, Json, Line

routes = web.RouteTableDef()
THREAD = MERGE + "/discussions/{thread:[0-9a-f]+}"
NOTE = THREAD + "/notes/{note:[0-9]+}"


@endpoint(routes, "GET", MERGE + "/discussions")
async def threads(call: Call) -> web.Response:
    """All comments, each a thread with its replies; oldest first."""
    firsts = [
        comment for comment in call.state.all_comments_of(call.merge) if comment.thread is None
    ]
    return call.page(firsts, lambda comment: _thread(call, comment))


@endpoint(routes, "POST", MERGE + "/discussions", "body", "position", "commit_id", "created_at")
async def create(call: Call) -> web.Response:
    user, text, position = call.user, text_of(call.body), call.body.get("position")
    line = _line(call, position) if position is not None else None
    comment = call.state.add_comment(call.merge, user, text, line=line)
    return web.json_response(_thread(call, comment), status=HTTPStatus.CREATED)


@endpoint(routes, "PUT", THREAD, "resolved")
async def resolve(call: Call) -> web.Response:
    """Resolve or reopen a thread, as its author or a developer."""
    first = _first(call)
    if first.line is None:
        raise forbidden()
    if first.user is not call.user and not call.has("write"):
        raise forbidden()
    if not isinstance(call.body.get("resolved"), bool):
        raise bad_request("resolved is missing")
    first.resolved = call.body["resolved"]
    return web.json_response(_thread(call, first))


@endpoint(routes, "POST", THREAD + "/notes", "body", "created_at")
async def answer(call: Call) -> web.Response:
    first = _first(call)
    text = text_of(call.body)
    comment = call.state.add_comment(call.merge, call.user, text, line=first.line, thread=first.id)
    return web.json_response(note_of(call, comment), status=HTTPStatus.CREATED)


@endpoint(routes, "PUT", NOTE, "body", "resolved")
async def edit(call: Call) -> web.Response:
    note = call.note
    if note.user is not call.user and not call.has("maintain"):
        raise forbidden()
    call.state.edit_comment(note, call.user, text_of(call.body))
    return web.json_response(note_of(call, note))


def _first(call: Call) -> Comment:
    identity = call.request.match_info["thread"]
    for comment in call.state.all_comments_of(call.merge):
        if comment.thread is None and _thread_id(comment) == identity:
            return comment
    raise not_found("Discussion Not Found")


def _thread_id(first: Comment) -> str:
    return f"{first.id:040x}"


def _thread(call: Call, first: Comment) -> Json:
    answers = [note for note in call.state.all_comments_of(first.pull) if note.thread == first.id]
    return {
        "id": _thread_id(first),
        "individual_note": first.line is None,
        "notes": [note_of(call, note) for note in (first, *answers)],
    }


def note_of(call: Call, comment: Comment) -> Json:
    """A note of a thread, with its position, and whether it is resolved."""
    shape = call.shapes.note(comment)
    if comment.line is None:
        return shape
    refs = call.shapes.merge_request(comment.pull)["diff_refs"]
    # An outdated one keeps its position.
    line = line_now(comment) or comment.line
    position = {
        "base_sha": refs["base_sha"],
        "start_sha": refs["start_sha"],
        "head_sha": line.sha,
        "old_path": line.path,
        "new_path": line.path,
        "position_type": "text",
        "old_line": line.base_number,
        "new_line": line.number,
    }
    resolved = {"resolvable": True, "resolved": comment.resolved}
    return {**shape, "type": "DiffNote", "position": position, **resolved}


def _line(call: Call, position: Any) -> Line:
    """The line of a position; ApiError 400 if it is incomplete or not in the diff."""
    required = ("base_sha", "start_sha", "head_sha", "position_type", "new_path", "old_path")
    if not isinstance(position, dict):
        raise bad_request("position is invalid")
    missing = [name for name in required if not isinstance(position.get(name), str)]
    if missing:
        raise bad_request(f"position[{missing[0]}] is missing")
    refs = call.shapes.merge_request(call.merge)["diff_refs"]
    number = position.get("new_line")
    line = (
        line_of(call.merge, position["new_path"], number, position["head_sha"])
        if isinstance(number, int) and position["head_sha"] == refs["head_sha"]
        else None
    )
    if line is None or line.base_number != position.get("old_line"):
        message = 'Note {:line_code=>["can\'t be blank", "must be a valid line code"]}'
        raise bad_request(f"400 Bad request - {message}")
    return line
