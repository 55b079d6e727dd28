"""The configuration documents: Content Resolver's, and our `minimize-objective`.

Each class is the one definition of its document: the fields below `data`, their names (Content
Resolver's), types and defaults. `bot.distro.validation` validates YAML by it, `bot.distro.load`
caches checked documents by it. The id of a document is its file name without `.yaml`. Mappings here
are never changed after construction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Literal

from typing_extensions import TypedDict

from bot.distro.fields import (
    EXACT,
    TOLERANT,
    After,
    Arches,
    Before,
    ByArch,
    Dist,
    Lookaside,
    Module,
    Names,
    Paragraph,
    PemFile,
    Platform,
    Priority,
    Proxy,
    Release,
    Secret,
    SomeArches,
    Texts,
    Url,
    Urls,
    Variable,
    Words,
    no_mapping_is_empty,
    without_repeats,
)
from bot.distro.objectives import ObjectiveDocument
from bot.model.image import ImageKey, ImageRequest
from bot.model.package import NO_ACCESS, RepositoryAccess


class AccessFields(TypedDict, total=False):
    """The keys of a repository on access to its servers, as in dnf.conf(5)."""

    sslverify: bool
    sslcacert: PemFile | None
    sslclientcert: PemFile | None
    sslclientkey: PemFile | None
    username: Secret | None
    password: Secret | None
    proxy: Proxy | None
    proxy_username: Secret | None
    proxy_password: Secret | None


def _access(fields: AccessFields) -> RepositoryAccess:
    return RepositoryAccess(**fields)


@dataclass(frozen=True, slots=True)
class RepoSource:
    """One rpm-md repository of a repository document, as dnf would know it.

    `baseurl`, `metalink`, `mirrorlist` and `gpgkey` are templates: `$basearch`, `$arch` and
    `$releasever` are replaced when a snapshot is opened. The lower `priority` wins. `exclude` has
    globs of package names; with `include`, also globs, only these packages are in the repository.
    An empty `limit_arches` means every architecture. `gpgkey` verifies `repomd.xml.asc` if the
    repository has one; with `repo_gpgcheck` a repository without one is refused. With
    `skip_if_unavailable`, one that cannot be read counts as empty, with a note. `access` is how its
    servers are accessed. `variables` are the values of dnf's variables, once known: mirror lists
    use them too.
    """

    __pydantic_config__: ClassVar = TOLERANT
    no_keys: ClassVar = ("id", "access", "variables")
    more_keys: ClassVar = ("koji_api_url", "koji_files_url", *AccessFields.__annotations__)

    id: str
    name: Words
    baseurl: Urls = ()
    metalink: Url | None = None
    mirrorlist: Url | None = None
    gpgkey: Urls = ()
    repo_gpgcheck: bool = False
    priority: Priority = 100
    exclude: Texts = ()
    limit_arches: Texts = ()
    module_hotfixes: bool = False
    include: Texts = ()
    skip_if_unavailable: bool = False
    access: Annotated[RepositoryAccess, After(_access, AccessFields)] = NO_ACCESS
    variables: Mapping[str, str] = field(default_factory=dict, hash=False)


def _grouped(value: Any) -> Any:
    """A repository's keys as fields of `RepoSource`; the keys of the access become one field."""
    if not isinstance(value, dict):
        return value
    access = AccessFields.__annotations__
    return {
        "id": "",
        "name": "",
        **{k: v for k, v in value.items() if k not in (*access, *RepoSource.no_keys)},
        "access": {k: v for k, v in value.items() if k in access},
    }


def _complete(source: RepoSource) -> RepoSource:
    access = source.access
    if not (source.baseurl or source.metalink or source.mirrorlist):
        raise ValueError("expected `baseurl`, `metalink` or `mirrorlist`")
    if source.repo_gpgcheck and not source.gpgkey:
        raise ValueError("`repo_gpgcheck` needs a `gpgkey`")
    if access.password is not None and access.username is None:
        raise ValueError("`password` needs a `username`")
    if access.proxy_username is not None and not access.proxy:
        raise ValueError("`proxy_username` needs a `proxy`")
    if access.sslclientkey is not None and access.sslclientcert is None:
        raise ValueError("`sslclientkey` needs an `sslclientcert`")
    return source


def _sources(sources: Mapping[str, RepoSource]) -> tuple[RepoSource, ...]:
    if not sources:
        raise ValueError("expected at least one, not an empty mapping")
    return tuple(replace(s, id=id_, name=s.name or id_) for id_, s in sources.items())


Sources = Annotated[
    tuple[RepoSource, ...],
    After(_sources, dict[str, Annotated[RepoSource, After(_complete), Before(_grouped)]]),
]


@dataclass(frozen=True, slots=True)
class Described:
    """Fields of nearly every document; `id` is its file's name without `.yaml`."""

    id: str
    name: str
    description: Paragraph
    maintainer: Words


def _absolute(folder: str) -> str:
    if not folder.startswith("/"):
        raise ValueError(f"expected an absolute path of a folder, not `{folder}`")
    return folder


@dataclass(frozen=True, slots=True)
class VexSource:
    """A vendor's VEX documents, CSAF 2.0 in JSON: the `folder` that holds them, at any depth, and
    the CPEs of the `products` that a repository document stands for."""

    __pydantic_config__: ClassVar = EXACT

    folder: Annotated[str, After(_absolute)]
    products: Texts


@dataclass(frozen=True, slots=True)
class RepositoryDocument(Described):
    """The repositories of one distribution, and what else solving and building need.

    `modules` are the enabled streams (`name:stream`), `module_platform` the platform that modules
    require (`platform:el9`), `dist` rpm's `%dist` (`.el9`), `lookaside` the URL template of its
    dist-git's lookaside cache; null if not stated. `base_buildroot_override` are the packages of
    every build root; empty if not stated. `variables` are dnf's, beyond those that dnf sets. A
    document that is not `default` is used only by name. `vex` are the vendor's documents about CVEs
    without a fix.
    """

    __pydantic_config__: ClassVar = TOLERANT
    # Fields below `data.source`, and those (our own) that may stand beside it too.
    beside_source: ClassVar = ("modules", "module_platform", "dist", "lookaside")
    in_source: ClassVar = (
        *("releasever", "architectures", "repos", "base_buildroot_override", "variables", "vex"),
        *beside_source,
    )
    # `.repo` files were read into `repos` before.
    more_keys: ClassVar = ("composeinfo", "repofile", "enablerepo", "disablerepo")

    releasever: Release
    architectures: SomeArches
    repos: Sources
    modules: Annotated[tuple[str, ...], After(without_repeats, tuple[Module, ...])] = ()
    module_platform: Platform | None = None
    dist: Dist | None = None
    lookaside: Lookaside | None = None
    base_buildroot_override: Texts = ()
    variables: Annotated[
        Mapping[str, str], After(dict, dict[Variable, str]), Before(no_mapping_is_empty)
    ] = field(default_factory=dict, hash=False)
    default: bool = True
    vex: VexSource | None = None


@dataclass(frozen=True, slots=True)
class EnvironmentDocument(Described):
    """The packages of a base image.

    `options` are `include-docs` and `include-weak-deps`. `rpmdb` is `drop` if images have no rpm
    database, else `keep`.
    """

    __pydantic_config__: ClassVar = TOLERANT

    repositories: Names
    labels: Names
    packages: Texts
    arch_packages: ByArch = field(default_factory=dict, hash=False)
    groups: Texts = ()
    options: Texts = ()
    rpmdb: Literal["keep", "drop"] = "keep"


@dataclass(frozen=True, slots=True)
class PlaceholderRpm:
    """A binary package that does not exist yet; an empty `limit_arches` is every architecture."""

    __pydantic_config__: ClassVar = TOLERANT
    more_keys: ClassVar = ("build_dependencies",)

    rpm_name: Words = ""
    description: Words = ""
    dependencies: Texts = ()
    limit_arches: Texts = ()


def _lists_only(value: Any) -> Any:
    return value if isinstance(value, list) else []


def _named_rpms(rpms: list[PlaceholderRpm]) -> tuple[PlaceholderRpm, ...]:
    missing = "Description not provided."
    return tuple(replace(r, description=r.description or missing) for r in rpms if r.rpm_name)


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A source package that does not exist yet, and its binary packages."""

    __pydantic_config__: ClassVar = TOLERANT

    srpm_name: Words
    rpms: Annotated[
        tuple[PlaceholderRpm, ...], After(_named_rpms, list[PlaceholderRpm]), Before(_lists_only)
    ] = ()
    build_dependencies: Texts = ()
    limit_arches: Texts = ()


def _named_srpms(srpms: list[Placeholder]) -> tuple[Placeholder, ...]:
    return tuple(srpm for srpm in srpms if srpm.srpm_name)


@dataclass(frozen=True, slots=True)
class WorkloadDocument(Described):
    """The packages of an application, on top of each environment that shares a label with it.

    `options` are `include-docs`, `include-weak-deps` and `strict`, which has no effect here. `test`
    is a shell command that must succeed in the image (`nginx -t`): advice runs it.
    """

    __pydantic_config__: ClassVar = EXACT

    labels: Names
    packages: Texts = ()
    arch_packages: ByArch = field(default_factory=dict, hash=False)
    groups: Texts = ()
    options: Texts = ()
    package_placeholders: Annotated[
        tuple[Placeholder, ...], After(_named_srpms, list[Placeholder]), Before(_lists_only)
    ] = ()
    test: str = ""


@dataclass(frozen=True, slots=True)
class UnwantedDocument(Described):
    """Packages to flag in every image with one of the labels."""

    __pydantic_config__: ClassVar = EXACT

    labels: Names
    unwanted_packages: Texts = ()
    unwanted_arch_packages: ByArch = field(default_factory=dict, hash=False)
    unwanted_source_packages: Texts = ()
    unwanted_arch_source_packages: ByArch = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class LabelDocument(Described):
    """The description of a label."""

    __pydantic_config__: ClassVar = TOLERANT


@dataclass(frozen=True, slots=True)
class ViewDocument(Described):
    """Content Resolver's view: accepted, but nothing is computed from it.

    `base_view_id` is set for an add-on view only.
    """

    __pydantic_config__: ClassVar = TOLERANT
    more_keys: ClassVar = (
        "unwanted_packages", "unwanted_arch_packages", "unwanted_source_packages",
    )  # fmt: skip

    labels: Names
    repository: str
    buildroot_strategy: str = "none"
    architectures: Arches = ()
    base_view_id: str | None = None


@dataclass(frozen=True, slots=True)
class BuildrootDocument:
    """Content Resolver's legacy build root document: accepted, and not used."""

    __pydantic_config__: ClassVar = TOLERANT
    more_keys: ClassVar = ("base_buildroot", "source_packages")

    id: str
    maintainer: Words
    view_id: str


Document = (
    RepositoryDocument
    | EnvironmentDocument
    | WorkloadDocument
    | UnwantedDocument
    | LabelDocument
    | ViewDocument
    | BuildrootDocument
    | ObjectiveDocument
)


# The class of each kind of document, and the field of `Configuration` that has those.
KINDS: Mapping[str, tuple[type[Document], str]] = {
    "repository": (RepositoryDocument, "repositories"),
    "environment": (EnvironmentDocument, "environments"),
    "workload": (WorkloadDocument, "workloads"),
    "unwanted": (UnwantedDocument, "unwanted"),
    "label": (LabelDocument, "labels"),
    "view": (ViewDocument, "views"),
    "view-addon": (ViewDocument, "views"),
    "buildroot": (BuildrootDocument, "buildroots"),
    "objective": (ObjectiveDocument, "objectives"),
}
# Content Resolver's options; others are dropped, and reported.
OPTIONS: Mapping[str, tuple[str, ...]] = {
    "workload": ("include-docs", "include-weak-deps", "strict"),
    "environment": ("include-docs", "include-weak-deps"),
}


@dataclass(frozen=True, slots=True)
class Configuration:
    """All documents of a configuration directory, by id, in the order of their ids.

    `requested` are images that no workload and environment make: those of files such as
    Containerfiles.
    """

    repositories: Mapping[str, RepositoryDocument] = field(default_factory=dict, hash=False)
    environments: Mapping[str, EnvironmentDocument] = field(default_factory=dict, hash=False)
    workloads: Mapping[str, WorkloadDocument] = field(default_factory=dict, hash=False)
    unwanted: Mapping[str, UnwantedDocument] = field(default_factory=dict, hash=False)
    labels: Mapping[str, LabelDocument] = field(default_factory=dict, hash=False)
    views: Mapping[str, ViewDocument] = field(default_factory=dict, hash=False)
    buildroots: Mapping[str, BuildrootDocument] = field(default_factory=dict, hash=False)
    objectives: Mapping[str, ObjectiveDocument] = field(default_factory=dict, hash=False)
    requested: Mapping[ImageKey, ImageRequest] = field(default_factory=dict, hash=False)
