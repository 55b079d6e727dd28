"""Settings of a running server: logs, metrics, traces, builds, and retention of data.

Koji and Copr are build services whose builds the builder `external` uses.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from bot.settings.forges import PlaceOfRepositories, SecretReference, Strict, Url

Days = Annotated[float, Field(gt=0, strict=False)]
Bytes = Annotated[int, Field(ge=1_000_000)]


class Listen(Strict):
    """The address the server listens on; port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080


class LogSettings(Strict):
    """Logs on standard error: `text`, or `json` with one object per line."""

    format: Literal["text", "json"] = "text"


class MetricsSettings(Strict):
    """The address at which a worker serves /metrics; the server has them at its own address."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)]


class TraceSettings(Strict):
    """The OTLP collector for traces.

    `endpoint` is its URL with the path, such as https://collector.example.org/v1/traces.
    `authorization` is the header of that name.
    """

    endpoint: Url
    authorization: SecretReference | None = None


class RetentionRule(Strict):
    """Limits of age and size: what is older than `days` is deleted, then the oldest until `bytes`
    are left."""

    days: Days
    bytes: Bytes


class RetentionSettings(Strict):
    """The limits of age and size for each kind of data, which a periodic job enforces.

    `deliveries`: handled ones. `checks`: checks with their results and steps, of pull requests that
    are over and that no merged change names. `runs`: ended runs of the engine; the size is that of
    their steps' values. `logs`: of builds that failed, except for open pull requests. By their last
    use: `builds`, packages with their logs; `git`, objects of other hosts' repositories; `metadata`
    of distributions, with files made of it; `roots`, in which packages are built and specs
    evaluated. `remains`: files that killed runs left in the cache.
    """

    deliveries: RetentionRule = RetentionRule(days=30, bytes=1_000_000_000)
    checks: RetentionRule = RetentionRule(days=365, bytes=10_000_000_000)
    runs: RetentionRule = RetentionRule(days=14, bytes=1_000_000_000)
    logs: RetentionRule = RetentionRule(days=90, bytes=1_000_000_000)
    builds: RetentionRule = RetentionRule(days=90, bytes=20_000_000_000)
    git: RetentionRule = RetentionRule(days=30, bytes=10_000_000_000)
    metadata: RetentionRule = RetentionRule(days=30, bytes=20_000_000_000)
    roots: RetentionRule = RetentionRule(days=30, bytes=20_000_000_000)
    remains: RetentionRule = RetentionRule(days=1, bytes=1_000_000_000)


# rpm's name.
Architecture = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,15}$")]


class BuildService(Strict):
    """A build service.

    A link that begins with `web_url` is one to its builds. `files_url` is the only place of its
    packages. `hub_url` is for Koji only: the URL of its hub, by default `kojihub` beside its pages,
    as in koji's own configuration.
    """

    type: Literal["koji", "copr"]
    web_url: Url
    files_url: PlaceOfRepositories
    hub_url: Url | None = None

    @model_validator(mode="before")
    @classmethod
    def _usual_hub(cls, value: Any) -> Any:
        if not isinstance(value, dict) or value.get("type") != "koji" or "hub_url" in value:
            return value
        web = str(value.get("web_url", "")).rstrip("/")
        return {**value, "hub_url": f"{web.removesuffix('/koji')}/kojihub"}

    @model_validator(mode="after")
    def _hubs_are_kojis(self) -> BuildService:
        if self.type == "copr" and self.hub_url is not None:
            raise ValueError("hub_url is not for copr: its API is below web_url")
        return self


class BuildSettings(Strict):
    """Rebuilding: whether, with which builder, and whose changes.

    A change is rebuilt if its author and the pusher of its head are trusted: each has the triage
    role or above in the repository, or is one of `trusted` (user names; `*` is everybody; a name
    with a slash is a team, `organisation/team` on GitHub, or a group's path on GitLab); or if
    somebody with the write role allows it for the commit. All changes are predicted; the verdict
    on a change that is not trusted is `action_required` until somebody allows it. `emulated` are
    architectures that machines of another one may build for under emulation, if no machine of that
    architecture works. `external` are the URLs below which the repositories of the builder
    `external` may be: others in a .minimize.yaml are refused. `services` are the build services
    that may be used, by their name in .minimize.yaml.
    """

    enabled: bool = True
    builder: Literal["auto", "rpmbuild", "mock"] = "auto"
    trusted: Annotated[tuple[str, ...], Field(strict=False)] = ()
    emulated: Annotated[tuple[Architecture, ...], Field(strict=False)] = ()
    external: Annotated[tuple[PlaceOfRepositories, ...], Field(strict=False)] = ()
    services: dict[str, BuildService] = Field(default_factory=dict)


class SandboxSettings(Strict):
    """Policy for untrusted code on a machine where no control group can limit its memory as a whole
    (`minimize doctor` says so): it is refused, unless these words are written."""

    without_memory_limit: Literal["refuse", "run strangers' code anyway"] = "refuse"

    @property
    def memory_limit_required(self) -> bool:
        return self.without_memory_limit == "refuse"
