"""The schema of each document type: pydantic models over the values that `yamltext` yields.

Importing pydantic costs more than solving an image: only `load` imports this module, and only for
a configuration that was not checked before.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from bot.distro.quantities import parse_size
from bot.model.architecture import DEFAULT_ARCHITECTURES, RPM_ARCHITECTURES

_T = TypeVar("_T")


def _nothing_is_empty(value: Any) -> Any:
    return [] if value is None else value


def _null_is_no_text(value: Any) -> Any:
    return "" if value is None else value


def _one_or_many(value: Any) -> Any:
    return [] if value is None else [value] if isinstance(value, str) else value


def _no_mapping_is_empty(value: Any) -> Any:
    return {} if value is None else value


def _size(value: Any) -> Any:
    return parse_size(value) if isinstance(value, str) else value


def _percent(value: Any) -> Any:
    return value.removesuffix("%").strip() if isinstance(value, str) else value


def _names_to_reasons(value: Any) -> Any:
    return dict.fromkeys(value) if isinstance(value, list) else _no_mapping_is_empty(value)


def _url(value: str) -> str:
    if "@" in value.partition("://")[2].partition("/")[0]:
        # Whatever it is, it is not repeated: there may be a password in it.
        raise ValueError(
            "expected a URL without user name or password: give `username` and `password` by"
            " reference, {env: NAME} or {file: PATH}"
        )
    if not value.startswith(("https://", "http://", "file:///")):
        raise ValueError(
            f"expected a URL that begins with https://, http:// or file:///: `{value}`"
        )
    try:
        urlsplit(value).port  # noqa: B018  # asked for, for what is wrong with it
    except ValueError as error:
        raise ValueError(f"expected a URL, not `{value}`: {error}") from error
    return value


def _proxy(value: str) -> str:
    if value.lower() in ("", "_none_"):
        return ""
    if not value.startswith(("http://", "https://")):
        raise ValueError("expected a proxy such as http://proxy.example.org:3128, or `_none_`")
    return _url(value)


def _path(value: str) -> str:
    if not value.startswith("/"):
        raise ValueError("expected an absolute path of a PEM file, or {env: NAME} of one")
    return value


def _known_arches(value: list[str]) -> list[str]:
    known = [arch for arch in dict.fromkeys(value) if arch in RPM_ARCHITECTURES]
    if value and not known:
        common = ", ".join(DEFAULT_ARCHITECTURES)
        raise ValueError(f"expected an architecture by rpm's name, such as {common}")
    return known


def _of_known_arches(value: dict[str, _T]) -> dict[str, _T]:
    return {arch: of for arch, of in value.items() if arch in RPM_ARCHITECTURES}


def _only_lists(value: Any) -> Any:
    return value if isinstance(value, list) else []


Words = Annotated[str, BeforeValidator(_null_is_no_text)]
Texts = Annotated[list[str], BeforeValidator(_nothing_is_empty)]
Urls = Annotated[list[Annotated[str, AfterValidator(_url)]], BeforeValidator(_one_or_many)]
ArchTexts = Annotated[
    dict[str, Texts], BeforeValidator(_no_mapping_is_empty), AfterValidator(_of_known_arches)
]
# What SQLite keeps as a whole number; more is no size of anything.
_MOST = 2**63 - 1
Size = Annotated[int, BeforeValidator(_size), Field(ge=0, le=_MOST)]
Count = Annotated[int, Field(ge=0, le=_MOST)]
# libsolv's priorities are of 32 bits.
Priority = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]
NameStream = Annotated[str, StringConstraints(pattern=r"^[^:\s/]+:[^:\s/]+$")]
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]+$")]
Dist = Annotated[str, StringConstraints(pattern=r"^\.[A-Za-z0-9._~^+]+$")]


class _Tolerant(BaseModel):
    """Keys that nobody knows are ignored; `notes` reports them."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class _Exact(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _EnvironmentVariable(_Exact):
    env: Annotated[str, Field(min_length=1)]


class _Secret(_Exact):
    """Where a secret is. `repofile`, `section` and `option` are how a `.repo` file is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    env: str | None = None
    file: str | None = None
    repofile: str | None = None
    section: str = ""
    option: str = ""

    @model_validator(mode="before")
    @classmethod
    def _never_the_secret_itself(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            # pydantic tells ValueErrors with their place, TypeErrors it lets through.
            raise ValueError(  # noqa: TRY004
                "expected a reference, {env: NAME} or {file: PATH}, never the secret itself"
            )
        return value

    @model_validator(mode="after")
    def _exactly_one(self) -> _Secret:
        if sum(bool(place) for place in (self.env, self.file, self.repofile)) != 1:
            raise ValueError("expected one of `env` and `file`")
        return self


PemFile = Annotated[str, AfterValidator(_path)] | _EnvironmentVariable


class _Source(_Tolerant):
    name: str | None = None
    baseurl: Urls = []
    metalink: Annotated[str, AfterValidator(_url)] | None = None
    mirrorlist: Annotated[str, AfterValidator(_url)] | None = None
    gpgkey: Urls = []
    repo_gpgcheck: bool = False
    priority: Priority = 100
    exclude: Texts = []
    limit_arches: Texts = []
    module_hotfixes: bool = False
    koji_api_url: str | None = None
    koji_files_url: str | None = None
    # dnf's, beyond Content Resolver's.
    include: Texts = []
    skip_if_unavailable: bool = False
    sslverify: bool = True
    sslcacert: PemFile | None = None
    sslclientcert: PemFile | None = None
    sslclientkey: PemFile | None = None
    username: _Secret | None = None
    password: _Secret | None = None
    proxy: Annotated[str, AfterValidator(_proxy)] | None = None
    proxy_username: _Secret | None = None
    proxy_password: _Secret | None = None

    @model_validator(mode="after")
    def _comes_from_somewhere(self) -> _Source:
        if not (self.baseurl or self.metalink or self.mirrorlist):
            raise ValueError("expected `baseurl`, `metalink` or `mirrorlist`")
        if self.repo_gpgcheck and not self.gpgkey:
            raise ValueError("`repo_gpgcheck` needs a `gpgkey`")
        if self.password is not None and self.username is None:
            raise ValueError("`password` needs a `username`")
        if self.proxy_username is not None and not self.proxy:
            raise ValueError("`proxy_username` needs a `proxy`")
        if self.sslclientkey is not None and self.sslclientcert is None:
            raise ValueError("`sslclientkey` needs an `sslclientcert`")
        return self


class _RepositorySource(_Tolerant):
    repos: Annotated[dict[str, _Source], Field(min_length=1)]
    releasever: Annotated[str, StringConstraints(pattern=r"^[^\s/]+$")]
    architectures: Annotated[list[str], Field(min_length=1), AfterValidator(_known_arches)] = list(
        DEFAULT_ARCHITECTURES
    )
    composeinfo: str | None = None
    base_buildroot_override: Texts = []
    modules: list[NameStream] = []
    module_platform: NameStream | None = None
    dist: Dist | None = None
    # dnf's variables, and `.repo` files whose enabled repositories stand beside `repos`.
    variables: Annotated[dict[Variable, str], BeforeValidator(_no_mapping_is_empty)] = {}
    repofile: Annotated[list[str], BeforeValidator(_one_or_many)] = []
    enablerepo: Annotated[list[str], BeforeValidator(_one_or_many)] = []
    disablerepo: Annotated[list[str], BeforeValidator(_one_or_many)] = []


class Repository(_Tolerant):
    name: str
    description: Words
    maintainer: Words
    # Ours: false for a document that is used only where somebody names it.
    default: bool = True
    source: _RepositorySource
    # Ours may stand beside `source` as well as in it, where `releasever` is.
    modules: list[NameStream] = []
    module_platform: NameStream | None = None
    dist: Dist | None = None


class Environment(_Tolerant):
    name: str
    description: Words
    maintainer: Words
    repositories: list[str]
    packages: Texts
    labels: list[str]
    arch_packages: ArchTexts = {}
    options: Texts = []
    groups: Texts = []
    # Ours: whether images carry rpm's database.
    rpmdb: Literal["keep", "drop"] = "keep"


class _PlaceholderRpm(_Tolerant):
    rpm_name: str | None = None
    description: str | None = None
    dependencies: Texts = []
    limit_arches: Texts = []
    build_dependencies: Texts = []


class _Placeholder(_Tolerant):
    srpm_name: str | None
    build_dependencies: Texts = []
    limit_arches: Texts = []
    rpms: Annotated[list[_PlaceholderRpm], BeforeValidator(_nothing_is_empty)] = []


class Workload(_Exact):
    name: str
    description: Words
    maintainer: Words
    labels: list[str]
    packages: Texts = []
    arch_packages: ArchTexts = {}
    options: Texts = []
    groups: Texts = []
    package_placeholders: Annotated[list[_Placeholder], BeforeValidator(_only_lists)] = []


class Unwanted(_Exact):
    name: str
    description: Words
    maintainer: Words
    labels: list[str]
    unwanted_packages: Texts = []
    unwanted_arch_packages: ArchTexts = {}
    unwanted_source_packages: Texts = []
    unwanted_arch_source_packages: ArchTexts = {}


class Label(_Tolerant):
    name: str
    description: Words
    maintainer: Words


class View(_Tolerant):
    name: str
    description: Words
    maintainer: Words
    labels: list[str]
    repository: str
    buildroot_strategy: str = "none"
    architectures: Annotated[Texts, AfterValidator(_known_arches)] = []
    unwanted_packages: Texts = []
    unwanted_arch_packages: ArchTexts = {}
    unwanted_source_packages: Texts = []


class ViewAddon(View):
    base_view_id: str


class Buildroot(_Tolerant):
    maintainer: Words
    view_id: str
    base_buildroot: ArchTexts = {}
    source_packages: dict[str, Any] | None = None


class _Limits(_Exact):
    packages: Count | None = None
    installed_size: Size | None = None
    layer_size: Size | None = None


class _Growth(_Exact):
    bytes: Size | None = None
    percent: (
        Annotated[float, BeforeValidator(_percent), Field(ge=0, allow_inf_nan=False)] | None
    ) = None

    @model_validator(mode="after")
    def _says_something(self) -> _Growth:
        if self.bytes is None and self.percent is None:
            raise ValueError("expected `bytes`, `percent` or both")
        return self


class _Target(_Limits):
    by: datetime.date

    @model_validator(mode="after")
    def _says_something(self) -> _Target:
        if self.packages is None and self.installed_size is None and self.layer_size is None:
            raise ValueError("expected `packages`, `installed_size` or `layer_size` beside `by`")
        return self


class Objective(_Exact):
    name: str
    description: Words
    maintainer: Words
    workload: str
    environment: str | None = None
    repository: str | None = None
    architectures: Annotated[Texts, AfterValidator(_known_arches)] = []
    limits: Annotated[_Limits, BeforeValidator(_no_mapping_is_empty)] = _Limits()
    growth: _Growth | None = None
    unwanted: Annotated[dict[str, str | None], BeforeValidator(_names_to_reasons)] = {}
    target: _Target | None = None


Kind = Literal[
    "repository",
    "environment",
    "workload",
    "unwanted",
    "label",
    "view",
    "view-addon",
    "buildroot",
    "objective",
]
MODELS: Mapping[str, type[BaseModel]] = {
    "repository": Repository,
    "environment": Environment,
    "workload": Workload,
    "unwanted": Unwanted,
    "label": Label,
    "view": View,
    "view-addon": ViewAddon,
    "buildroot": Buildroot,
    "objective": Objective,
}
# Content Resolver's options; others are dropped, and reported.
OPTIONS: Mapping[str, tuple[str, ...]] = {
    "workload": ("include-docs", "include-weak-deps", "strict"),
    "environment": ("include-docs", "include-weak-deps"),
}
