"""Traces: one for a delivery and all that follows, sent to a collector of this machine."""

import asyncio
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from bot.telemetry.logs import working_on
from bot.telemetry.traces import record_root, record_span, span, start_traces, stop_traces
from tests.distro.servers import running


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    start_traces("http://127.0.0.1:9/v1/traces", "tester", exporter=exporter)
    yield exporter
    stop_traces()


def test_without_an_endpoint_nothing_is_recorded() -> None:
    with working_on(delivery="d"), span("fetch") as recorded:
        recorded.set_attribute("step.outcome", "ok")
    record_root("delivery", "d", 1.0, 2.0, {})


async def test_a_delivery_and_its_steps_are_one_trace(exporter: InMemorySpanExporter) -> None:
    with working_on(delivery="d1", run="r1"), span("predict", {"step.try": 1}) as recorded:
        recorded.set_attribute("step.outcome", "ok")
        with span("inside"):
            await asyncio.sleep(0)
    with working_on(delivery="d2"), span("predict"):
        pass
    with span("about nothing"):
        pass
    record_root("delivery", "d1", 10.0, 12.5, {"event": "pull_request"})
    record_span("check", "d1", 10.0, 40.0, {"run": "r1"})
    stop_traces()
    spans = {(s.name, s.attributes.get("delivery", "")): s
             for s in exporter.get_finished_spans()}  # fmt: skip
    root, check = spans["delivery", ""], spans["check", ""]
    predict, inside = spans["predict", "d1"], spans["inside", "d1"]
    other = spans["predict", "d2"]
    assert len(spans) == 5
    assert root.parent is None
    assert (root.end_time - root.start_time) / 1e9 == 2.5
    for below in (check, predict):
        assert below.parent.span_id == root.context.span_id
        assert below.context.trace_id == root.context.trace_id
    assert inside.parent.span_id == predict.context.span_id
    assert other.context.trace_id != root.context.trace_id
    assert predict.attributes["run"] == "r1"
    assert predict.attributes["step.outcome"] == "ok"
    assert root.resource.attributes["service.instance.id"] == "tester"


def test_spans_arrive_at_a_collector_with_the_header() -> None:
    taken: list[tuple[str, str | None, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.append((self.path, self.headers["Authorization"], body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with running(HTTPServer(("127.0.0.1", 0), Collector)) as url:
        start_traces(f"{url}/v1/traces", "tester", headers={"authorization": "Bearer x"})
        with working_on(run="r"), span("build"):
            pass
        stop_traces()
    ((path, header, body),) = taken
    assert (path, header) == ("/v1/traces", "Bearer x")
    sent = ExportTraceServiceRequest.FromString(body)
    assert [s.name for r in sent.resource_spans for p in r.scope_spans for s in p.spans] == [
        "build"
    ]
