"""The settings of a running server: logs, metrics, traces, and how long each kind of data stays."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bot.settings.forges import SecretReference, Strict, Url

Days = Annotated[float, Field(gt=0, strict=False)]
Bytes = Annotated[int, Field(ge=1_000_000)]


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
