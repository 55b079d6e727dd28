"""The door to checks of private repositories: a signed link opens one of them, for a while.

Without it, they are answered as checks that are not there. A link's token comes in the query; a
page then takes it out of the address bar and leaves it in a cookie that is good for this check's
addresses alone, so that what the page leads to (JSON, logs, the graph) opens too.
"""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from bot.engine.links import LINK_FIELD, LinkKeys

# The check that a request may see although it is hidden.
_OPENED = web.RequestKey("opened", str)
_COOKIE = "minimize-check"
_PAGE = "/checks/{id}"
_ROUTES = (_PAGE, f"/api{_PAGE}")
_HEADERS = {
    "Cache-Control": "private, no-store",
    "X-Robots-Tag": "noindex, nofollow",
    "Referrer-Policy": "no-referrer",
}


def opened(request: web.Request) -> str:
    """The id of the hidden check that this request may see, or ""."""
    check: str = request.get(_OPENED, "")
    return check


def private_pages(keys: LinkKeys | None, *, secure: bool) -> Middleware:
    """Opens the checks that `keys` know the token of; `secure` where cookies go by TLS only."""

    @web.middleware
    async def door(request: web.Request, handler: Handler) -> web.StreamResponse:
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
            answer: web.StreamResponse = web.Response(
                status=303, headers={"Location": str(request.rel_url.with_query(rest))}
            )
            path = request.rel_url.raw_path
            _leave(answer, token, f"/api{path}", keys.seconds, secure=secure)
            _leave(answer, token, path, keys.seconds, secure=secure)
        else:
            answer = await handler(request)
        answer.headers.update(_HEADERS)
        return answer

    return door


def _place(request: web.Request) -> str | None:
    """The route of a request below a check's address."""
    resource = request.match_info.route.resource
    path = "" if resource is None else resource.canonical
    return path if path.startswith(_ROUTES) else None


def _leave(
    answer: web.StreamResponse, token: str, path: str, seconds: int, *, secure: bool
) -> None:
    """A cookie for one path; `Lax`, as people come from the forge's page."""
    answer.headers.add(
        "Set-Cookie",
        f"{_COOKIE}={token}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax"
        + ("; Secure" if secure else ""),
    )
