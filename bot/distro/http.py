"""HTTP as mirrors need it: retries with backoff, ranges, resuming, and limits on what is taken.

urllib3 does the work; it is imported with this module, which nothing imports before it must.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import HTTPError, MaxRetryError, ProtocolError, ReadTimeoutError

from bot.distro.answer import Answer
from bot.distro.unpack import RefusedFileError
from bot.errors import SurroundingsError

USER_AGENT = "minimize (+rpm-md client)"
# Seconds: the first wait between tries, which doubles each time; tests make it 0.
BACKOFF = 0.5
_RETRY_AFTER_MAX = 30
_TIMEOUT = urllib3.Timeout(connect=10, read=30)
_RETRIED = (429, 500, 502, 503, 504)
_CHUNK = 1 << 18
# Connections to one host, of one process: who wants one more waits until one is free.
CONNECTIONS = 6
_BOUNDED: dict[str, Any] = {"maxsize": CONNECTIONS, "block": True}
# A mirror that is slower than this for longer than that is as good as dead.
_SLOWEST = 20_000  # bytes a second
_PATIENCE = 60.0  # seconds


class FetchError(SurroundingsError):
    """A URL that could not be had; `status` is HTTP's, null where there was no answer."""

    def __init__(self, url: str, why: str, status: int | None = None) -> None:
        super().__init__(f"{url} could not be read: {why}.")
        self.url = url
        self.why = why
        self.status = status


class _Retry(urllib3.Retry):
    def parse_retry_after(self, retry_after: str) -> float:
        """What the server asks for, but no longer than a person would wait."""
        return min(super().parse_retry_after(retry_after), _RETRY_AFTER_MAX)


def get(
    url: str,
    limit: int,
    *,
    etag: str | None = None,
    last_modified: str | None = None,
    tries: int = 4,
) -> Answer:
    """The content at `url`. Raises FetchError, also for 404, RefusedFileError beyond `limit` bytes.

    With an ETag or a date of an earlier answer the request is conditional.
    """
    headers = {}
    if etag:
        headers["If-None-Match"] = etag
    if last_modified:
        headers["If-Modified-Since"] = last_modified
    for last in _tries(tries):
        try:
            with _response(url, headers, tries) as response:
                if response.status == HTTPStatus.NOT_MODIFIED and headers:
                    return Answer(None, etag, last_modified)
                _expect(url, response, HTTPStatus.OK)
                content = b"".join(_body(url, response, limit))
        except (ProtocolError, ReadTimeoutError) as error:
            if last:
                raise FetchError(url, _reason(error)) from error
        else:
            found = response.headers
            return Answer(content, found.get("ETag"), found.get("Last-Modified"))
    raise AssertionError("unreachable: the last try returns or raises")


def get_range(url: str, end: int, *, tries: int = 4) -> bytes:
    """The first `end` bytes at `url`, whether the server knows ranges or not. Raises FetchError."""
    for last in _tries(tries):
        try:
            with _response(url, {"Range": f"bytes=0-{end - 1}"}, tries) as response:
                _expect(url, response, HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT)
                content = bytearray()
                for chunk in response.stream(_CHUNK):
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
    raise AssertionError("unreachable: the last try returns or raises")


def download(url: str, target: Path, limit: int, *, tries: int = 4) -> None:
    """Writes the file at `url` to `target`, going on where `target` ends.

    Raises FetchError, and leaves what came so far for the next try; a file that would pass `limit`
    bytes is refused (RefusedFileError) before it does.
    """
    for last in _tries(tries):
        start = target.stat().st_size if target.exists() else 0
        headers = {"Range": f"bytes={start}-"} if start else {}
        try:
            with _response(url, headers, tries) as response:
                if response.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and start:
                    target.unlink()  # what is there is no beginning of this file
                    if last:
                        raise FetchError(url, "it is shorter than what was already there")
                    continue
                _expect(url, response, HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT)
                resumed = response.status == HTTPStatus.PARTIAL_CONTENT and start > 0
                allowed = limit - (start if resumed else 0)
                with target.open("ab" if resumed else "wb") as output:
                    for chunk in _body(url, response, allowed):
                        output.write(chunk)
        except (ProtocolError, ReadTimeoutError) as error:
            if last:
                raise FetchError(url, _reason(error)) from error
        else:
            return


def _tries(tries: int) -> Iterator[bool]:
    """Whether this is the last try, with a wait before each but the first."""
    for number in range(tries):
        if number:
            time.sleep(BACKOFF * 2 ** (number - 1))
        yield number == tries - 1


@contextmanager
def _response(
    url: str, headers: Mapping[str, str], tries: int
) -> Iterator[urllib3.BaseHTTPResponse]:
    """An answer whose body is not read yet. Refused and unanswered requests are tried again."""
    retries = _Retry(
        total=None,
        connect=tries - 1,
        read=tries - 1,
        status=tries - 1,
        other=0,
        backoff_factor=BACKOFF,
        backoff_max=8,
        status_forcelist=_RETRIED,
        raise_on_status=False,
        redirect=5,
    )
    try:
        response = _pool(url).request(
            "GET",
            url,
            # A mirror's transparent compression would change the sizes that are checked.
            headers={**headers, "Accept-Encoding": "identity", "User-Agent": USER_AGENT},
            preload_content=False,
            decode_content=False,
            retries=retries,
            timeout=_TIMEOUT,
        )
    except HTTPError as error:
        raise FetchError(url, _reason(error)) from error
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


def _is_small_rest(response: urllib3.BaseHTTPResponse) -> bool:
    rest = getattr(response, "length_remaining", None)
    return rest is not None and rest < _CHUNK


def _expect(url: str, response: urllib3.BaseHTTPResponse, *statuses: int) -> None:
    if response.status not in statuses:
        phrase = response.reason or "unexpected"
        raise FetchError(url, f"HTTP status {response.status} {phrase}", response.status)


def _body(url: str, response: urllib3.BaseHTTPResponse, limit: int) -> Iterator[bytes]:
    said = response.headers.get("Content-Length", "")
    if said.isdigit() and int(said) > limit:
        raise RefusedFileError(url, f"it has {said} bytes, more than the {limit} allowed")
    received, start = 0, time.monotonic()
    for chunk in response.stream(_CHUNK):
        received += len(chunk)
        if received > limit:
            raise RefusedFileError(url, f"it is larger than the {limit} bytes allowed")
        if time.monotonic() - start > _PATIENCE + received / _SLOWEST:
            raise FetchError(url, f"it is too slow: {received} bytes in {_PATIENCE:.0f} s and more")
        yield chunk


def _reason(error: Exception) -> str:
    cause: BaseException = error
    if isinstance(error, MaxRetryError) and error.reason is not None:
        cause = error.reason
    text = str(cause)
    # urllib3 puts its own objects before the sentence: "<...HTTPConnection object at 0x..>: ...".
    return text.rpartition(">: ")[2] or text or type(cause).__name__


@functools.cache
def _pools() -> dict[str, urllib3.PoolManager]:
    pools: dict[str, urllib3.PoolManager] = {"": urllib3.PoolManager(num_pools=32, **_BOUNDED)}
    for scheme, proxy in getproxies().items():
        if scheme in ("http", "https"):
            pools[scheme] = urllib3.ProxyManager(proxy, num_pools=32, **_BOUNDED)
    return pools


# Two processes must not talk over one connection.
os.register_at_fork(after_in_child=_pools.cache_clear)


def _pool(url: str) -> urllib3.PoolManager:
    """The connections for a URL: through the proxy that the environment names, if it does."""
    parts = urlsplit(url)
    if parts.scheme in _pools() and not proxy_bypass(parts.netloc):
        return _pools()[parts.scheme]
    return _pools()[""]
