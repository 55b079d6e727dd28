"""The settings of a running server: logs, metrics, traces, builds, and how long data stays.

Koji and Copr are build services whose builds the builder `external` takes.
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
    """Logs on standard error: `text`, or `json` with one object a line."""

    format: Literal["text", "json"] = "text"


class MetricsSettings(Strict):
    """The address at which a worker serves /metrics; the server has them at its own address."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)]


class TraceSettings(Strict):
    """The OTLP collector that traces are sent to: the URL with its path, such as
    https://collector.example.org/v1/traces.

    `authorization` is the header of that name.
    """

    endpoint: Url
    authorization: SecretReference | None = None


class Kept(Strict):
    """An age and a size: older than `days` leaves; then the oldest, until `bytes` are enough."""

    days: Days
    bytes: Bytes


class RetentionSettings(Strict):
    """The age and the size of each kind of data, which one periodic job keeps to.

    `deliveries`: those that were handled. `checks`: checks with their results and steps, of pull
    requests that are over and that no merged change names. `runs`: those of the engine that ended;
    the size is that of their steps' values. `logs`: of builds that failed, but those of pull
    requests that are open. By their last use: `builds`, packages with their logs; `git`, objects
    of other hosts' repositories; `metadata` of the distributions', with what was made of it;
    `roots`, in which packages are built and specs evaluated. `remains`: what killed runs left in
    the cache.
    """

    deliveries: Kept = Kept(days=30, bytes=1_000_000_000)
    checks: Kept = Kept(days=365, bytes=10_000_000_000)
    runs: Kept = Kept(days=14, bytes=1_000_000_000)
    logs: Kept = Kept(days=90, bytes=1_000_000_000)
    builds: Kept = Kept(days=90, bytes=20_000_000_000)
    git: Kept = Kept(days=30, bytes=10_000_000_000)
    metadata: Kept = Kept(days=30, bytes=20_000_000_000)
    roots: Kept = Kept(days=30, bytes=20_000_000_000)
    remains: Kept = Kept(days=1, bytes=1_000_000_000)


# rpm's name.
Architecture = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,15}$")]


class BuildService(Strict):
    """A build service. A link is one to a build of it where it begins with `web_url`.

    `files_url` is where its packages are, and nowhere else. `hub_url` is Koji's alone: where its
    hub takes calls, by default `kojihub` beside its pages, as koji's own configuration has it.
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
            raise ValueError("hub_url is not copr's: its API is below web_url")
        return self


class BuildSettings(Strict):
    """Rebuilding: whether, with which builder, and whose changes.

    A change is rebuilt when its author and the pusher of its head are trusted: each has the triage
    role or above in the repository, or is one of `trusted` (user names; `*` is everybody; a name
    with a slash is a team, `organisation/team` on GitHub, or a group's path on GitLab); or when
    somebody with the write role allows it for the commit. All changes are predicted; what is not
    built of others counts for nothing until somebody allows it.

    `emulated` are architectures that machines of another one may build for under emulation, where
    no machine of that architecture works.

    `external` are the places, URLs, below which the repositories of the builder `external` may be:
    what a repository's .minimize.yaml names elsewhere is not read. `services` are those whose
    builds it may take, by the name that a .minimize.yaml has.
    """

    enabled: bool = True
    builder: Literal["auto", "rpmbuild", "mock"] = "auto"
    trusted: Annotated[tuple[str, ...], Field(strict=False)] = ()
    emulated: Annotated[tuple[Architecture, ...], Field(strict=False)] = ()
    external: Annotated[tuple[PlaceOfRepositories, ...], Field(strict=False)] = ()
    services: dict[str, BuildService] = Field(default_factory=dict)


class SandboxSettings(Strict):
    """Strangers' code on a machine where its memory cannot be limited as a whole: no control group
    can be made (`minimize doctor` says so). It is refused there, unless these words are written.
    """

    without_memory_limit: Literal["refuse", "run strangers' code anyway"] = "refuse"

    @property
    def memory_limit_required(self) -> bool:
        return self.without_memory_limit == "refuse"
