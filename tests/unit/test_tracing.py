"""A request's id, and the spans of its steps."""

import asyncio
import contextvars
import time

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler

from serving.runtime import Runtime
from serving.tracing import current_request_id, span_context, step_recorder


class Traces:
    """A tracer, and the spans that it has exported."""

    def __init__(self, sampler: Sampler) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(sampler=sampler)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = provider.get_tracer("tests")

    def spans(self) -> list[ReadableSpan]:
        return [*self._exporter.get_finished_spans()]


def test_the_id_is_that_of_the_current_span() -> None:
    without_span = {current_request_id() for _ in range(100)}
    assert len(without_span) == 100
    assert all(len(name) == 16 and int(name, 16) for name in without_span)
    with Traces(ALWAYS_ON).tracer.start_as_current_span("request") as span:
        assert current_request_id() == format(span.get_span_context().span_id, "016x")
        assert len(current_request_id()) == 16


def test_a_step_becomes_a_child_of_the_request() -> None:
    traces, runtime = Traces(ALWAYS_ON), Runtime({})
    with traces.tracer.start_as_current_span("request") as request:
        record_step = step_recorder(runtime.metrics, traces.tracer)
    ended = time.monotonic() - 2
    record_step("decode", ended - 0.25, ended)  # after the request, as another thread may
    decode = traces.spans()[-1]
    assert decode.name == "decode"
    assert decode.parent is not None
    assert decode.parent.span_id == request.get_span_context().span_id
    assert decode.start_time is not None
    assert decode.end_time is not None
    assert (decode.end_time - decode.start_time) / 1e9 == pytest.approx(0.25, abs=1e-3)
    assert decode.end_time / 1e9 == pytest.approx(time.time() - 2, abs=0.5)


@pytest.mark.parametrize("sampler", [ALWAYS_ON, ALWAYS_OFF])
def test_a_step_is_counted_whether_it_is_traced_or_not(
    sampler: Sampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    traces, runtime, counted = Traces(sampler), Runtime({}), []
    monkeypatch.setattr(runtime.metrics, "count_step", lambda *step: counted.append(step))
    with traces.tracer.start_as_current_span("request"):
        step_recorder(runtime.metrics, traces.tracer)("segment", 1.0, 1.5)
    assert counted == [("segment", 0.5)]
    steps = [span.name for span in traces.spans() if span.name != "request"]
    assert steps == (["segment"] if sampler is ALWAYS_ON else [])


async def test_a_task_in_the_spans_context_keeps_nothing_else() -> None:
    held: contextvars.ContextVar[str] = contextvars.ContextVar("held", default="nothing")
    held.set("the request")
    with Traces(ALWAYS_ON).tracer.start_as_current_span("request") as span:

        async def look() -> tuple[str, int]:
            return held.get(), trace.get_current_span().get_span_context().span_id

        seen = await asyncio.create_task(look(), context=span_context())
    assert seen == ("nothing", span.get_span_context().span_id)
