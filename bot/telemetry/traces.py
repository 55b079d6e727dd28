"""OpenTelemetry traces, sent by OTLP over HTTP if the settings name an endpoint.

A delivery and all work that follows from it, in any process and after restarts, is one trace: its
id, and its root's, are digests of the delivery's id. OpenTelemetry is only imported if an endpoint
is set.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from bot.errors import UsageError
from bot.telemetry.logs import current_context

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.sdk.trace.id_generator import IdGenerator

Attribute = str | int | float | bool


class RunningSpan(Protocol):
    """The interface of a running span, which takes attributes."""

    def set_attribute(self, key: str, value: Attribute) -> Any:
        """Set an attribute."""
        ...


class _NoSpan:
    def set_attribute(self, key: str, value: Attribute) -> None:
        """Do nothing: no endpoint is set."""


@dataclass(frozen=True, slots=True)
class _Ids:
    trace: int
    root: int


# The ids for the next span, if they are given.
_ROOT_IDS: ContextVar[_Ids | None] = ContextVar("given span ids", default=None)
_PROVIDER: TracerProvider | None = None


def start_traces(
    endpoint: str,
    process: str,
    *,
    headers: Mapping[str, str] | None = None,
    exporter: SpanExporter | None = None,
) -> None:
    """Send spans from now on to `endpoint`, the collector's URL with its path.

    `process` names this process in them. `exporter` replaces OTLP over HTTP. UsageError if
    OpenTelemetry is not installed.
    """
    global _PROVIDER  # noqa: PLW0603 - the process's own
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as error:
        raise UsageError(
            f"The settings have traces.endpoint, but {error.name} is not installed.",
            f"Run {sys.executable} -m pip install 'minimize[traces]', or remove traces from the"
            " settings.",
        ) from error
    from bot.outbound.sessions import outbound_session

    resource = {"service.name": "minimize", "service.instance.id": process}
    provider = TracerProvider(
        resource=Resource.create(resource), id_generator=_id_generator(_take_root_ids)
    )
    sending = exporter or OTLPSpanExporter(
        endpoint=endpoint, headers=dict(headers or {}), session=outbound_session()
    )
    provider.add_span_processor(BatchSpanProcessor(sending))
    _PROVIDER = provider


def _id_generator(next_ids: Callable[[], tuple[int, int] | None]) -> IdGenerator:
    """A generator of the ids (trace, span) that `given` returns; of random ones for null."""
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class RootIds(RandomIdGenerator):
        def generate_trace_id(self) -> int:
            ids = next_ids()
            return ids[0] if ids else super().generate_trace_id()

        def generate_span_id(self) -> int:
            ids = next_ids()
            return ids[1] if ids else super().generate_span_id()

    return RootIds()


def stop_traces() -> None:
    """Send the remaining spans, and stop."""
    global _PROVIDER  # noqa: PLW0603 - the process's own
    if _PROVIDER is not None:
        _PROVIDER.shutdown()
        _PROVIDER = None


@contextmanager
def span(name: str, attributes: Mapping[str, Attribute] | None = None) -> Iterator[RunningSpan]:
    """Record a span of the current work's trace; does nothing if no endpoint is set."""
    context = current_context()
    key = context.delivery or context.run
    if _PROVIDER is None or not key:
        yield _NoSpan()
        return
    all_attributes = {"delivery": context.delivery, "run": context.run, **(attributes or {})}
    tracer = _PROVIDER.get_tracer("minimize")
    with tracer.start_as_current_span(
        name, _below_root(key), attributes=all_attributes
    ) as recorded:
        yield recorded


def record_span(
    name: str, key: str, begun: float, ended: float, attributes: Mapping[str, Attribute]
) -> None:
    """Record a span from `begun` to `ended` (seconds since 1970) in the trace of `key`."""
    if _PROVIDER is not None:
        tracer = _PROVIDER.get_tracer("minimize")
        started = tracer.start_span(
            name, _below_root(key), attributes=dict(attributes), start_time=_nanoseconds(begun)
        )
        started.end(_nanoseconds(ended))


def record_root(
    name: str, key: str, begun: float, ended: float, attributes: Mapping[str, Attribute]
) -> None:
    """Record the root span of the trace of `key`."""
    if _PROVIDER is None:
        return
    from opentelemetry.context import Context

    token = _ROOT_IDS.set(_ids_of(key))
    try:
        started = _PROVIDER.get_tracer("minimize").start_span(
            name, Context(), attributes=dict(attributes), start_time=_nanoseconds(begun)
        )
    finally:
        _ROOT_IDS.reset(token)
    started.end(_nanoseconds(ended))


def _take_root_ids() -> tuple[int, int] | None:
    ids = _ROOT_IDS.get()
    return None if ids is None else (ids.trace, ids.root)


def _below_root(key: str) -> Context:
    """The parent of a span: the span that is open here, else the root of the trace."""
    from opentelemetry import trace

    if trace.get_current_span().get_span_context().is_valid:
        from opentelemetry.context import get_current

        return get_current()
    ids = _ids_of(key)
    flags = trace.TraceFlags(trace.TraceFlags.SAMPLED)
    root = trace.SpanContext(ids.trace, ids.root, is_remote=True, trace_flags=flags)
    return trace.set_span_in_context(trace.NonRecordingSpan(root))


def _ids_of(key: str) -> _Ids:
    digest = hashlib.sha256(key.encode()).digest()
    return _Ids(int.from_bytes(digest[:16]), int.from_bytes(digest[16:24]))


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1_000_000_000)
