"""How a repository's servers are spoken to: certificates, credentials, proxy; no secret itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a value is: an environment variable, a file, or an option of a dnf `.repo` file.

    `name` is the variable or the path; `section` and `option` are for `repofile` alone.
    """

    kind: Literal["env", "file", "repofile"]
    name: str
    section: str = ""
    option: str = ""


@dataclass(frozen=True, slots=True)
class RepositoryAccess:
    """dnf.conf's options of the same names; null or empty where the repository does not say.

    Certificates and keys are paths of PEM files, or references to paths. `proxy` null is the
    environment's, empty none at all. Credentials (user name, password, client certificate) go to
    `origins` alone: scheme, host and port of the places that the repository itself names.
    """

    sslverify: bool = True
    sslcacert: str | Reference | None = None
    sslclientcert: str | Reference | None = None
    sslclientkey: str | Reference | None = None
    username: Reference | None = None
    password: Reference | None = None
    proxy: str | None = None
    proxy_username: Reference | None = None
    proxy_password: Reference | None = None
    origins: frozenset[str] = frozenset()

    def at(self, url: str) -> RepositoryAccess:
        """The access to `url`: without credentials where it is none of the origins."""
        if origin(url) in self.origins:
            return self
        return replace(
            self, sslclientcert=None, sslclientkey=None, username=None, password=None,
            origins=frozenset(),
        )  # fmt: skip

    def among(self, urls: Iterable[str]) -> RepositoryAccess:
        """The same with the origins of `urls` beside those that are there."""
        return replace(self, origins=self.origins | {origin(url) for url in urls})


NO_ACCESS = RepositoryAccess()


def origin(url: str) -> str:
    """Scheme, host and port of a URL, comparable; `url` itself where it is none."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
        return f"{parts.scheme}://{(parts.hostname or '').rstrip('.')}:{port}"
    except ValueError:
        return url
