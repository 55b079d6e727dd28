"""Caching by browsers and proxies: a page is revalidated each time, and is not sent again
while it is the same."""

from __future__ import annotations

import hashlib
from http import HTTPStatus

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

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
