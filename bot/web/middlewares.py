"""Middlewares: errors become a page or JSON, and caches revalidate what they have.

A page is revalidated each time, and is not sent again while it is the same.
"""

from __future__ import annotations

import hashlib
import logging
from http import HTTPStatus

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware
from jinja2 import Environment

from bot.errors import SurroundingsError

LOG = logging.getLogger(__name__)
_JSON = ("/api/", "/webhook/", "/health/", "/metrics/")
_TITLES = {
    400: "Invalid request",
    404: "Not found",
    405: "Method not allowed",
    413: "Too large",
    500: "Internal error",
    503: "Temporarily not available",
}
_OURS = "The bot failed. Its log has the details."
_AROUND = "Something that the bot needs failed. Its log has the details; try again later."


def errors(templates: Environment) -> Middleware:
    """Return error responses for handlers that raise; details go to the log alone."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as error:
            if error.status < HTTPStatus.BAD_REQUEST:
                raise
            status, what = error.status, _sentence(error)
            allowed = error.headers.get("Allow")
        except SurroundingsError:
            LOG.exception("%s %s failed", request.method, request.path)
            status, what, allowed = 503, _AROUND, None
        except Exception:
            LOG.exception("%s %s failed", request.method, request.path)
            status, what, allowed = 500, _OURS, None
        if f"{request.path}/".startswith(_JSON):
            answer = web.json_response({"error": what}, status=status)
        else:
            answer = _page(templates, request, status, what)
        if allowed:
            answer.headers["Allow"] = allowed
        return answer

    return middleware


def _sentence(error: web.HTTPException) -> str:
    """The sentence of an error; aiohttp's own text is only its number and name."""
    if error.text and error.text != f"{error.status}: {error.reason}":
        return error.text
    if isinstance(error, web.HTTPMethodNotAllowed):
        return f"{error.method} does nothing at this address."
    if isinstance(error, web.HTTPNotFound):
        return "Nothing has this address."
    return f"{error.reason}."


def _page(templates: Environment, request: web.Request, status: int, what: str) -> web.Response:
    # Malformed parameters: the same page without its query exists, most likely.
    plain = request.rel_url.raw_path if status == HTTPStatus.BAD_REQUEST else None
    text = templates.get_template("error.html.j2").render(
        status=status,
        title=_TITLES.get(status, "Error"),
        what=what,
        plain=plain if request.query_string else None,
        path=request.path,
    )
    return web.Response(text=text, content_type="text/html", status=status)


_LIVE = ("/health/", "/metrics/", "/webhook/")
_NO_STORE = "no-store"
# Headers that a 304 leaves out (RFC 9110, 15.4.5).
_OF_THE_BODY = (hdrs.CONTENT_TYPE, hdrs.CONTENT_LENGTH)


@web.middleware
async def caching(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Add the ETag of a response, and answer 304 to clients that have it.

    `no-store` for errors and live values; a handler's own Cache-Control stays.
    """
    answer = await handler(request)
    live = f"{request.path}/".startswith(_LIVE)
    if live or answer.status >= HTTPStatus.BAD_REQUEST:
        answer.headers.setdefault(hdrs.CACHE_CONTROL, _NO_STORE)
    cache_control = answer.headers.setdefault(hdrs.CACHE_CONTROL, "no-cache")
    body = answer.body if isinstance(answer, web.Response) else None
    if _NO_STORE in cache_control or answer.status != HTTPStatus.OK or not isinstance(body, bytes):
        return answer
    answer.etag = hashlib.sha256(body).hexdigest()[:32]
    # A HEAD's response keeps the body's length; aiohttp leaves the body out.
    if request.method in (hdrs.METH_GET, hdrs.METH_HEAD) and _is_cached(request, answer):
        headers = answer.headers.copy()
        for name in _OF_THE_BODY:
            headers.popall(name, None)
        return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    return answer


def _is_cached(request: web.Request, answer: web.StreamResponse) -> bool:
    """Return whether the client has this answer; weak tags count, as proxies weaken them."""
    given = answer.etag
    return given is not None and any(
        tag.value in ("*", given.value) for tag in request.if_none_match or ()
    )
