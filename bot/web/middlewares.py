"""Middlewares for errors, caching, checks of private repositories; and build logs.

Errors become a page or JSON. A page is revalidated each time, and is not sent again while it is the
same. A signed link opens one check of a private repository, for a limited time; without it the
response is that of a check that does not exist. The token is in the query of the link; the page
moves it to a cookie for this check's addresses alone, so that the page's JSON, logs and graph open
too.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from http import HTTPStatus
from pathlib import Path

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware
from jinja2 import Environment

from bot.engine.links import LINK_FIELD, LinkKeys
from bot.errors import SurroundingsError
from bot.store.store import Store
from bot.web.addresses import missing
from bot.web.responses.checks import visible_check

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
_OUR_FAULT = "The bot failed. Details are in its log."
_OUTSIDE_FAULT = "Something that the bot needs failed. Details are in its log; try again later."


def errors(templates: Environment) -> Middleware:
    """The middleware that responds with an error if a handler raises; details go only to the
    log."""

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
            status, what, allowed = 503, _OUTSIDE_FAULT, None
        except Exception:
            LOG.exception("%s %s failed", request.method, request.path)
            status, what, allowed = 500, _OUR_FAULT, None
        if f"{request.path}/".startswith(_JSON):
            response = web.json_response({"error": what}, status=status)
        else:
            response = _page(templates, request, status, what)
        if allowed:
            response.headers["Allow"] = allowed
        return response

    return middleware


def _sentence(error: web.HTTPException) -> str:
    """The sentence of an error; aiohttp's default text is only its number and name."""
    if error.text and error.text != f"{error.status}: {error.reason}":
        return error.text
    if isinstance(error, web.HTTPMethodNotAllowed):
        return f"{error.method} does nothing at this address."
    if isinstance(error, web.HTTPNotFound):
        return "Nothing has this address."
    return f"{error.reason}."


def _page(templates: Environment, request: web.Request, status: int, what: str) -> web.Response:
    # After malformed parameters, most likely the same page without query exists.
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
# Headers that a 304 omits (RFC 9110, 15.4.5).
_OF_THE_BODY = (hdrs.CONTENT_TYPE, hdrs.CONTENT_LENGTH)


@web.middleware
async def caching(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Add the ETag of a response, and answer 304 to clients that have it.

    `no-store` for errors and live values; a handler's own Cache-Control stays.
    """
    response = await handler(request)
    live = f"{request.path}/".startswith(_LIVE)
    if live or response.status >= HTTPStatus.BAD_REQUEST:
        response.headers.setdefault(hdrs.CACHE_CONTROL, _NO_STORE)
    cache_control = response.headers.setdefault(hdrs.CACHE_CONTROL, "no-cache")
    body = response.body if isinstance(response, web.Response) else None
    if (
        _NO_STORE in cache_control
        or response.status != HTTPStatus.OK
        or not isinstance(body, bytes)
    ):
        return response
    response.etag = hashlib.sha256(body).hexdigest()[:32]
    # A HEAD's response keeps the body's length; aiohttp leaves the body out.
    if request.method in (hdrs.METH_GET, hdrs.METH_HEAD) and _is_cached(request, response):
        headers = response.headers.copy()
        for name in _OF_THE_BODY:
            headers.popall(name, None)
        return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    return response


def _is_cached(request: web.Request, response: web.StreamResponse) -> bool:
    """Return whether the client has this response; weak tags count, as proxies weaken them."""
    etag = response.etag
    return etag is not None and any(
        tag.value in ("*", etag.value) for tag in request.if_none_match or ()
    )


# The hidden check that the request may see.
_OPENED = web.RequestKey("opened", str)
_COOKIE = "minimize-check"
_PAGE = "/checks/{id}"
_ROUTES = (_PAGE, f"/api{_PAGE}")
_HEADERS = {
    "Cache-Control": "private, no-store",
    "X-Robots-Tag": "noindex, nofollow",
    "Referrer-Policy": "no-referrer",
}


def opened_check(request: web.Request) -> str:
    """The id of the hidden check that this request may see, or ""."""
    check: str = request.get(_OPENED, "")
    return check


def private_pages(keys: LinkKeys | None, *, secure: bool) -> Middleware:
    """The middleware that opens the checks whose token `keys` verify; `secure` if cookies need
    TLS."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        place = _place(request)
        token = request.query.get(LINK_FIELD) or request.cookies.get(_COOKIE) or ""
        if keys is None or place is None or not token:
            return await handler(request)
        check = request.match_info["id"]
        if not keys.opens(check, token):
            return await handler(request)
        request[_OPENED] = check
        if place == _PAGE and LINK_FIELD in request.query:
            rest = {n: v for n, v in request.query.items() if n != LINK_FIELD}
            response: web.StreamResponse = web.Response(
                status=303, headers={"Location": str(request.rel_url.with_query(rest))}
            )
            path = request.rel_url.raw_path
            _set_cookie(response, token, f"/api{path}", keys.seconds, secure=secure)
            _set_cookie(response, token, path, keys.seconds, secure=secure)
        else:
            response = await handler(request)
        response.headers.update(_HEADERS)
        return response

    return middleware


def _place(request: web.Request) -> str | None:
    """The route of a request below a check's address."""
    resource = request.match_info.route.resource
    path = "" if resource is None else resource.canonical
    return path if path.startswith(_ROUTES) else None


def _set_cookie(
    response: web.StreamResponse, token: str, path: str, seconds: int, *, secure: bool
) -> None:
    """Set a cookie for one path; `Lax`, since the forge's page links here."""
    response.headers.add(
        "Set-Cookie",
        f"{_COOKIE}={token}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax"
        + ("; Secure" if secure else ""),
    )


_ROOMS = ("builds", "build-logs")


class BuildLogs:
    """The handler of build logs: files below `cache`, and no others."""

    def __init__(self, store: Store, cache: Path) -> None:
        self._store = store
        self._roots = tuple((cache / room).resolve() for room in _ROOMS)

    async def show(self, request: web.Request) -> web.StreamResponse:
        """`/checks/{id}/logs/{number}`: plain text; 404 if it is not stored, or no longer."""
        number = request.match_info["number"]
        check = request.match_info["id"]
        path = await asyncio.to_thread(self._find, check, number, opened_check(request))
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        return web.FileResponse(path, headers=headers)

    def _find(self, check: str, number: str, may_see: str) -> Path:
        builds = (visible_check(self._store, check, may_see).result or {}).get("builds", [])
        if not number.isascii() or not number.isdigit() or int(number[:6]) >= len(builds):
            raise missing("This check has no such build.")
        log = builds[int(number[:6])].get("log")
        path = Path(log).resolve() if log else None
        if path is None or not any(path.is_relative_to(root) for root in self._roots):
            raise missing("This build has no log here.")
        if not path.is_file():
            raise missing("The log of this build is not stored any more.")
        return path
