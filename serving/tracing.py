"""A request's place in BentoML's trace of it: its id, and a span for each step."""

import contextvars
import time
from collections.abc import Callable

from opentelemetry import trace
from opentelemetry.context import attach, get_current

from serving.metrics import Metrics


def current_request_id() -> str:
    """The id that BentoML gives the current request: its trace span's."""
    return format(trace.get_current_span().get_span_context().span_id, "016x")


def span_context() -> contextvars.Context:
    """A context that holds the current span and nothing else: a task in it keeps nothing of the request alive."""
    context = contextvars.Context()
    context.run(attach, get_current())
    return context


def step_recorder(metrics: Metrics, tracer: trace.Tracer) -> Callable[[str, float, float], None]:
    """What the request's clock calls, in any thread, with a step's name, start and end (`time.monotonic`, seconds).

    The span is made when its step has ended, as a child of the request's, so that the pipeline need not know of traces.
    """
    request = trace.get_current_span()
    context = trace.set_span_in_context(request)

    def record_step(name: str, started: float, ended: float) -> None:
        metrics.step(name, ended - started)
        if request.get_span_context().trace_flags.sampled:
            now = time.time_ns() - round((time.monotonic() - ended) * 1e9)
            tracer.start_span(name, context, start_time=now - round((ended - started) * 1e9)).end(
                now
            )

    return record_step
