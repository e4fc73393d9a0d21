"""BentoML: its timeouts, metrics, tracer and parser, and what to do before all of them."""

import inspect
from collections.abc import Callable, Collection
from typing import Any

import bentoml
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.server.http.instruments import RunnerTrafficMetricsMiddleware
from bentoml._internal.server.http.traffic import TimeoutMiddleware
from opentelemetry import trace
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from compat import require


class Unread(bentoml.IODescriptor):
    """The argument that BentoML passes to an API method: the request, for `serving.parsing`."""

    request: Any


class ReadLater:
    """Base class of input specs, before `bentoml.IODescriptor`, that bypasses BentoML's parser.

    That parser would fetch a URL sent in place of a file, and has its own format of errors.
    """

    @classmethod
    async def from_http_request(cls, request: Request, serde: object) -> bentoml.IODescriptor:
        """Return the request itself, unread."""
        return Unread.model_construct(request=request)


def tracer(name: str) -> trace.Tracer:
    """Return a tracer of the provider that BentoML's configuration describes."""
    made: trace.Tracer = BentoMLContainer.tracer_provider.get().get_tracer(name)
    return made


def disable_timeouts() -> None:
    """Disable BentoML's timeout of requests, which its configuration cannot.

    BentoML starts a timer for each request and never cancels it, which keeps up to 11 KB per
    request in memory until then. `serving.lifecycle` has a deadline of its own.
    """

    async def pass_on(
        middleware: TimeoutMiddleware, scope: Scope, receive: Receive, send: Send
    ) -> None:
        await middleware.app(scope, receive, send)

    TimeoutMiddleware.__call__ = pass_on  # type: ignore[assignment, method-assign]


def count_only(paths: Collection[str]) -> None:
    """Make BentoML's metrics count requests of these paths only.

    BentoML keeps 22 KB of series for each requested path: probing random paths would exhaust
    memory.
    """
    count = RunnerTrafficMetricsMiddleware.__call__

    async def count_known(
        middleware: RunnerTrafficMetricsMiddleware, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if scope["type"] != "http" or scope["path"] in paths:
            await count(middleware, scope, receive, send)
        else:
            await middleware.app(scope, receive, send)

    RunnerTrafficMetricsMiddleware.__call__ = count_known  # type: ignore[assignment, method-assign]


def bypass(takes: Callable[[Scope], bool], app: ASGIApp) -> None:
    """Give the requests that `takes` accepts to `app`, before BentoML's metrics, spans and routes.

    BentoML adds a service's own middleware inside of these. Its metrics are the outermost layer.
    """
    call = RunnerTrafficMetricsMiddleware.__call__

    async def call_or_bypass(
        middleware: RunnerTrafficMetricsMiddleware, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if takes(scope):
            await app(scope, receive, send)
        else:
            await call(middleware, scope, receive, send)

    RunnerTrafficMetricsMiddleware.__call__ = call_or_bypass  # type: ignore[assignment, method-assign]


def check() -> None:
    """Raise MovedError if a private API used here is missing."""
    require(
        "BentoML",
        bentoml.__version__,
        {
            "IODescriptor.from_http_request": lambda: (
                _parameters(bentoml.IODescriptor.from_http_request) == ["request", "serde"]
            ),
            "TimeoutMiddleware": lambda: (
                _parameters(TimeoutMiddleware.__call__)[1:] == ["scope", "receive", "send"]
            ),
            "RunnerTrafficMetricsMiddleware": lambda: (
                _parameters(RunnerTrafficMetricsMiddleware.__call__)[1:]
                == ["scope", "receive", "send"]
            ),
            "the tracer's provider": lambda: hasattr(BentoMLContainer, "tracer_provider"),
        },
    )


def _parameters(function: Callable[..., Any]) -> list[str]:
    return [*inspect.signature(function).parameters]
