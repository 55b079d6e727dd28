"""Connections to servers, open for the next request: direct or by proxy, with certificates.

Secrets are read when they are needed and go into request headers: into no value, no name, no text.

A download whose URL somebody else chose may come to public servers only: the bot stands in a
network of its own, next to metadata services and internal hosts, which what a stranger writes into
a spec file or a repository's settings must not read. So every URL on the way is looked at, and the
address of every connection, after each redirect too. Behind a proxy that the environment names, the
proxy decides about addresses.
"""

from __future__ import annotations

import base64
import os
import socket
from collections.abc import Iterable
from configparser import Error as ConfigParserError
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from bot.distro.failover import RefusedFileError, forget_avoided
from bot.errors import SurroundingsError, UsageError
from bot.model.package import Reference, RepositoryAccess


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


# Connections to one host, of one process: who wants one more waits until one is free.
CONNECTIONS = 6
_BOUNDED: dict[str, Any] = {"num_pools": 32, "maxsize": CONNECTIONS, "block": True}


@dataclass(frozen=True, slots=True)
class _Files:
    """A TLS connection's PEM files; with their times, so that a renewed certificate is used."""

    verify: bool
    authority: str | None
    certificate: str | None
    key: str | None
    times: tuple[int, ...]


def pool(url: str, access: RepositoryAccess, *, public_only: bool = False) -> urllib3.PoolManager:
    """The connections for a URL: through `access`'s proxy, else the one that the environment names.

    With `public_only` there are none to an address that is not public, unless a proxy makes them.
    UsageError where a file or a secret that `access` names is not there.
    """
    parts = urlsplit(url)
    files = _files(access) if parts.scheme == "https" else None
    if access.proxy is not None:
        authorization = _basic(access.proxy_username, access.proxy_password, "the proxy")
        return _pool(access.proxy, authorization, files)
    proxies = _environment()
    if parts.scheme in proxies and not proxy_bypass(parts.netloc):
        return _pool(proxies[parts.scheme], "", files)
    return _pool("", "", files, public_only)


def authorization(access: RepositoryAccess) -> dict[str, str]:
    """The header of a request with credentials; none where the repository has none."""
    text = _basic(access.username, access.password, "the repository")
    return {"Authorization": text} if text else {}


def read_reference(reference: Reference, purpose: str) -> str:
    """The value that is referred to, without spaces around it.

    UsageError, naming the reference and the `purpose` and never the value, where it is not there.
    """
    if reference.kind == "env":
        where = f"The environment variable {reference.name}"
        found = os.environ.get(reference.name, "")
    else:
        where = f"The file {reference.name}"
        try:
            found = Path(reference.name).read_text(encoding="utf-8")
            if reference.kind == "repofile":
                from bot.distro.repofile import option_of

                where += f" ([{reference.section}] {reference.option})"
                found = option_of(found, reference.section, reference.option)
        except OSError as error:
            raise UsageError(f"{where} with {purpose} cannot be read: {error.strerror}.") from error
        except (UnicodeDecodeError, ConfigParserError):
            raise UsageError(f"{where} with {purpose} cannot be read: it is not text.") from None
    if not found.strip():
        raise UsageError(f"{where} should hold {purpose}, and is empty or not there.", "Set it.")
    return found.strip()


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
    """A path, or the one that is referred to; raises as `read_reference`."""
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


@cache
def _environment() -> dict[str, str]:
    return {s: proxy for s, proxy in getproxies().items() if s in ("http", "https")}


_POOLS: dict[tuple[str, str, _Files | None, bool], urllib3.PoolManager] = {}
_GUARD = Lock()


def _pool(
    proxy: str, proxy_authorization: str, files: _Files | None, public_only: bool = False
) -> urllib3.PoolManager:
    key = (proxy, proxy_authorization, files, public_only)
    with _GUARD:
        if key not in _POOLS:
            _POOLS[key] = _new_pool(*key)
        return _POOLS[key]


def _new_pool(
    proxy: str, proxy_authorization: str, files: _Files | None, public_only: bool
) -> urllib3.PoolManager:
    options = dict(_BOUNDED)
    if files is not None:
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
    return urllib3.ProxyManager(proxy, proxy_headers=headers, **options)


def close_connections() -> None:
    """Close all of them, and forget the proxies of the environment and the servers that hung."""
    forget_avoided()
    with _GUARD:
        for manager in _POOLS.values():
            manager.clear()
        _POOLS.clear()
        _environment.cache_clear()


def _forget() -> None:
    _POOLS.clear()


# Two processes must not talk over one connection; nor may one of them close the other's.
os.register_at_fork(before=_GUARD.acquire, after_in_parent=_GUARD.release)
os.register_at_fork(after_in_child=_forget)
os.register_at_fork(after_in_child=_GUARD.release)
