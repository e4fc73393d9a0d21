"""BentoML's private parts: timeouts and metrics that cannot be configured, the tracer, and requests handed on unread."""

import inspect
from collections.abc import Callable, Collection
from typing import Any

import bentoml
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.server.http.instruments import RunnerTrafficMetricsMiddleware
from bentoml._internal.server.http.traffic import TimeoutMiddleware
from opentelemetry import trace
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from compat import require


class Unread(bentoml.IODescriptor):
    """What BentoML hands to a method: the request as it came, for `serving.parsing` to read."""

    request: Any


class ReadLater:
    """Keeps BentoML's parser away, which fetches a URL given for a file and answers faults in shapes of its own.

    A base class of input specs, in front of `bentoml.IODescriptor`.
    """

    @classmethod
    async def from_http_request(cls, request: Request, serde: object) -> bentoml.IODescriptor:
        """Return the request itself, unread."""
        return Unread.model_construct(request=request)


def tracer(name: str) -> trace.Tracer:
    """A tracer of the provider that BentoML's settings describe."""
    made: trace.Tracer = BentoMLContainer.tracer_provider.get().get_tracer(name)
    return made


def disable_timeouts() -> None:
    """Take BentoML's timeout out of each request's way.

    It sets a timer for each request and never cancels it: up to 11 KB of each request stay until it would have struck. Requests
    have a deadline of their own, and BentoML cannot be told to have none.
    """

    async def hand_on(
        middleware: TimeoutMiddleware, scope: Scope, receive: Receive, send: Send
    ) -> None:
        await middleware.app(scope, receive, send)

    TimeoutMiddleware.__call__ = hand_on  # type: ignore[assignment, method-assign]


def count_only(paths: Collection[str]) -> None:
    """Have BentoML's metrics count these paths alone.

    They keep a series for each path that was ever asked for, 22 KB each: probing random paths would exhaust the memory.
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


def check() -> None:
    """Raise MovedError unless all of it is where it was."""
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
