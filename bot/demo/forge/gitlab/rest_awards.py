"""Emoji on merge requests. https://docs.gitlab.com/api/emoji_reactions/"""

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
from bot.demo.forge.gitlab.shapes import EMOJI
from bot.demo.forge.state import Pull, Reaction, User

routes = web.RouteTableDef()
AWARDS = MERGE + "/award_emoji"


@routes.get(AWARDS)
async def awards(request: web.Request) -> web.Response:
    parameters(request)
    pull, made, _ = _place(request)
    shapes = request.app[SHAPES]
    return page_of(request, made, lambda one: shapes.award(one, pull))


@routes.post(AWARDS)
async def award(request: web.Request) -> web.Response:
    """One of a name for each user: a second is refused, as GitLab does it."""
    pull, made, user = _place(request)
    if user is None:
        raise refused(HTTPStatus.UNAUTHORIZED, "401 Unauthorized")
    name = EMOJI.get(str((await body_of(request, "name")).get("name")))
    if name is None:
        raise refused(HTTPStatus.BAD_REQUEST, "name is invalid")
    if any(one.user is user and one.content == name for one in made):
        raise refused(HTTPStatus.NOT_FOUND, "404 Award Emoji Name has already been taken Not Found")
    new = Reaction(next(request.app[STATE].ids), user, name)
    made.append(new)
    shape = request.app[SHAPES].award(new, pull)
    return web.json_response(shape, status=HTTPStatus.CREATED)


@routes.delete(AWARDS + "/{award:[0-9]+}")
async def take_back(request: web.Request) -> web.Response:
    """One's own only."""
    _, made, user = _place(request)
    wanted = int(request.match_info["award"])
    found = next((one for one in made if one.id == wanted), None)
    if found is None:
        raise refused(HTTPStatus.NOT_FOUND, "404 Award Emoji Not Found")
    if found.user is not user:
        raise refused(HTTPStatus.UNAUTHORIZED, "401 Unauthorized")
    made.remove(found)
    return web.Response(status=HTTPStatus.NO_CONTENT)


def _place(request: web.Request) -> tuple[Pull, list[Reaction], User | None]:
    found, user = project_of(request)
    pull = merge_of(request, found)
    return pull, request.app[STATE].pull_reactions.setdefault(pull.id, []), user
