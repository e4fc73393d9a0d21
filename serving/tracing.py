"""Adds a span per step to BentoML's trace of a request, and takes the request's id from it."""

import contextvars
import secrets
import time
from collections.abc import Callable

from opentelemetry import trace
from opentelemetry.context import attach, get_current

from serving.metrics import Metrics


def current_request_id() -> str:
    """Return BentoML's id of the current request, which is that of its span, or else a new id."""
    span_id = trace.get_current_span().get_span_context().span_id
    return format(span_id, "016x") if span_id else secrets.token_hex(8)


def span_context() -> contextvars.Context:
    """Return a context with the current span only, which keeps nothing else in memory."""
    context = contextvars.Context()
    context.run(attach, get_current())
    return context


def step_recorder(metrics: Metrics, tracer: trace.Tracer) -> Callable[[str, float, float], None]:
    """Return the `record_step` of the current request's RequestTimer.

    It creates the span of a step when the step has ended, so that the pipeline needs no tracing.
    Any thread may call it.
    """
    request = trace.get_current_span()
    context = trace.set_span_in_context(request)

    def record_step(name: str, started: float, ended: float) -> None:
        metrics.count_step(name, ended - started)
        if request.get_span_context().trace_flags.sampled:
            end_time = time.time_ns() - round((time.monotonic() - ended) * 1e9)
            start_time = end_time - round((ended - started) * 1e9)
            tracer.start_span(name, context, start_time=start_time).end(end_time)

    return record_step
