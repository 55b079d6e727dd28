"""Error responses: a page for people, JSON for programs."""

from __future__ import annotations

import logging
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from jinja2 import Environment

from bot.errors import SurroundingsError

LOG = logging.getLogger(__name__)
_JSON = ("/api/", "/webhook/", "/health/", "/metrics/")
_TITLES = {
    400: "This cannot be asked",
    404: "There is nothing here",
    405: "This cannot be done here",
    413: "This is too large",
    500: "Something went wrong here",
    503: "This cannot be shown just now",
}
_OURS = "Something in the bot itself went wrong. Its log has what it was."
_AROUND = "Something that the bot needs did not work. Its log has what it was; try again later."


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
        title=_TITLES.get(status, "This did not work"),
        what=what,
        plain=plain if request.query_string else None,
        path=request.path,
    )
    return web.Response(text=text, content_type="text/html", status=status)
