"""REST: Apps and their installations, the caller's own account, the rate limit."""

from __future__ import annotations

import time
from http import HTTPStatus

from aiohttp import web

from bot.demo.forge.access import ApiError, caller_of, json_body, not_found
from bot.demo.forge.middleware import HOURLY_LIMIT, page_of
from bot.demo.forge.rest_repositories import REPO, SHAPES
from bot.demo.forge.state import App, Installation, User

routes = web.RouteTableDef()


def _calling_app(request: web.Request) -> App:
    caller = caller_of(request)
    if caller.app is None:
        raise ApiError(HTTPStatus.UNAUTHORIZED, "A JSON web token could not be decoded")
    return caller.app


@routes.get("/app")
async def app(request: web.Request) -> web.Response:
    wanted = _calling_app(request)
    shapes = request.app[SHAPES]
    installed = sum(one.app is wanted for one in shapes.state.installations)
    return web.json_response({**shapes.app(wanted), "installations_count": installed})


@routes.get("/app/installations")
async def installations(request: web.Request) -> web.Response:
    wanted = _calling_app(request)
    shapes = request.app[SHAPES]
    listed = [one for one in shapes.state.installations if one.app is wanted]
    return page_of(request, listed, shapes.installation)


def _installation_of(request: web.Request) -> Installation:
    wanted = _calling_app(request)
    for one in request.app[SHAPES].state.installations:
        if one.app is wanted and one.id == int(request.match_info["id"]):
            return one
    raise not_found()


@routes.get("/app/installations/{id:[0-9]+}")
async def installation(request: web.Request) -> web.Response:
    return web.json_response(request.app[SHAPES].installation(_installation_of(request)))


@routes.post("/app/installations/{id:[0-9]+}/access_tokens")
async def access_token(request: web.Request) -> web.Response:
    """A new token for an installation, for the repositories and permissions asked for."""
    wanted = _installation_of(request)
    body = await json_body(request)
    shapes = request.app[SHAPES]
    repositories = None
    names, numbers = body.get("repositories"), body.get("repository_ids")
    if names is not None or numbers is not None:
        own = [r for r in shapes.state.repositories.values() if r.owner is wanted.account]
        named = {name.casefold() for name in names or ()}
        repositories = tuple(
            one for one in own if one.name.casefold() in named or one.id in (numbers or ())
        )
        if len(repositories) < len({*named, *(numbers or ())}):
            message = "There is at least one repository that does not exist or is not accessible"
            raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, message)
    permissions = body.get("permissions")
    for name, level in (permissions or {}).items():
        granted = wanted.app.permissions.get(name)
        if granted is None or (granted == "read" and level != "read"):
            message = "The permissions requested are not granted to this installation."
            raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, message)
    token = shapes.state.installation_token(wanted, repositories, permissions)
    return web.json_response(shapes.access_token(token), status=HTTPStatus.CREATED)


def _found_installation(request: web.Request, account: User | None) -> web.Response:
    wanted = _calling_app(request)
    shapes = request.app[SHAPES]
    found = shapes.state.installation_of(wanted, account) if account else None
    if found is None:
        raise not_found()
    return web.json_response(shapes.installation(found))


@routes.get(REPO + "/installation")
async def installation_of_repository(request: web.Request) -> web.Response:
    match = request.match_info
    repository = request.app[SHAPES].state.repository(f"{match['owner']}/{match['repo']}")
    return _found_installation(request, repository.owner if repository else None)


@routes.get("/{kind:users|orgs}/{login}/installation")
async def installation_of_account(request: web.Request) -> web.Response:
    users = request.app[SHAPES].state.users
    return _found_installation(request, users.get(request.match_info["login"]))


@routes.get("/installation/repositories")
async def installation_repositories(request: web.Request) -> web.Response:
    caller = caller_of(request)
    if caller.installation is None:
        message = "You must authenticate with an installation access token in order to list them."
        raise ApiError(HTTPStatus.FORBIDDEN, message)
    account = caller.installation.account
    shapes = request.app[SHAPES]
    listed = [r for r in shapes.state.repositories.values() if r.owner is account]
    return page_of(request, listed, shapes.repository, "repositories")


@routes.get("/user")
async def user(request: web.Request) -> web.Response:
    caller = caller_of(request)
    if caller.installation is not None:
        raise ApiError(HTTPStatus.FORBIDDEN, "Resource not accessible by integration")
    if caller.user is None:
        raise ApiError(HTTPStatus.UNAUTHORIZED, "Requires authentication")
    return web.json_response(request.app[SHAPES].whole_user(caller.user))


@routes.get("/users/{login}")
async def user_by_login(request: web.Request) -> web.Response:
    found = request.app[SHAPES].state.users.get(request.match_info["login"])
    if found is None:
        raise not_found()
    return web.json_response(request.app[SHAPES].whole_user(found))


@routes.get("/user/repos")
async def own_repositories(request: web.Request) -> web.Response:
    caller = caller_of(request)
    if caller.user is None or caller.installation is not None:
        raise ApiError(HTTPStatus.UNAUTHORIZED, "Requires authentication")
    shapes = request.app[SHAPES]
    login = caller.user.login
    listed = [
        one
        for one in shapes.state.repositories.values()
        if one.owner.login == login or login in one.roles
    ]
    return page_of(request, listed, lambda one: shapes.repository(one, caller.user))


@routes.get("/rate_limit")
async def rate_limit(_request: web.Request) -> web.Response:
    core = {
        "limit": HOURLY_LIMIT,
        "used": 1,
        "remaining": HOURLY_LIMIT - 1,
        "reset": int(time.time()) + 3600,
    }
    return web.json_response({"resources": {"core": core, "search": core}, "rate": core})


@routes.get("/meta")
async def meta(_request: web.Request) -> web.Response:
    return web.json_response({"verifiable_password_authentication": False})
