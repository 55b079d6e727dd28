"""GitLab's API of a project's webhooks on the local forge, for its maintainers.

https://docs.gitlab.com/api/project_webhooks/
"""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web

from bot.demo.forge.gitlab.api import Call, endpoint, not_found
from bot.demo.forge.gitlab.hooks import GitLabHooks
from bot.demo.forge.gitlab.shapes import stamp
from bot.demo.forge.traffic import DELIVERER, Delivery
from bot.demo.forge.values import Json, WebHook

HOOKS: web.AppKey[GitLabHooks] = web.AppKey("hooks", GitLabHooks)
routes = web.RouteTableDef()
_HOOK = "/hooks/{hook:[0-9]+}"


@endpoint(routes, "GET", "/hooks", role="maintain")
async def hooks(call: Call) -> web.Response:
    return call.page(_hooks(call), lambda one: {"id": one[0], "url": one[1].url})


@endpoint(routes, "GET", _HOOK + "/events", "status", role="maintain")
async def events(call: Call) -> web.Response:
    """Its deliveries, newest first."""
    return call.page(_deliveries(call)[::-1], lambda one: _event(*one))


@endpoint(routes, "POST", _HOOK + "/events/{event:[0-9]+}/resend", role="maintain")
async def resend(call: Call) -> web.Response:
    wanted = int(call.request.match_info["event"])
    for number, delivery in _deliveries(call):
        if number == wanted:
            made = await call.request.app[DELIVERER].redeliver(delivery)
            status = {"response_status": made.status or "internal error"}
            return web.json_response(status, status=HTTPStatus.CREATED)
    raise not_found()


def _hooks(call: Call) -> list[tuple[int, WebHook]]:
    path = call.project.path_with_namespace
    return [(n, h) for n, h in enumerate(call.request.app[HOOKS].hooks, 1) if h.place == path]


def _deliveries(call: Call) -> list[tuple[int, Delivery]]:
    """The deliveries of the hook that the path names, by their places among all."""
    wanted = int(call.request.match_info["hook"])
    hook = next((hook for number, hook in _hooks(call) if number == wanted), None)
    if hook is None:
        raise not_found()
    listed = enumerate(call.request.app[DELIVERER].deliveries, 1)
    return [(n, one) for n, one in listed if one.headers.get("X-Gitlab-Webhook-UUID") == hook.id]


def _event(number: int, delivery: Delivery) -> Json:
    return {
        "id": number,
        "url": delivery.url,
        "trigger": f"{delivery.event}_hooks",
        "request_headers": delivery.headers,
        "request_data": {},
        "response_headers": {},
        "response_body": delivery.answer,
        "execution_duration": delivery.seconds,
        "response_status": str(delivery.status or "internal error"),
        "created_at": stamp(delivery.at),
    }
