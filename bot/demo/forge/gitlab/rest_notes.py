"""Notes of merge requests, and the emoji on them. https://docs.gitlab.com/api/notes/"""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web

from bot.demo.forge.access import STATE
from bot.demo.forge.gitlab.rest import (
    MERGE,
    SHAPES,
    body_of,
    merge_of,
    page_of,
    parameters,
    project_of,
    refused,
)
from bot.demo.forge.gitlab.shapes import EMOJI, LEVELS
from bot.demo.forge.state import Comment, Reaction, Repository, User, Version, now

routes = web.RouteTableDef()
NOTE = MERGE + "/notes/{note:[0-9]+}"
LONGEST_NOTE = 1_000_000


@routes.get(MERGE + "/notes")
async def notes(request: web.Request) -> web.Response:
    """Newest first, unless told otherwise."""
    parameters(request, "sort", "order_by", "activity_filter")
    found, _ = project_of(request)
    order, sort = request.query.get("order_by", "created_at"), request.query.get("sort", "desc")
    if order not in ("created_at", "updated_at") or sort not in ("asc", "desc"):
        raise refused(HTTPStatus.BAD_REQUEST, "order_by or sort does not have a valid value")
    state = request.app[STATE]
    listed = sorted(
        state.comments_of(merge_of(request, found)),
        key=lambda c: (c.updated_at if order == "updated_at" else c.created_at, c.id),
        reverse=sort == "desc",
    )
    return page_of(request, listed, request.app[SHAPES].note)


@routes.post(MERGE + "/notes")
async def create(request: web.Request) -> web.Response:
    found, user = _writer(request)
    wanted = merge_of(request, found)
    text = _text(await body_of(request, "body", "created_at", "internal"))
    state = request.app[STATE]
    comment = Comment(next(state.ids), wanted, user, [Version(text, now(), user)])
    state.comments.append(comment)
    wanted.updated_at = now()
    state.tell("comment.created", comment)
    return web.json_response(request.app[SHAPES].note(comment), status=HTTPStatus.CREATED)


@routes.get(NOTE)
async def one(request: web.Request) -> web.Response:
    parameters(request)
    found, _ = project_of(request)
    return web.json_response(request.app[SHAPES].note(_note(request, found)))


@routes.put(NOTE)
async def edit(request: web.Request) -> web.Response:
    found, user = _writer(request)
    wanted = _own(_note(request, found), user, found)
    text = _text(await body_of(request, "body"))
    if text != wanted.body:
        wanted.versions.append(Version(text, now(), user))
    request.app[STATE].tell("comment.edited", wanted)
    return web.json_response(request.app[SHAPES].note(wanted))


@routes.delete(NOTE)
async def delete(request: web.Request) -> web.Response:
    found, user = _writer(request)
    wanted = _own(_note(request, found), user, found)
    wanted.deleted = True
    request.app[STATE].tell("comment.deleted", wanted)
    return web.Response(status=HTTPStatus.NO_CONTENT)


@routes.get(NOTE + "/award_emoji")
async def awards(request: web.Request) -> web.Response:
    parameters(request)
    found, _ = project_of(request)
    wanted = _note(request, found)
    shapes = request.app[SHAPES]
    return page_of(request, wanted.reactions, lambda one: shapes.award(one, wanted))


@routes.post(NOTE + "/award_emoji")
async def award(request: web.Request) -> web.Response:
    """One of a name for each user: a second is refused, as GitLab does it."""
    found, user = _writer(request)
    wanted = _note(request, found)
    name = EMOJI.get(str((await body_of(request, "name")).get("name")))
    if name is None:
        raise refused(HTTPStatus.BAD_REQUEST, "name is invalid")
    if any(one.user is user and one.content == name for one in wanted.reactions):
        raise refused(HTTPStatus.NOT_FOUND, "404 Award Emoji Name has already been taken Not Found")
    made = Reaction(next(request.app[STATE].ids), user, name)
    wanted.reactions.append(made)
    shape = request.app[SHAPES].award(made, wanted)
    return web.json_response(shape, status=HTTPStatus.CREATED)


def _writer(request: web.Request) -> tuple[Repository, User]:
    """Whoever reads may write notes; nobody who is not signed in."""
    found, user = project_of(request)
    if user is None:
        raise refused(HTTPStatus.UNAUTHORIZED, "401 Unauthorized")
    return found, user


def _note(request: web.Request, repository: Repository) -> Comment:
    wanted = int(request.match_info["note"])
    for comment in request.app[STATE].comments_of(merge_of(request, repository)):
        if comment.id == wanted:
            return comment
    raise refused(HTTPStatus.NOT_FOUND, "404 Not found")


def _own(comment: Comment, user: User, repository: Repository) -> Comment:
    if comment.user is user or LEVELS[repository.role(user)] >= LEVELS["maintain"]:
        return comment
    raise refused(HTTPStatus.FORBIDDEN, "403 Forbidden")


def _text(body: dict[str, object]) -> str:
    text = body.get("body")
    if not isinstance(text, str) or not text.strip():
        raise refused(HTTPStatus.BAD_REQUEST, "body is missing")
    if len(text) > LONGEST_NOTE:
        raise refused(HTTPStatus.BAD_REQUEST, "body is too long (maximum is 1000000 characters)")
    return text
