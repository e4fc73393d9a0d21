"""Traces as an OpenTelemetry collector receives them: a span per request, and one per step."""

import itertools
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.serving import UPLOAD_STEPS, serve
from tests.support.waiting import wait_until


class Collector(ThreadingHTTPServer):
    """Collect spans by OTLP over HTTP: every POST is a batch of them."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        super().__init__(("127.0.0.1", 0), _Batch)

    def with_name(self, name: str) -> list[Span]:
        """Wait for spans with a name; return them."""
        return wait_until(lambda: [span for span in [*self.spans] if span.name == name])


class _Batch(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        batch = ExportTraceServiceRequest.FromString(
            self.rfile.read(int(self.headers["Content-Length"]))
        )
        self.server.spans += [
            span
            for resource in batch.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Run a collector."""
    with Collector() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_request_is_a_trace_with_a_span_per_step(collector: Collector, photo: bytes) -> None:
    tracing = {
        "exporter_type": "otlp",
        "sample_rate": 1.0,
        "excluded_urls": "livez,readyz,metrics",
        "otlp": {
            "protocol": "http",
            "endpoint": f"http://127.0.0.1:{collector.server_port}/v1/traces",
        },
    }
    overrides = json.dumps({"services": {"background_remover": {"tracing": tracing}}})
    with serve(BENTOML_CONFIG_OVERRIDES=overrides, OTEL_BSP_SCHEDULE_DELAY="100") as server:
        response = server.upload(photo)
        assert response.status_code == 200
        (request,) = collector.with_name("POST /remove-background/upload")
        steps = [
            span
            for span in collector.spans
            if span.parent_span_id == request.span_id and " " not in span.name
        ]
    assert request.span_id.hex() == response.headers["X-BentoML-Request-ID"]
    in_order = [span.name for span in sorted(steps, key=lambda span: span.start_time_unix_nano)]
    # A step may have two spans: the subject is selected, and then located.
    assert [name for name, _ in itertools.groupby(in_order)] == UPLOAD_STEPS
    assert not [span.name for span in collector.spans if "readyz" in span.name]
    for span in steps:
        assert span.trace_id == request.trace_id
        assert (
            request.start_time_unix_nano
            <= span.start_time_unix_nano
            <= span.end_time_unix_nano
            <= request.end_time_unix_nano
        )
