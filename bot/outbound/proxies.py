"""The proxy of a URL, as the environment names it: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY.

Libraries read these variables differently: some know no networks in NO_PROXY, some no user name in
a proxy's URL, some read a .netrc too. Every client of ours takes its proxy from here.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from bot.errors import UsageError

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy: its URL, with user and password where it has some."""

    url: str = field(repr=False)

    @property
    def address(self) -> str:
        """Its URL without user and password."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    @property
    def headers(self) -> dict[str, str]:
        """The header of a request to it; none where it has no user."""
        parts = urlsplit(self.url)
        if parts.username is None:
            return {}
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        return {"Proxy-Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def proxy_for(url: str) -> Proxy | None:
    """The proxy of the environment for a URL, or null; UsageError for one that is not HTTP's."""
    parts = urlsplit(url)
    proxies = getproxies_environment()
    given = proxies.get(parts.scheme) or proxies.get("all")
    host = parts.hostname or ""
    if parts.scheme not in _DEFAULT_PORTS or not given or not host:
        return None
    if _is_excepted(host, parts.port or _DEFAULT_PORTS[parts.scheme], proxies):
        return None
    return _parsed(given)


def proxy_url(url: str) -> str | None:
    """The URL of that proxy, with user and password, or null."""
    proxy = proxy_for(url)
    return None if proxy is None else proxy.url


def proxy_environment() -> dict[str, str]:
    """The variables of a program that curl's library connects: both spellings, where one is set."""
    proxies = getproxies_environment()
    return {
        name: value
        for kind in ("http", "https", "all", "no")
        if (value := proxies.get(kind))
        for name in (f"{kind}_proxy", f"{kind}_proxy".upper())
        # curl reads the lower case alone: a web server hands a header `Proxy:` on as HTTP_PROXY.
        if name != "HTTP_PROXY" or name in os.environ
    }


def _is_excepted(host: str, port: int, proxies: Mapping[str, str]) -> bool:
    """Return whether NO_PROXY has the host: by name, by a domain above it, by its network."""
    if proxy_bypass(f"{host}:{port}"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    for entry in proxies.get("no", "").split(","):
        with suppress(ValueError):
            if address in ip_network(entry.strip().strip("[]"), strict=False):
                return True
    return False


def _parsed(given: str) -> Proxy:
    url = given if "://" in given else f"http://{given}"
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise UsageError(
            f"The proxy {parts.scheme}://{parts.hostname or ''} of the environment is not one of"
            " HTTP.",
            "Set HTTPS_PROXY and HTTP_PROXY to http://HOST:PORT, or take them and ALL_PROXY out.",
        )
    return Proxy(url)
