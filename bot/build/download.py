"""Downloads from URLs that a change's author chose: to public addresses only, and so many bytes.

The bot stands in a network of its own, next to metadata services and internal hosts; what a spec
file's `Source:` names must not read them. So the address that was really connected to is looked
at, after each redirect too. Behind a proxy that the environment names, the proxy decides.
"""

from __future__ import annotations

import socket
import time
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from urllib.request import getproxies

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, MaxRetryError

from bot.errors import SurroundingsError
from bot.spec.lookaside import SourcesError

_CHUNK = 1 << 18
_TRIES = 4
_BACKOFF = 0.5  # seconds before the second try, doubled each time
_SLOWEST = 20_000  # bytes a second
_PATIENCE = 60.0  # seconds


def download_source(url: str, target: Path, limit: int, *, public_only: bool) -> None:
    """Writes what is at the http(s) `url` to `target`.

    SourcesError where there is nothing (404, 410), where it has more than `limit` bytes or is at
    an address that is not public; SurroundingsError where another try may help.
    """
    for number in range(_TRIES):
        try:
            return _once(url, target, limit, public_only=public_only)
        except HTTPError as error:
            if number == _TRIES - 1:
                raise SurroundingsError(f"{url} could not be read: {_reason(error)}.") from error
            time.sleep(_BACKOFF * 2**number)
    raise AssertionError("unreachable: the last try returns or raises")


def _once(url: str, target: Path, limit: int, *, public_only: bool) -> None:
    retries = urllib3.Retry(
        total=5,
        connect=0,
        read=0,
        redirect=5,
        status=2,
        status_forcelist=(429, 500, 502, 503, 504),
        backoff_factor=_BACKOFF,
        raise_on_status=False,
    )
    with _pool(public_only=public_only) as pool:
        response = pool.request(
            "GET",
            url,
            headers={"Accept-Encoding": "identity", "User-Agent": "minimize (+sources)"},
            preload_content=False,
            decode_content=False,
            retries=retries,
            timeout=urllib3.Timeout(connect=10, read=30),
        )
        with response:
            if response.status in (404, 410):
                raise SourcesError(f"There is nothing at {url} (HTTP status {response.status}).")
            if response.status != 200:
                raise SurroundingsError(
                    f"{url} could not be read: HTTP status {response.status} {response.reason}."
                )
            _save(url, response, target, limit)


def _save(url: str, response: urllib3.BaseHTTPResponse, target: Path, limit: int) -> None:
    received, start = 0, time.monotonic()
    with target.open("wb") as output:
        for chunk in response.stream(_CHUNK):
            received += len(chunk)
            if received > limit:
                raise SourcesError(f"{url} is larger than the {limit} bytes allowed.")
            if time.monotonic() - start > _PATIENCE + received / _SLOWEST:
                raise SurroundingsError(f"{url} is too slow: {received} bytes so far.")
            output.write(chunk)


def _pool(*, public_only: bool) -> urllib3.PoolManager:
    proxies = getproxies()
    proxy = proxies.get("https") or proxies.get("http")
    if proxy:
        return urllib3.ProxyManager(proxy)
    pool = urllib3.PoolManager(num_pools=4)
    if public_only:
        pool.pool_classes_by_scheme = {"http": _PublicHTTPPool, "https": _PublicHTTPSPool}
    return pool


def _refuse_private(sock: socket.socket, host: str) -> None:
    address = ip_address(str(sock.getpeername()[0]).partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if not address.is_global:
        raise SourcesError(
            f"The source's host {host} has the address {address}, which is not public;"
            " it is not read.",
            "Put the file into the repository or its lookaside.",
        )


class _PublicHTTP(HTTPConnection):
    def connect(self) -> None:
        """Connects, and refuses an address that is not public before anything is asked of it."""
        super().connect()
        assert self.sock is not None
        _refuse_private(self.sock, self.host)


class _PublicHTTPS(HTTPSConnection):
    def connect(self) -> None:
        """As `_PublicHTTP`."""
        super().connect()
        assert self.sock is not None
        _refuse_private(self.sock, self.host)


class _PublicHTTPPool(HTTPConnectionPool):
    ConnectionCls = _PublicHTTP


class _PublicHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _PublicHTTPS


def _reason(error: Exception) -> str:
    cause: BaseException = error
    if isinstance(error, MaxRetryError) and error.reason is not None:
        cause = error.reason
    return str(cause).rpartition(">: ")[2] or type(cause).__name__
