"""Refuses requests to a full queue before BentoML spends time on them.

BentoML's spans, metrics and routes take longer than the refusal itself. At ten times the capacity
most requests are refused, and that time is taken from the requests that are processed. A request
refused here has its log line and is counted in the service's own metrics, but has no span and is
not in BentoML's metrics.
"""

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Receive, Scope, Send

from serving.lifecycle import Admission, RequestLifecycle, request_context
from serving.middleware import create_middleware

if TYPE_CHECKING:
    from serving.runtime import Runtime

# Admits a request to an endpoint, or raises the error that it gets.
Admit = Callable[[RequestLifecycle], Admission]


class EarlyRefusal:
    """An ASGI app for the requests that `takes` accepts. There is one instance per worker."""

    def __init__(self, runtime: "Runtime", endpoints: Mapping[str, Admit]) -> None:
        """Refuse requests to the paths in `endpoints` with what their `Admit` raises."""
        self._runtime = runtime
        self._endpoints = endpoints

    def takes(self, scope: Scope) -> bool:
        """Return whether the queue would refuse the request."""
        return (
            scope["type"] == "http"
            and scope["method"] == "POST"
            and scope["path"] in self._endpoints
            and self._runtime.queue.is_full
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    @functools.cached_property
    def _app(self) -> ASGIApp:
        # Not in __init__, where a wrong setting would be a traceback of the import of service.py.
        return create_middleware(self._refuse, self._runtime)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._endpoints[scope["path"]](request_context.get())
