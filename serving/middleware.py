"""The ASGI middleware around the whole service: it runs each request and writes its log line."""

import time

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.end_reasons import OK
from serving.lifecycle import RequestLifecycle, request_context
from serving.logging import LOGGER, request_id_context
from serving.responses import EXPOSED_HEADERS
from serving.runtime import Runtime

# Health and metrics are asked every few seconds; their lines would bury the requests'.
_UNLOGGED_PATHS = frozenset({"/health", "/healthz", "/livez", "/readyz", "/metrics"})


class RequestMiddleware:
    """Gives each request its lifecycle. One instance a worker.

    What a request may do (keys, body limits, admission, deadline) is not decided here, by its path, but by the endpoint that
    admits it: what reaches no such endpoint can send no body and gets no work done.
    """

    def __init__(self, app: ASGIApp, runtime: Runtime) -> None:
        self._app = app
        self._runtime = runtime

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # nothing here speaks it
            await send({"type": "websocket.close", "code": 1000})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = RequestLifecycle(scope, receive, send, self._runtime)
        # Never reset: the server's own records of this request, after its end, carry its id too.
        request_context.set(request)
        request_id_context.set(request.request_id)
        try:
            await request.run(self._app)
        finally:
            self._record(request)
        await request.linger()

    def _record(self, request: RequestLifecycle) -> None:
        """Count the request, and write its log line."""
        code, path, status = request.code or OK, request.scope["path"], request.response.status
        if request.endpoint is not None:
            self._runtime.metrics.responded(request.endpoint, code)
        if path in _UNLOGGED_PATHS and (status or 500) < 400:
            return
        took = round((time.monotonic() - request.started) * 1000, 1)
        fields = {
            "method": request.scope["method"],
            "path": path,
            "status": status,
            "code": code,
            "milliseconds": took,
        }
        if request.admission is not None:
            # A copy: the work of a client that has left may still be writing.
            fields["timings"] = {
                step: round(took, 1)
                for step, took in request.admission.timer.milliseconds.copy().items()
            }
        LOGGER.info("request", extra={"fields": fields})


def create_middleware(app: ASGIApp, runtime: Runtime) -> ASGIApp:
    """Wrap the service's app: the request's lifecycle, and CORS around it where origins are set."""
    middleware = RequestMiddleware(app, runtime)
    if not runtime.settings.cors_origins:
        return middleware
    return CORSMiddleware(
        middleware,
        allow_origins=runtime.settings.cors_origins,
        allow_methods=("GET", "POST"),
        allow_headers=("*",),
        expose_headers=EXPOSED_HEADERS,
    )
