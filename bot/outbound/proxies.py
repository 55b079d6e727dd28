"""The proxy of a URL, by the environment: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY. Libraries
read these variables differently: some ignore networks in NO_PROXY or a proxy's user name, some read
a .netrc.

All of the bot's clients take the proxy from here.
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
    """A proxy: its URL, with user and password if it has some."""

    url: str = field(repr=False)

    @property
    def address(self) -> str:
        """Its URL without user and password."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a request to the proxy; none without a user."""
        parts = urlsplit(self.url)
        if parts.username is None:
            return {}
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        return {"Proxy-Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def proxy_for(url: str) -> Proxy | None:
    """The proxy of the environment for a URL, or null; UsageError if it is no HTTP proxy."""
    parts = urlsplit(url)
    proxies = getproxies_environment()
    address = proxies.get(parts.scheme) or proxies.get("all")
    host = parts.hostname or ""
    if parts.scheme not in _DEFAULT_PORTS or not address or not host:
        return None
    if _is_excepted(host, parts.port or _DEFAULT_PORTS[parts.scheme], proxies):
        return None
    return _parse(address)


def proxy_url(url: str) -> str | None:
    """The URL of the proxy for `url`, with user and password, or null."""
    proxy = proxy_for(url)
    return None if proxy is None else proxy.url


def proxy_environment() -> dict[str, str]:
    """The proxy variables for a program that uses libcurl: both spellings, if one is set."""
    proxies = getproxies_environment()
    return {
        name: value
        for kind in ("http", "https", "all", "no")
        if (value := proxies.get(kind))
        for name in (f"{kind}_proxy", f"{kind}_proxy".upper())
        # curl reads only http_proxy: web servers pass a header `Proxy:` to CGI programs as
        # HTTP_PROXY.
        if name != "HTTP_PROXY" or name in os.environ
    }


def _is_excepted(host: str, port: int, proxies: Mapping[str, str]) -> bool:
    """Return whether NO_PROXY includes the host: by name, parent domain or network."""
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


def _parse(address: str) -> Proxy:
    url = address if "://" in address else f"http://{address}"
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise UsageError(
            f"The proxy {parts.scheme}://{parts.hostname or ''} of the environment is not an"
            " HTTP proxy.",
            "Set HTTPS_PROXY and HTTP_PROXY to http://HOST:PORT, or unset them and ALL_PROXY.",
        )
    return Proxy(url)
