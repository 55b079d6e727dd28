"""The configuration documents: Content Resolver's, and our `minimize-objective`.

The fields and their meaning are Content Resolver's; the id of a document is its file name without
`.yaml`. A mapping here is never changed after it was made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from bot.model.package import NO_ACCESS, RepositoryAccess

ByArch = Mapping[str, tuple[str, ...]]

# What is larger is no document of a configuration.
MAX_BYTES = 4_000_000


@dataclass(frozen=True, slots=True)
class RepoSource:
    """One rpm-md repository of a repository document, as dnf would know it.

    `baseurl`, `metalink`, `mirrorlist` and `gpgkey` are templates: `$basearch`, `$arch` and
    `$releasever` are replaced when a snapshot is opened. The lower `priority` wins. `exclude` has
    globs of package names. An empty `limit_arches` means every architecture.

    `gpgkey` verifies `repomd.xml.asc` where the repository has one; with `repo_gpgcheck` a
    repository without one is refused. With `include`, globs like `exclude`, the repository has no
    other packages. One that may be skipped counts as empty where it cannot be had, and that is
    said. `access` says how its servers are spoken to. `variables` are
    the values of dnf's, once they are known: lists of mirrors name them too.
    """

    id: str
    name: str
    baseurl: tuple[str, ...] = ()
    metalink: str | None = None
    mirrorlist: str | None = None
    gpgkey: tuple[str, ...] = ()
    repo_gpgcheck: bool = False
    priority: int = 100
    exclude: tuple[str, ...] = ()
    limit_arches: tuple[str, ...] = ()
    module_hotfixes: bool = False
    include: tuple[str, ...] = ()
    skip_if_unavailable: bool = False
    access: RepositoryAccess = NO_ACCESS
    variables: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class RepositoryDocument:
    """The repositories of one distribution, and what else is needed to solve and build there.

    `modules` are the enabled streams (`name:stream`), `module_platform` the platform that modules
    require (`platform:el9`), `dist` rpm's `%dist` (`.el9`); null where nobody says.
    `buildroot_packages` (`base_buildroot_override`) are what every build root holds; empty where
    the document does not say. `variables` are dnf's, beside those that it sets by itself.
    One that is no `default` is used only where somebody names it.
    """

    id: str
    name: str
    description: str
    maintainer: str
    releasever: str
    architectures: tuple[str, ...]
    repos: tuple[RepoSource, ...]
    modules: tuple[str, ...] = ()
    module_platform: str | None = None
    dist: str | None = None
    buildroot_packages: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict, hash=False)
    default: bool = True


@dataclass(frozen=True, slots=True)
class EnvironmentDocument:
    """The packages of a base image. `options` are `include-docs` and `include-weak-deps`.

    `rpmdb` is `drop` where images shall not carry rpm's database, else `keep`.
    """

    id: str
    name: str
    description: str
    maintainer: str
    repositories: tuple[str, ...]
    labels: tuple[str, ...]
    packages: tuple[str, ...] = ()
    arch_packages: ByArch = field(default_factory=dict, hash=False)
    groups: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    rpmdb: str = "keep"


@dataclass(frozen=True, slots=True)
class PlaceholderRpm:
    """A binary package that does not exist yet; an empty `limit_arches` is every architecture."""

    name: str
    description: str
    dependencies: tuple[str, ...] = ()
    limit_arches: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A source package that does not exist yet, and its binary packages."""

    srpm_name: str
    rpms: tuple[PlaceholderRpm, ...] = ()
    build_dependencies: tuple[str, ...] = ()
    limit_arches: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkloadDocument:
    """The packages of an application, on top of an environment that shares a label with it.

    `options` are `include-docs`, `include-weak-deps` and `strict`, which changes nothing here.
    """

    id: str
    name: str
    description: str
    maintainer: str
    labels: tuple[str, ...]
    packages: tuple[str, ...] = ()
    arch_packages: ByArch = field(default_factory=dict, hash=False)
    groups: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    placeholders: tuple[Placeholder, ...] = ()


@dataclass(frozen=True, slots=True)
class UnwantedDocument:
    """Packages to flag wherever an image with one of the labels holds them."""

    id: str
    name: str
    description: str
    maintainer: str
    labels: tuple[str, ...]
    packages: tuple[str, ...] = ()
    arch_packages: ByArch = field(default_factory=dict, hash=False)
    source_packages: tuple[str, ...] = ()
    arch_source_packages: ByArch = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class LabelDocument:
    """The description of a label."""

    id: str
    name: str
    description: str
    maintainer: str


@dataclass(frozen=True, slots=True)
class ViewDocument:
    """Content Resolver's view, accepted as it is: nothing here is computed from it.

    `base_view` is set for an add-on view only.
    """

    id: str
    name: str
    description: str
    maintainer: str
    labels: tuple[str, ...]
    repository: str
    buildroot_strategy: str = "none"
    architectures: tuple[str, ...] = ()
    base_view: str | None = None


@dataclass(frozen=True, slots=True)
class BuildrootDocument:
    """Content Resolver's legacy build root document: accepted, and not used."""

    id: str
    maintainer: str
    view: str


@dataclass(frozen=True, slots=True)
class Sizes:
    """A value for each metric that an objective may limit; sizes in bytes, null where not said."""

    packages: int | None = None
    installed_size: int | None = None
    layer_size: int | None = None


@dataclass(frozen=True, slots=True)
class Growth:
    """The growth that one change may add; a change is too large when it passes all stated
    limits."""

    bytes: int | None = None
    percent: float | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """Where an objective wants to be, and by when."""

    sizes: Sizes
    by: date


@dataclass(frozen=True, slots=True)
class ObjectiveDocument:
    """A maintainer's limits and targets for images.

    `environment` and `repository` null mean every one that the workload meets; an empty
    `architectures` every architecture. `unwanted` maps package names to a reason or null.
    """

    id: str
    name: str
    description: str
    maintainer: str
    workload: str
    environment: str | None = None
    repository: str | None = None
    architectures: tuple[str, ...] = ()
    limits: Sizes = field(default_factory=Sizes)
    growth: Growth | None = None
    unwanted: Mapping[str, str | None] = field(default_factory=dict, hash=False)
    target: Target | None = None


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


@dataclass(frozen=True, slots=True)
class Configuration:
    """All documents of a configuration directory, by id, in the order of their ids."""

    repositories: Mapping[str, RepositoryDocument] = field(default_factory=dict, hash=False)
    environments: Mapping[str, EnvironmentDocument] = field(default_factory=dict, hash=False)
    workloads: Mapping[str, WorkloadDocument] = field(default_factory=dict, hash=False)
    unwanted: Mapping[str, UnwantedDocument] = field(default_factory=dict, hash=False)
    labels: Mapping[str, LabelDocument] = field(default_factory=dict, hash=False)
    views: Mapping[str, ViewDocument] = field(default_factory=dict, hash=False)
    buildroots: Mapping[str, BuildrootDocument] = field(default_factory=dict, hash=False)
    objectives: Mapping[str, ObjectiveDocument] = field(default_factory=dict, hash=False)
