"""Access to checks of private repositories: a signed link opens one of them, for a while.

Without it the response is that of a check that does not exist. A link's token comes in the query; a
page then takes it out of the address bar and stores it in a cookie that is good for this check's
addresses alone, so that the page's JSON, logs and graph open too.
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
    """Open the checks whose token `keys` know; `secure` where cookies need TLS."""

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
            answer: web.StreamResponse = web.Response(
                status=303, headers={"Location": str(request.rel_url.with_query(rest))}
            )
            path = request.rel_url.raw_path
            _set_cookie(answer, token, f"/api{path}", keys.seconds, secure=secure)
            _set_cookie(answer, token, path, keys.seconds, secure=secure)
        else:
            answer = await handler(request)
        answer.headers.update(_HEADERS)
        return answer

    return middleware


def _place(request: web.Request) -> str | None:
    """The route of a request below a check's address."""
    resource = request.match_info.route.resource
    path = "" if resource is None else resource.canonical
    return path if path.startswith(_ROUTES) else None


def _set_cookie(
    answer: web.StreamResponse, token: str, path: str, seconds: int, *, secure: bool
) -> None:
    """Set a cookie for one path; `Lax`, as the forge's page links here."""
    answer.headers.add(
        "Set-Cookie",
        f"{_COOKIE}={token}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax"
        + ("; Secure" if secure else ""),
    )
