"""The settings of logs, metrics and traces."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bot.settings.forges import SecretReference, Strict, Url


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
