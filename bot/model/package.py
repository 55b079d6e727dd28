"""A binary package, from metadata, a header or a spec file, and the access to its file.

Access values name certificates, credentials and proxies of a server, and contain no secret
themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from bot.model.nevra import JSON, Nevra

DependencyKind = Literal[
    "requires",
    "provides",
    "conflicts",
    "obsoletes",
    "recommends",
    "suggests",
    "supplements",
    "enhances",
]
_NOT_IN_JSON = {"exclude": True}
DEPENDENCY_KINDS: tuple[DependencyKind, ...] = get_args(DependencyKind)


@dataclass(frozen=True, order=True, slots=True)
class Dependency:
    """One dependency of a package.

    `capability` is written as rpm prints it: `libz.so.1()(64bit)`, `nginx-core = 1:1.26-2`, `(perl
    or python3)`. `qualifiers` are those of `Requires(post,pre)`, sorted, without brackets (rpm-md
    has only `pre`). `generated` is true if an automatic generator made it (RPMSENSE_FIND_REQUIRES,
    RPMSENSE_FIND_PROVIDES in rpmds.h), null where that is not known: only the header says it, not
    rpm-md. `files` are the first paths of a built package for which a generator made it.
    """

    kind: DependencyKind
    capability: str
    qualifiers: tuple[str, ...] = ()
    generated: bool | None = None
    files: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Reference:
    """The place of a value: an environment variable, a file, or an option of a dnf `.repo` file.

    `name` is the variable or the path; `section` and `option` are for `repofile` only.
    """

    kind: Literal["env", "file", "repofile"]
    name: str
    section: str = ""
    option: str = ""


@dataclass(frozen=True, slots=True)
class RepositoryAccess:
    """dnf.conf's options of the same names; null or empty where the repository sets none.

    Certificates and keys are paths of PEM files, or references to paths. `proxy` null is the
    environment's, empty is none. Credentials (user name, password, client certificate) are sent to
    `origins` only: scheme, host and port of the URLs that the repository itself names. `named` are
    those of its document, without mirrors: if they are on the Internet, others must be too.
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
    named: frozenset[str] = frozenset()

    def at(self, url: str) -> RepositoryAccess:
        """Return the access to `url`, without credentials if it is none of the origins."""
        if origin(url) in self.origins:
            return self
        return replace(
            self, sslclientcert=None, sslclientkey=None, username=None, password=None,
            origins=frozenset(),
        )  # fmt: skip

    def among(self, urls: Iterable[str]) -> RepositoryAccess:
        """Return the access with the origins of `urls` added."""
        return replace(self, origins=self.origins | {origin(url) for url in urls})


NO_ACCESS = RepositoryAccess()


def origin(url: str) -> str:
    """Return scheme, host and port of a URL, normalised; `url` itself if it is none."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
        return f"{parts.scheme}://{(parts.hostname or '').rstrip('.')}:{port}"
    except ValueError:
        return url


@dataclass(frozen=True, slots=True)
class Location:
    """The place of a package's file, and its expected properties.

    `url` is absolute (`https://`, `file://`); `mirrors` are other absolute URLs of the same file;
    `access` is the access to their servers. `size` is the whole file in bytes; the header is at
    bytes `header_start` to `header_end` (exclusive), both 0 where the metadata does not say.
    """

    url: str
    checksum_type: str
    checksum: str
    size: int
    header_start: int = 0
    header_end: int = 0
    mirrors: tuple[str, ...] = ()
    access: RepositoryAccess = field(default=NO_ACCESS, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Package:
    """A binary package: published in a repository, predicted from a spec file, or built.

    `source` is the name of its source package; `repository` the id of its repository (`overlay` for
    packages of an overlay). Sizes are bytes, null where unknown. `files` are the paths that file
    dependencies may name: all paths of a package that is built or that an overlay takes from the
    repository, those that the spec file names for a new one, and none for the published packages of
    a closure.
    """

    __pydantic_config__ = JSON
    nevra: Nevra
    source: str
    repository: str = field(metadata={"alias": "from"})
    dependencies: tuple[Dependency, ...] = field(default=(), metadata=_NOT_IN_JSON)
    files: tuple[str, ...] = field(default=(), metadata=_NOT_IN_JSON)
    installed_size: int | None = None
    installed_size_nodocs: int | None = None
    download_size: int | None = None
    location: Location | None = field(default=None, compare=False, metadata=_NOT_IN_JSON)

    def of_kind(self, kind: DependencyKind) -> tuple[Dependency, ...]:
        """Return the dependencies of one kind, in the package's own order."""
        return tuple(d for d in self.dependencies if d.kind == kind)


# `requested`: only published packages, selected differently.
Evidence = Literal["predicted", "rebuilt", "transferred", "external", "requested"]


@dataclass(frozen=True, slots=True)
class Overlay:
    """The packages that replace the published ones of some sources on one side of a change.

    Every published binary package of `sources` (source package names) leaves the pool, of any
    version and architecture; only `packages` replace them. All packages are native to `arch`
    (`native_arches`). `notes` are sentences for the report: what is not known about these packages,
    and why.
    """

    arch: str
    sources: frozenset[str]
    packages: tuple[Package, ...]
    evidence: Evidence
    notes: tuple[str, ...] = ()
