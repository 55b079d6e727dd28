"""HTTP for mirrors: retries with backoff, ranges, resuming, and limits on sizes.

It uses urllib3 and imports it at once, so this module is imported late.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar
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
from bot.distro.connections import ANYWHERE, Reach
from bot.distro.failover import MANY, PASSING, FetchError, RefusedFileError, RetryPolicy
from bot.distro.transfer import NOTHING_KNOWN, SmallFile
from bot.model.package import NO_ACCESS, RepositoryAccess, origin
from bot.outbound.authorities import CA_VARIABLE

LOG = logging.getLogger(__name__)
_T = TypeVar("_T")
USER_AGENT = "minimize (+rpm-md client)"
# Seconds before the first retry, doubled each time; tests set it to 0.
BACKOFF = 0.5
_RETRY_AFTER_MAX = 30
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
_CHUNK = 1 << 18
# Bytes per second: a mirror that stays slower for the policy's `slow` seconds has failed.
_SLOWEST = 20_000


class _Retry(urllib3.Retry):
    def parse_retry_after(self, retry_after: str) -> float:
        """The seconds of a Retry-After header, limited to what a person would wait."""
        return min(super().parse_retry_after(retry_after), _RETRY_AFTER_MAX)


def get(
    url: str,
    limit: int,
    *,
    earlier: SmallFile = NOTHING_KNOWN,
    access: RepositoryAccess = NO_ACCESS,
    retry_policy: RetryPolicy = MANY,
    reach: Reach = ANYWHERE,
) -> SmallFile:
    """The content at `url`. Raises FetchError, also for 404, RefusedFileError beyond `limit` bytes.

    With the ETag or date of an `earlier` answer the request is conditional. `access` says how its
    server is accessed; its credentials go to its own origins only, also after redirects. `reach` is
    as in `download`.
    """
    headers = {"If-None-Match": earlier.etag, "If-Modified-Since": earlier.last_modified}
    conditions = {name: value for name, value in headers.items() if value}
    LOG.debug("Fetching %s", url)
    transfer = _Transfer(url, access, retry_policy, reach)

    def once() -> SmallFile:
        with transfer.response(conditions) as response:
            if response.status == HTTPStatus.NOT_MODIFIED and conditions:
                return replace(earlier, content=None)
            transfer.expect(response, HTTPStatus.OK)
            content = b"".join(transfer.body(response, limit))
            received = response.headers
            return SmallFile(content, received.get("ETag"), received.get("Last-Modified"))

    return transfer.attempt(once)


def call(
    url: str, body: bytes, content_type: str, limit: int, *, reach: Reach, retry_policy: RetryPolicy
) -> bytes:
    """The answer to a POST to `url` that changes nothing on the server, so that it may be retried.

    Raises as `download`; a redirect is an error, because following it would drop the body.
    """
    LOG.debug("Calling %s", url)
    transfer = _Transfer(url, NO_ACCESS, retry_policy, reach, body)

    def once() -> bytes:
        with transfer.response({"Content-Type": content_type}) as response:
            transfer.expect(response, HTTPStatus.OK)
            return b"".join(transfer.body(response, limit))

    return transfer.attempt(once)


def get_range(
    url: str, end: int, *, access: RepositoryAccess = NO_ACCESS, retry_policy: RetryPolicy = MANY
) -> bytes:
    """The first `end` bytes at `url`, even if the server supports no ranges. Raises FetchError."""
    LOG.debug("Fetching the beginning of %s", url)
    transfer = _Transfer(url, access, retry_policy)

    def once() -> bytes:
        content = bytearray()
        with transfer.response({"Range": f"bytes=0-{end - 1}"}) as response:
            transfer.expect(response, HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT)
            for chunk in transfer.pieces(response):
                content += chunk
                if len(content) >= end:
                    break  # a server without ranges would send the whole file
        return bytes(content[:end])

    content = transfer.attempt(once)
    if len(content) < end:
        raise FetchError(url, f"it has {len(content)} bytes, {end} are needed")
    return content


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
    """Write the file at `url` to `target`; with `resume`, continue where `target` ends.

    Raises FetchError (AbsentError if there is no file) and leaves what was received for the next
    try. A file above `limit` bytes raises RefusedFileError before it passes the limit; a URL
    outside `reach` raises RefusedFileError or PrivateAddressError.
    """
    LOG.debug("Fetching %s", url)
    transfer = _Transfer(url, access, retry_policy, reach)

    def once() -> None:
        start = target.stat().st_size if resume and target.exists() else 0
        with transfer.response({"Range": f"bytes={start}-"} if start else {}) as response:
            if response.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and start:
                target.unlink()  # the present file is not the beginning of this one
                raise ProtocolError("it is shorter than what was already there")
            transfer.expect(response, HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT)
            resumed = response.status == HTTPStatus.PARTIAL_CONTENT and start > 0
            with target.open("ab" if resumed else "wb") as output:
                for chunk in transfer.body(response, limit - (start if resumed else 0)):
                    output.write(chunk)

    transfer.attempt(once)


@dataclass(frozen=True, slots=True)
class _Transfer:
    """The transfer of one URL, with its retries and redirects; `call` is the body of a POST."""

    url: str
    access: RepositoryAccess
    retry_policy: RetryPolicy
    reach: Reach = ANYWHERE
    call: bytes | None = None

    def attempt(self, once: Callable[[], _T]) -> _T:
        """The result of `once`, retried if a body breaks off; FetchError after the last try."""
        tries = self.retry_policy.tries
        for number in range(tries):
            if number:
                time.sleep(BACKOFF * 2 ** (number - 1))
            if self.retry_policy.is_over:
                break
            try:
                return once()
            except (ProtocolError, ReadTimeoutError) as error:
                if number == tries - 1:
                    raise FetchError(self.url, _reason(error)) from error
        raise FetchError(self.url, "the time limit had passed")

    @contextmanager
    def response(self, headers: Mapping[str, str]) -> Iterator[urllib3.BaseHTTPResponse]:
        """An answer whose body is not read yet. Requests without an answer or with a temporary
        error are retried."""
        response = self._follow(headers)
        finished = False
        try:
            yield response
            finished = True
        finally:
            # A half-read connection cannot be reused.
            if finished and _is_small_rest(response):
                response.drain_conn()
            else:
                response.close()
            response.release_conn()

    def _follow(self, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        """The answer after all redirects.

        They are followed here because urllib3 would show the client certificate to any host.
        """
        place, allowed = self.url, self.access.at(self.url)
        for _ in range(_MOST_REDIRECTS + 1):
            self.reach.check(place)
            response = self._ask(place, headers, allowed)
            target = response.headers.get("Location")
            if response.status not in _REDIRECTS or not target or self.call is not None:
                return response
            response.drain_conn()
            response.release_conn()
            following = urljoin(place, target)
            if not following.startswith(("https://", "http://")):
                raise FetchError(self.url, f"it redirects to {following}, which is not HTTP")
            if origin(following) != origin(place):
                allowed = self.access.at("")
            place = following
        raise FetchError(self.url, f"it redirects more than {_MOST_REDIRECTS} times")

    def _must_be_public(self, place: str) -> bool:
        """Return whether `place` must have a public address: a server on the Internet may not
        redirect into our own network, an internal one may."""
        named = self.access.named or {origin(self.url)}
        if self.reach.public_only or origin(place) in named:
            return self.reach.public_only
        return any(connections.is_on_internet(server) for server in named if "://" in server)

    def _ask(
        self, place: str, headers: Mapping[str, str], access: RepositoryAccess
    ) -> urllib3.BaseHTTPResponse:
        """The answer at `place`, the current URL of the request."""
        policy = self.retry_policy
        again = policy.tries - 1
        retries = _Retry(
            total=None,
            connect=again,
            read=again,
            status=again,
            other=0,
            backoff_factor=BACKOFF,
            backoff_max=8,
            status_forcelist=PASSING,
            allowed_methods=None,
            raise_on_status=False,
            redirect=False,
        )
        try:
            public_only = self._must_be_public(place)
            return connections.pool(place, access, public_only=public_only).request(
                "GET" if self.call is None else "POST",
                place,
                body=self.call,
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
                timeout=urllib3.Timeout(connect=policy.connect, read=policy.read),
            )
        except HTTPError as error:
            raise FetchError(self.url, _reason(error), hint=_remedy(error)) from error
        except ValueError as error:  # from urlsplit and ssl, for an invalid URL or certificate
            raise FetchError(self.url, str(error) or type(error).__name__) from error

    def expect(self, response: urllib3.BaseHTTPResponse, *statuses: int) -> None:
        """Raise FetchError for an answer with another status."""
        status = response.status
        if status not in statuses:
            why = f"HTTP status {status} {response.reason or 'unexpected'}"
            raise FetchError(self.url, why, status, _REMEDIES.get(status, ""))

    def body(self, response: urllib3.BaseHTTPResponse, limit: int) -> Iterator[bytes]:
        """The body in pieces; raises RefusedFileError above `limit` bytes."""
        length = response.headers.get("Content-Length", "")
        if length.isascii() and length.isdecimal() and int(length[:20]) > limit:
            why = f"it has {length[:20]} bytes, more than the {limit} allowed"
            raise RefusedFileError(self.url, why)
        received = 0
        for chunk in self.pieces(response):
            received += len(chunk)
            if received > limit:
                raise RefusedFileError(self.url, f"it is larger than the {limit} bytes allowed")
            yield chunk

    def pieces(self, response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        """The body as it is received, so that a slow server is noticed in time."""
        received, start, slow = 0, time.monotonic(), self.retry_policy.slow
        while piece := response.read1(_CHUNK, decode_content=False):
            received += len(piece)
            if time.monotonic() - start > slow + received / _SLOWEST:
                why = f"it is too slow: {received} bytes in {slow:.0f} s and more"
                raise FetchError(self.url, why)
            yield piece


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


# urllib3 puts its own objects before the sentence: "HTTPConnection(host='h', port=80): ..."; older
# ones "<...HTTPConnection object at 0x..>: ...".
_OBJECT = re.compile(r"^(<[^>]*>|\w+\([^)]*\)): ")
# Python puts the number of a system's error before its words.
_NUMBER = re.compile(r"\[Errno -?\d+\] ")


def _cause(error: Exception) -> BaseException:
    if isinstance(error, MaxRetryError) and error.reason is not None:
        return error.reason
    return error


def _reason(error: Exception) -> str:
    cause = _cause(error)
    if isinstance(cause, ProxyError):
        # Its text is a tuple of a sentence and the cause.
        return f"its proxy does not answer: {_reason(cause.original_error)}"
    return _NUMBER.sub("", _OBJECT.sub("", str(cause))) or type(cause).__name__


def _remedy(error: Exception) -> str:
    if not isinstance(_cause(error), SSLError):
        return ""
    return (
        "The certificate may be signed by a private authority (set `sslcacert` of the repository,"
        f" or {CA_VARIABLE} for all), or the server requires a client's (set `sslclientcert` and"
        " `sslclientkey`)."
    )
