"""Downloads that stay within places: what a server sends us on to must be within them too.

Who may choose the URL is not who runs the bot, and the bot stands next to hosts that are nobody
else's to read (see `bot.build.url_template`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urljoin
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import HTTPError

from bot.build.url_template import is_inside
from bot.distro.failover import AbsentError
from bot.distro.transfer import local_path
from bot.distro.unpack import RefusedFileError
from bot.errors import SurroundingsError

_CHUNK = 1 << 18
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
_SLOWEST = 20_000  # bytes a second
_PATIENCE = 60.0  # seconds


def download_within(url: str, target: Path, limit: int, places: Sequence[str]) -> None:
    """Writes what is at `url`, at most `limit` bytes, to `target`.

    Raises AbsentError where there is nothing (404, 410), RefusedFileError where it is too large or
    leads out of `places`, other SurroundingsErrors where it cannot be had; another try may help.
    """
    local = local_path(url)
    if local is not None:
        _copy(url, local, target, limit, places)
        return
    with _pool(url) as pool:
        for _ in range(_MOST_REDIRECTS + 1):
            if not is_inside(url, places):
                raise RefusedFileError(url, "it is not within a place that packages come from")
            onward = _once(pool, url, target, limit)
            if onward is None:
                return
            url = urljoin(url, onward)
    raise SurroundingsError(f"{url}: it is sent on and on.")


def _once(pool: urllib3.PoolManager, url: str, target: Path, limit: int) -> str | None:
    """Where the server sends us on to; null once the file is there."""
    try:
        response = pool.request(
            "GET",
            url,
            headers={"Accept-Encoding": "identity", "User-Agent": "minimize (+external builds)"},
            preload_content=False,
            decode_content=False,
            redirect=False,
            retries=urllib3.Retry(connect=1, read=1, redirect=0, status=0, other=0),
            timeout=urllib3.Timeout(connect=10, read=30),
        )
        with response:
            if response.status in _REDIRECTS and "Location" in response.headers:
                return str(response.headers["Location"])
            if response.status in (403, 404, 410):
                # Object stores say 403 of what is not there.
                raise AbsentError(f"There is nothing at {url} (HTTP status {response.status}).")
            if response.status != 200:
                raise SurroundingsError(
                    f"{url} could not be read: HTTP status {response.status} {response.reason}."
                )
            _save(url, response, target, limit)
    except HTTPError as error:
        why = str(error).rpartition(">: ")[2] or type(error).__name__
        raise SurroundingsError(f"{url} could not be read: {why}.") from error
    return None


def _save(url: str, response: urllib3.BaseHTTPResponse, target: Path, limit: int) -> None:
    received, start = 0, time.monotonic()
    with target.open("wb") as output:
        for chunk in response.stream(_CHUNK):
            received += len(chunk)
            if received > limit:
                raise RefusedFileError(url, f"it is larger than the {limit} bytes allowed")
            if time.monotonic() - start > _PATIENCE + received / _SLOWEST:
                raise SurroundingsError(f"{url} is too slow: {received} bytes so far.")
            output.write(chunk)


def _copy(url: str, path: Path, target: Path, limit: int, places: Sequence[str]) -> None:
    if not is_inside(url, places):
        raise RefusedFileError(url, "it is not within a place that packages come from")
    try:
        with path.open("rb") as source:
            content = source.read(limit + 1)
    except FileNotFoundError as error:
        raise AbsentError(f"There is nothing at {url}.") from error
    except OSError as error:
        raise SurroundingsError(f"{url} cannot be read: {error.strerror}.") from error
    if len(content) > limit:
        raise RefusedFileError(url, f"it is larger than the {limit} bytes allowed")
    target.write_bytes(content)


def _pool(url: str) -> urllib3.PoolManager:
    scheme, _, rest = url.partition("://")
    proxy = getproxies().get(scheme)
    if proxy and not proxy_bypass(rest.partition("/")[0]):
        return urllib3.ProxyManager(proxy)
    return urllib3.PoolManager(num_pools=4)
