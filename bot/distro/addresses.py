"""The servers that a download may come to, where somebody else chose its URL.

The bot stands in a network of its own, next to metadata services and internal hosts, which what a
stranger writes into a spec file or a repository's settings must not read. So every URL on the way
is looked at, and the address of every connection, after each redirect too. Behind a proxy that the
environment names, the proxy decides about addresses.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from bot.distro.failover import RefusedFileError
from bot.errors import SurroundingsError


@dataclass(frozen=True, slots=True)
class Reach:
    """Limits of a download: to public addresses, and to URLs that begin with one of `places`."""

    public_only: bool = False
    places: tuple[str, ...] | None = None

    def check(self, url: str) -> None:
        """Raises RefusedFileError for a URL that is within none of the places."""
        if self.places is not None and not is_inside(url, self.places):
            raise RefusedFileError(url, "it is not within a place that packages come from")


ANYWHERE = Reach()


class PrivateAddressError(SurroundingsError):
    """A host has an address that is not public, and may have only those."""


def is_inside(url: str, places: Iterable[str]) -> bool:
    """Return whether a URL that a server sent us on to is within one of the allowed `places`."""
    try:
        parts = urlsplit(url)
        decoded = parts.path.lower().replace("%2e", ".").replace("%2f", "/").replace("%5c", "\\")
    except ValueError:
        return False
    if "\\" in decoded or any(s in (".", "..") for s in decoded.split("/")):
        return False
    return any(url.startswith(place) for place in places)


def check_public(connected: socket.socket, host: str) -> None:
    """Raises PrivateAddressError unless the other end of a connection has a public address."""
    address = ip_address(str(connected.getpeername()[0]).partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if not address.is_global:
        raise PrivateAddressError(
            f"The host {host} has the address {address}, which is not public; it is not read.",
            "Put the file into the repository or its lookaside.",
        )


class _PublicHTTP(HTTPConnection):
    def connect(self) -> None:
        """Connect, and refuse an address that is not public before any request."""
        super().connect()
        assert self.sock is not None
        check_public(self.sock, self.host)


class _PublicHTTPS(HTTPSConnection):
    def connect(self) -> None:
        """As `_PublicHTTP`."""
        super().connect()
        assert self.sock is not None
        check_public(self.sock, self.host)


class _PublicHTTPPool(HTTPConnectionPool):
    ConnectionCls = _PublicHTTP


class _PublicHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _PublicHTTPS


PUBLIC_POOLS = {"http": _PublicHTTPPool, "https": _PublicHTTPSPool}
