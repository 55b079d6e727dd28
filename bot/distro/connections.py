"""Connections to servers, reused by later requests: direct or by proxy, with certificates.

Secrets are read when needed and only go into request headers, not into values, names or texts. A
download whose URL a stranger chose (in a spec file or a repository's settings) may reach public
servers only: the bot's own network has metadata services and internal hosts that it must not read.
So each URL is checked, and each address before connecting to it, after redirects too; a proxy gets
no other URLs. The same holds for what servers on the Internet refer to: redirects, mirrors, base
URLs.
"""

from __future__ import annotations

import base64
import os
import socket
import ssl
from collections.abc import Iterable
from configparser import Error as ConfigParserError
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import create_connection

from bot.distro.failover import RefusedFileError, forget_avoided
from bot.errors import SurroundingsError, UsageError
from bot.model.package import Reference, RepositoryAccess
from bot.outbound.authorities import new_tls_context, tls_context
from bot.outbound.proxies import proxy_for


@dataclass(frozen=True, slots=True)
class Reach:
    """Limits of a download: public addresses only, and URLs that begin with one of `places`."""

    public_only: bool = False
    places: tuple[str, ...] | None = None

    def check(self, url: str) -> None:
        """Raise RefusedFileError for a URL that is within none of the places."""
        if self.places is not None and not is_inside(url, self.places):
            raise RefusedFileError(url, "it is not within a place that packages come from")


ANYWHERE = Reach()


class PrivateAddressError(SurroundingsError):
    """A host has an address that is not public, but only public ones are allowed."""


def is_inside(url: str, places: Iterable[str]) -> bool:
    """Return whether a URL to which a server redirects is within one of the allowed `places`."""
    try:
        parts = urlsplit(url)
        decoded = parts.path.lower().replace("%2e", ".").replace("%2f", "/").replace("%5c", "\\")
    except ValueError:
        return False
    if "\\" in decoded or any(s in (".", "..") for s in decoded.split("/")):
        return False
    return any(url.startswith(place) for place in places)


# IPv6 prefixes that embed an IPv4 address, and the number of bytes before it: NAT64 (RFC 6052),
# 6to4 (RFC 3056), and IPv4-compatible ones.
_EMBEDDING = (
    (ip_network("64:ff9b::/96"), 12),
    (ip_network("2002::/16"), 2),
    (ip_network("::/96"), 12),
)
# Global by Python's register, but not of servers: local NAT64, documentation, segment routing.
_NOT_PUBLIC = tuple(
    ip_network(text)
    for text in ("64:ff9b:1::/48", "3fff::/20", "5f00::/16", "2001::/23", "192.0.0.0/24")
)
# Names that do not exist on the Internet (RFC 6761, 6762, 8375, 9476).
_OWN_NAMES = ("localhost", "local", "internal", "home.arpa", "lan", "alt", "test", "invalid")


_PRIVATE_HINT = "Put the file into the repository or its lookaside."


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Return whether an address is public.

    Private, link-local, site-local, shared and multicast addresses are not, however written.
    """
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address.is_site_local or address.scope_id is not None:
            return False
        for network, start in _EMBEDDING:
            if address in network:
                return is_public(IPv4Address(address.packed[start : start + 4]))
    excluded = any(address in network for network in _NOT_PUBLIC)
    return address.is_global and not address.is_multicast and not excluded


def public_addresses(host: str, port: int) -> tuple[str, ...]:
    """The addresses of a host. Raises PrivateAddressError unless all are public, and
    socket.gaierror if it has none."""
    name = host.strip("[]")
    infos = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in infos))
    for address in addresses:
        if not is_public(ip_address(address)):
            raise PrivateAddressError(
                f"The host {name} has the address {address}, which is not public; it is not read.",
                _PRIVATE_HINT,
            )
    return addresses


@lru_cache(maxsize=256)
def is_on_internet(url: str) -> bool:
    """Return whether the host of a URL is public, or unknown here (behind a proxy). False for a
    local folder."""
    parts = urlsplit(url)
    if not parts.hostname:
        return False
    try:
        public_addresses(parts.hostname or "", parts.port or 0)
    except PrivateAddressError:
        return False
    except OSError:
        return True
    return True


def _refuse_private_name(url: str) -> None:
    """Raise PrivateAddressError for hosts that a proxy must not be asked for.

    A name that this machine cannot look up is left to the proxy, except names of local networks.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".").lower()
    try:
        public_addresses(host, parts.port or 0)
    except OSError as error:
        if "." not in host or any(host.endswith(f".{name}") for name in _OWN_NAMES):
            raise PrivateAddressError(
                f"The host {host} has no public address that is known here; it is not read.",
                _PRIVATE_HINT,
            ) from error


class _PublicHTTP(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        """A connection whose address is checked before anything is sent to it."""
        try:
            addresses = public_addresses(self.host, self.port)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        failed: OSError | None = None
        for address in addresses:
            try:
                return create_connection(
                    (address, self.port),
                    self.timeout,
                    source_address=self.source_address,
                    socket_options=self.socket_options,
                )
            except OSError as error:
                failed = error
        if isinstance(failed, TimeoutError):
            raise ConnectTimeoutError(self, f"Connection to {self.host} timed out.") from failed
        raise NewConnectionError(self, f"Failed to establish a new connection: {failed}")


class _PublicHTTPS(_PublicHTTP, HTTPSConnection):
    pass


class _PublicHTTPPool(HTTPConnectionPool):
    ConnectionCls = _PublicHTTP


class _PublicHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _PublicHTTPS


PUBLIC_POOLS = {"http": _PublicHTTPPool, "https": _PublicHTTPSPool}


# The most connections of one process to one host; another request waits until one is free.
CONNECTIONS = 6
_BOUNDED: dict[str, Any] = {"num_pools": 32, "maxsize": CONNECTIONS, "block": True}


@dataclass(frozen=True, slots=True)
class _Files:
    """The PEM files of a TLS connection, with their times, so that a renewed certificate is
    used."""

    verify: bool
    authority: str | None
    certificate: str | None
    key: str | None
    times: tuple[int, ...]


def pool(url: str, access: RepositoryAccess, *, public_only: bool = False) -> urllib3.PoolManager:
    """The connection pool for a URL: by the proxy of `access`, else that of the environment.

    With `public_only`, connections to an address that is not public raise PrivateAddressError, also
    by proxy. Raises UsageError if a file or secret that `access` names is missing.
    """
    parts = urlsplit(url)
    files = _files(access) if parts.scheme == "https" else None
    if access.proxy is not None:
        if public_only and access.proxy:
            _refuse_private_name(url)
        authorization = _basic(access.proxy_username, access.proxy_password, "the proxy")
        return _pool(access.proxy, authorization, files, public_only and not access.proxy)
    proxy = proxy_for(url)
    if proxy is not None:
        if public_only:
            _refuse_private_name(url)
        authorization = proxy.headers.get("Proxy-Authorization", "")
        return _pool(proxy.address, authorization, files)
    return _pool("", "", files, public_only)


def authorization(access: RepositoryAccess) -> dict[str, str]:
    """The authorization header for a request; empty if the repository has no credentials."""
    text = _basic(access.username, access.password, "the repository")
    return {"Authorization": text} if text else {}


def read_reference(reference: Reference, purpose: str) -> str:
    """The value of a reference, stripped.

    Raises UsageError, naming the reference and the `purpose` but not the value, if it is missing.
    """
    if reference.kind == "env":
        where = f"The environment variable {reference.name}"
        value = os.environ.get(reference.name, "")
    else:
        where = f"The file {reference.name}"
        try:
            value = Path(reference.name).read_text(encoding="utf-8")
            if reference.kind == "repofile":
                from bot.distro.repofile import option_of

                where += f" ([{reference.section}] {reference.option})"
                value = option_of(value, reference.section, reference.option)
        except OSError as error:
            raise UsageError(f"{where} with {purpose} cannot be read: {error.strerror}.") from error
        except (UnicodeDecodeError, ConfigParserError):
            raise UsageError(f"{where} with {purpose} cannot be read: it is not text.") from None
    if not value.strip():
        raise UsageError(f"{where} should hold {purpose}, and is empty or not there.", "Set it.")
    return value.strip()


def _basic(user: Reference | None, password: Reference | None, whose: str) -> str:
    if user is None:
        return ""
    name = read_reference(user, f"the user name for {whose}")
    secret = read_reference(password, f"the password for {whose}") if password else ""
    return f"Basic {base64.b64encode(f'{name}:{secret}'.encode()).decode()}"


def _files(access: RepositoryAccess) -> _Files | None:
    paths = [
        _path(access.sslcacert, "`sslcacert`"),
        _path(access.sslclientcert, "`sslclientcert`"),
        _path(access.sslclientkey, "`sslclientkey`"),
    ]
    if access.sslverify and not any(paths):
        return None
    times = tuple(_time(path) for path in paths if path)
    return _Files(access.sslverify, paths[0], paths[1], paths[2], times)


def _path(value: str | Reference | None, purpose: str) -> str | None:
    return None if value is None else read_path(value, purpose)


def read_path(value: str | Reference, purpose: str = "a path") -> str:
    """A path, direct or by reference; raises as `read_reference`."""
    return read_reference(value, purpose) if isinstance(value, Reference) else value


def _time(path: str) -> int:
    try:
        with Path(path).open("rb"):
            return Path(path).stat().st_mtime_ns
    except OSError as error:
        raise UsageError(
            f"The certificate or key {path} cannot be read: {error.strerror}.",
            "Put it there, or correct the path in the repository document.",
        ) from error


_Key = tuple[str, str, _Files | None, bool, ssl.SSLContext]
_POOLS: dict[_Key, urllib3.PoolManager] = {}
_GUARD = Lock()


def _pool(
    proxy: str, proxy_authorization: str, files: _Files | None, public_only: bool = False
) -> urllib3.PoolManager:
    with _GUARD:
        # Threads that ask for the first context side by side would each get one of its own.
        key = (proxy, proxy_authorization, files, public_only, tls_context())
        if key not in _POOLS:
            _POOLS[key] = _new_pool(*key)
        return _POOLS[key]


def _new_pool(
    proxy: str,
    proxy_authorization: str,
    files: _Files | None,
    public_only: bool,
    context: ssl.SSLContext,
) -> urllib3.PoolManager:
    options = dict(_BOUNDED)
    if files is None:
        options["ssl_context"] = context
    else:
        if files.verify and files.authority is None:
            options["ssl_context"] = new_tls_context()
        options |= {
            "ca_certs": files.authority,
            "cert_file": files.certificate,
            "key_file": files.key,
            "cert_reqs": "CERT_REQUIRED" if files.verify else "CERT_NONE",
        }
        if not files.verify:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    if not proxy:
        manager = urllib3.PoolManager(**options)
        if public_only:
            manager.pool_classes_by_scheme = PUBLIC_POOLS
        return manager
    headers = {"Proxy-Authorization": proxy_authorization} if proxy_authorization else None
    return urllib3.ProxyManager(proxy, proxy_headers=headers, proxy_ssl_context=context, **options)


def close_connections() -> None:
    """Close all connections, and forget the servers that hung."""
    forget_avoided()
    with _GUARD:
        for manager in _POOLS.values():
            manager.clear()
        _POOLS.clear()
        is_on_internet.cache_clear()


def _forget() -> None:
    _POOLS.clear()


# Two processes must not use one connection; nor may one of them close the other's.
os.register_at_fork(before=_GUARD.acquire, after_in_parent=_GUARD.release)
os.register_at_fork(after_in_child=_forget)
os.register_at_fork(after_in_child=_GUARD.release)
