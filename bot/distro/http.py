"""HTTP as mirrors need it: retries with backoff, ranges, resuming, and limits on what is taken.

urllib3 does the work; it is imported with this module, which nothing imports before it must.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urljoin

import urllib3
from urllib3.exceptions import (
    HTTPError,
    MaxRetryError,
    ProtocolError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)

from bot.distro import connections
from bot.distro.addresses import ANYWHERE, Reach
from bot.distro.failover import MANY, PASSING, FetchError, RefusedFileError, RetryPolicy
from bot.distro.transfer import SmallFile
from bot.model.package import NO_ACCESS, RepositoryAccess, origin

USER_AGENT = "minimize (+rpm-md client)"
# Seconds: the first wait between tries, which doubles each time; tests make it 0.
BACKOFF = 0.5
_RETRY_AFTER_MAX = 30
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
_CHUNK = 1 << 18
# A mirror that is slower than this for longer than patience has it is as good as dead.
_SLOWEST = 20_000  # bytes a second


class _Retry(urllib3.Retry):
    def parse_retry_after(self, retry_after: str) -> float:
        """The delay that the server asks for, but no longer than a person would wait."""
        return min(super().parse_retry_after(retry_after), _RETRY_AFTER_MAX)


def get(
    url: str,
    limit: int,
    *,
    etag: str | None = None,
    last_modified: str | None = None,
    access: RepositoryAccess = NO_ACCESS,
    retry_policy: RetryPolicy = MANY,
) -> SmallFile:
    """The content at `url`. Raises FetchError, also for 404, RefusedFileError beyond `limit` bytes.

    With an ETag or a date of an earlier answer the request is conditional. `access` says how its
    server is spoken to; its credentials go to its own origins alone, whatever redirects say.
    """
    headers = {}
    if etag:
        headers["If-None-Match"] = etag
    if last_modified:
        headers["If-Modified-Since"] = last_modified
    for last in _tries(retry_policy):
        try:
            with _response(url, headers, access, retry_policy) as response:
                if response.status == HTTPStatus.NOT_MODIFIED and headers:
                    return SmallFile(None, etag, last_modified)
                _expect(url, response, HTTPStatus.OK)
                content = b"".join(_body(url, response, limit, retry_policy))
        except (ProtocolError, ReadTimeoutError) as error:
            if last:
                raise FetchError(url, _reason(error)) from error
        else:
            found = response.headers
            return SmallFile(content, found.get("ETag"), found.get("Last-Modified"))
    raise FetchError(url, "the time limit had passed")


def get_range(
    url: str, end: int, *, access: RepositoryAccess = NO_ACCESS, retry_policy: RetryPolicy = MANY
) -> bytes:
    """The first `end` bytes at `url`, whether the server knows ranges or not. Raises FetchError."""
    for last in _tries(retry_policy):
        try:
            with _response(url, {"Range": f"bytes=0-{end - 1}"}, access, retry_policy) as response:
                _expect(url, response, HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT)
                content = bytearray()
                for chunk in _pieces(url, response, retry_policy):
                    content += chunk
                    if len(content) >= end:
                        break  # a server without ranges would go on to the end of the file
        except (ProtocolError, ReadTimeoutError) as error:
            if last:
                raise FetchError(url, _reason(error)) from error
        else:
            if len(content) < end:
                raise FetchError(url, f"it has {len(content)} bytes, {end} are needed")
            return bytes(content[:end])
    raise FetchError(url, "the time limit had passed")


def download(
    url: str,
    target: Path,
    limit: int,
    *,
    access: RepositoryAccess = NO_ACCESS,
    retry_policy: RetryPolicy = MANY,
    reach: Reach = ANYWHERE,
    resume: bool = True,
) -> None:
    """Writes the file at `url` to `target`, with `resume` going on where `target` ends.

    Raises FetchError (AbsentError where there is nothing), and leaves what came so far for the
    next try; a file that would pass `limit` bytes is refused (RefusedFileError) before it does.
    What would leave `reach` is refused as well (RefusedFileError, PrivateAddressError).
    """
    for last in _tries(retry_policy):
        start = target.stat().st_size if resume and target.exists() else 0
        headers = {"Range": f"bytes={start}-"} if start else {}
        try:
            with _response(url, headers, access, retry_policy, reach) as response:
                if response.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and start:
                    target.unlink()  # what is there is no beginning of this file
                    if last:
                        raise FetchError(url, "it is shorter than what was already there")
                    continue
                _expect(url, response, HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT)
                resumed = response.status == HTTPStatus.PARTIAL_CONTENT and start > 0
                allowed = limit - (start if resumed else 0)
                with target.open("ab" if resumed else "wb") as output:
                    for chunk in _body(url, response, allowed, retry_policy):
                        output.write(chunk)
        except (ProtocolError, ReadTimeoutError) as error:
            if last:
                raise FetchError(url, _reason(error)) from error
        else:
            return
    raise FetchError(url, "the time limit had passed")


def _tries(retry_policy: RetryPolicy) -> Iterator[bool]:
    """Return whether this is the last try, with a wait before each but the first; none once it is
    over."""
    for number in range(retry_policy.tries):
        if number:
            time.sleep(BACKOFF * 2 ** (number - 1))
        if retry_policy.is_over:
            return
        yield number == retry_policy.tries - 1


@contextmanager
def _response(
    url: str,
    headers: Mapping[str, str],
    access: RepositoryAccess,
    retry_policy: RetryPolicy,
    reach: Reach = ANYWHERE,
) -> Iterator[urllib3.BaseHTTPResponse]:
    """An answer whose body is not read yet. Refused and unanswered requests are tried again.

    Redirects are followed here and not by urllib3, which would show a client certificate to
    whoever they lead to.
    """
    response = _request(url, headers, access, retry_policy, reach)
    done = False
    try:
        yield response
        done = True
    finally:
        # Half-read connections are of no use to the next request.
        if done:
            response.drain_conn() if _is_small_rest(response) else response.close()
        else:
            response.close()
        response.release_conn()


def _request(
    url: str,
    headers: Mapping[str, str],
    access: RepositoryAccess,
    retry_policy: RetryPolicy,
    reach: Reach,
) -> urllib3.BaseHTTPResponse:
    place, allowed = url, access.at(url)
    for _ in range(_MOST_REDIRECTS + 1):
        reach.check(place)
        response = _ask(url, place, headers, allowed, retry_policy, reach)
        target = response.headers.get("Location")
        if response.status not in _REDIRECTS or not target:
            return response
        response.drain_conn()
        response.release_conn()
        following = urljoin(place, target)
        if not following.startswith(("https://", "http://")):
            raise FetchError(url, f"it redirects to {following}, which is not HTTP")
        if origin(following) != origin(place):
            allowed = access.at("")
        place = following
    raise FetchError(url, f"it redirects more than {_MOST_REDIRECTS} times")


def _ask(
    url: str,
    place: str,
    headers: Mapping[str, str],
    access: RepositoryAccess,
    retry_policy: RetryPolicy,
    reach: Reach,
) -> urllib3.BaseHTTPResponse:
    """The answer at `place`, where a request for `url` has come to."""
    again = retry_policy.tries - 1
    retries = _Retry(
        total=None,
        connect=again,
        read=again,
        status=again,
        other=0,
        backoff_factor=BACKOFF,
        backoff_max=8,
        status_forcelist=PASSING,
        raise_on_status=False,
        redirect=False,
    )
    try:
        return connections.pool(place, access, public_only=reach.public_only).request(
            "GET",
            place,
            # A mirror's transparent compression would change the sizes that are checked.
            headers={
                **headers,
                **connections.authorization(access),
                "Accept-Encoding": "identity",
                "User-Agent": USER_AGENT,
            },
            preload_content=False,
            decode_content=False,
            redirect=False,
            retries=retries,
            timeout=urllib3.Timeout(connect=retry_policy.connect, read=retry_policy.read),
        )
    except HTTPError as error:
        raise FetchError(url, _reason(error), hint=_remedy(error)) from error
    except ValueError as error:  # urlsplit's and ssl's, of what is no URL or no certificate
        raise FetchError(url, str(error) or type(error).__name__) from error


def _is_small_rest(response: urllib3.BaseHTTPResponse) -> bool:
    rest = getattr(response, "length_remaining", None)
    return rest is not None and rest < _CHUNK


_REMEDIES: Mapping[int, str] = {
    HTTPStatus.UNAUTHORIZED: (
        "The server requires authentication: set `username` and `password` of the repository, by"
        " reference."
    ),
    HTTPStatus.FORBIDDEN: (
        "The server refuses access: set `sslclientcert` and `sslclientkey`, or `username` and"
        " `password`, of the repository."
    ),
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: (
        "The proxy requires authentication: set `proxy_username` and `proxy_password`, by"
        " reference."
    ),
}


def _expect(url: str, response: urllib3.BaseHTTPResponse, *statuses: int) -> None:
    status = response.status
    if status not in statuses:
        phrase = response.reason or "unexpected"
        raise FetchError(url, f"HTTP status {status} {phrase}", status, _REMEDIES.get(status, ""))


def _body(
    url: str, response: urllib3.BaseHTTPResponse, limit: int, retry_policy: RetryPolicy
) -> Iterator[bytes]:
    length = response.headers.get("Content-Length", "")
    if length.isascii() and length.isdecimal() and int(length[:20]) > limit:
        raise RefusedFileError(url, f"it has {length[:20]} bytes, more than the {limit} allowed")
    received = 0
    for chunk in _pieces(url, response, retry_policy):
        received += len(chunk)
        if received > limit:
            raise RefusedFileError(url, f"it is larger than the {limit} bytes allowed")
        yield chunk


def _pieces(
    url: str, response: urllib3.BaseHTTPResponse, retry_policy: RetryPolicy
) -> Iterator[bytes]:
    """The body as it comes, not in whole chunks: a server that trickles is noticed in time."""
    received, start = 0, time.monotonic()
    while piece := response.read1(_CHUNK, decode_content=False):
        received += len(piece)
        if time.monotonic() - start > retry_policy.slow + received / _SLOWEST:
            why = f"it is too slow: {received} bytes in {retry_policy.slow:.0f} s and more"
            raise FetchError(url, why)
        yield piece


def _cause(error: Exception) -> BaseException:
    if isinstance(error, MaxRetryError) and error.reason is not None:
        return error.reason
    return error


def _reason(error: Exception) -> str:
    cause = _cause(error)
    if isinstance(cause, ProxyError):
        # Its text is a tuple of a sentence and the error behind it.
        return f"its proxy does not answer: {_reason(cause.original_error)}"
    text = str(cause)
    # urllib3 puts its own objects before the sentence: "<...HTTPConnection object at 0x..>: ...".
    return text.rpartition(">: ")[2] or text or type(cause).__name__


def _remedy(error: Exception) -> str:
    if not isinstance(_cause(error), SSLError):
        return ""
    return (
        "The certificate may be signed by a private authority (set `sslcacert`), or the server"
        " requires a client's (set `sslclientcert` and `sslclientkey`)."
    )
