"""GitHub's REST API on the local forge for Apps: installations, tokens, deliveries."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web

from bot.demo.forge.access import STATE, ApiError, caller_of
from bot.demo.forge.github.account_shapes import stamp
from bot.demo.forge.github.api import REPO, SHAPES, json_body, not_found, page_of
from bot.demo.forge.traffic import DELIVERER, Delivery
from bot.demo.forge.values import App, Installation, Json

routes = web.RouteTableDef()
_HOOK = "X-GitHub-Hook-Installation-Target-ID"
_EVENT = "/app/hook/deliveries/{id:[0-9]+}"


def _calling_app(request: web.Request) -> App:
    caller = caller_of(request)
    if caller.app is None:
        raise ApiError(HTTPStatus.UNAUTHORIZED, "A JSON web token could not be decoded")
    return caller.app


@routes.get("/app")
async def app(request: web.Request) -> web.Response:
    calling_app = _calling_app(request)
    count = sum(
        installation.app is calling_app for installation in request.app[STATE].installations
    )
    shape = request.app[SHAPES].app(calling_app)
    return web.json_response({**shape, "installations_count": count})


@routes.post("/app/installations/{id:[0-9]+}/access_tokens")
async def access_token(request: web.Request) -> web.Response:
    """Create a token of an installation, for the repositories and permissions in the body."""
    installation = _installation(request, id=int(request.match_info["id"]))
    body, state = await json_body(request), request.app[STATE]
    repositories = None
    names, numbers = body.get("repositories"), body.get("repository_ids")
    if names is not None or numbers is not None:
        own = [r for r in state.repositories.values() if r.owner is installation.account]
        folded_names = {name.casefold() for name in names or ()}
        repositories = tuple(
            repository
            for repository in own
            if repository.name.casefold() in folded_names or repository.id in (numbers or ())
        )
        if len(repositories) < len({*folded_names, *(numbers or ())}):
            message = "There is at least one repository that does not exist or is not accessible"
            raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, message)
    permissions = body.get("permissions")
    for name, level in (permissions or {}).items():
        granted = installation.app.permissions.get(name)
        if granted is None or (granted == "read" and level != "read"):
            message = "The permissions requested are not granted to this installation."
            raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, message)
    token = state.installation_token(installation, repositories, permissions)
    return web.json_response(request.app[SHAPES].access_token(token), status=HTTPStatus.CREATED)


@routes.get(REPO + "/installation")
async def installation_of_repository(request: web.Request) -> web.Response:
    match = request.match_info
    repository = request.app[STATE].repository(f"{match['owner']}/{match['repo']}")
    account = repository.owner if repository else None
    return web.json_response(
        request.app[SHAPES].installation(_installation(request, account=account))
    )


def _installation(request: web.Request, **fields: object) -> Installation:
    """The calling App's installation with these fields; ApiError 404."""
    calling_app = _calling_app(request)
    for installation in request.app[STATE].installations:
        if installation.app is calling_app and all(
            getattr(installation, n) == v for n, v in fields.items()
        ):
            return installation
    raise not_found()


@routes.get("/app/installations")
async def installations(request: web.Request) -> web.Response:
    calling_app = _calling_app(request)
    own = [
        installation
        for installation in request.app[STATE].installations
        if installation.app is calling_app
    ]
    return page_of(request, own, request.app[SHAPES].installation)


@routes.get("/installation/repositories")
async def installed_repositories(request: web.Request) -> web.Response:
    """The repositories of the calling installation."""
    caller = caller_of(request)
    if caller.installation is None:
        raise ApiError(HTTPStatus.FORBIDDEN, "Resource not accessible by integration")
    account = caller.installation.account
    owned = [r for r in request.app[STATE].repositories.values() if r.owner is account]
    return page_of(request, owned, request.app[SHAPES].repository, "repositories")


# Deliveries: an attempt's id is its index among all, from 1.


@routes.get("/app/hook/deliveries")
async def deliveries(request: web.Request) -> web.Response:
    """The App's deliveries, newest first. GitHub pages them by a cursor, which is in the Link
    header."""
    return page_of(request, _attempts(request)[::-1], lambda attempt: _attempt(*attempt))


@routes.post(_EVENT + "/attempts")
async def redeliver(request: web.Request) -> web.Response:
    """Send a delivery again, after the answer."""
    attempt_id = int(request.match_info["id"])
    for number, delivery in _attempts(request):
        if number == attempt_id:
            request.app[DELIVERER].redeliver_later(delivery)
            return web.json_response({}, status=HTTPStatus.ACCEPTED)
    raise not_found()


def _attempts(request: web.Request) -> list[tuple[int, Delivery]]:
    own = str(_calling_app(request).id)
    numbered = enumerate(request.app[DELIVERER].deliveries, 1)
    return [
        (number, delivery) for number, delivery in numbered if delivery.headers.get(_HOOK) == own
    ]


def _attempt(number: int, delivery: Delivery) -> Json:
    return {
        "id": number,
        "guid": delivery.id,
        "delivered_at": stamp(delivery.at),
        "redelivery": delivery.again,
        "duration": round(delivery.seconds, 2),
        "status": "failed to connect" if delivery.status is None else "OK",
        "status_code": delivery.status or HTTPStatus.BAD_GATEWAY,
        "event": delivery.event,
        "action": delivery.action,
        "installation_id": None,
        "repository_id": None,
    }
