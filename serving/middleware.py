"""The ASGI middleware around the whole service: runs each request and writes its log line."""

import time

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.end_reasons import OK
from serving.lifecycle import RequestLifecycle, request_context
from serving.logging import LOGGER, request_id_context
from serving.project import VERSION
from serving.removebg.results import RATE_LIMIT_HEADERS, RESULT_HEADERS
from serving.responses import EXPOSED_HEADERS, SERVICE_VERSION
from serving.runtime import Runtime

# Probes and scrapes come every few seconds; their log lines would bury the others.
_UNLOGGED_PATHS = frozenset({"/health", "/healthz", "/livez", "/readyz", "/metrics"})


class RequestMiddleware:
    """Starts the lifecycle of each request. There is one instance per worker.

    Keys, body limits, admission and deadline do not depend on the path here: the endpoint that
    admits the request decides them. A request that reaches no such endpoint cannot send a body.
    """

    def __init__(self, app: ASGIApp, runtime: Runtime) -> None:
        self._app = app
        self._runtime = runtime

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # the service has none
            await send({"type": "websocket.close", "code": 1000})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = RequestLifecycle(scope, receive, send, self._runtime)
        # Never reset, so that the server's log records after the request's end have its id too.
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
            self._runtime.metrics.count_request(request.endpoint, code)
        if path in _UNLOGGED_PATHS and (status or 500) < 400:
            return
        duration = round((time.monotonic() - request.started) * 1000, 1)
        fields = {
            "method": request.scope["method"],
            "path": path,
            "status": status,
            "code": code,
            "milliseconds": duration,
        }
        if request.admission is not None:
            # A copy: work that goes on after the end of its request may still write.
            timings = request.admission.timer.milliseconds.copy()
            fields["timings"] = {step: round(ms, 1) for step, ms in timings.items()}
        LOGGER.info("request", extra={"fields": fields})


def create_middleware(app: ASGIApp, runtime: Runtime) -> ASGIApp:
    """Wrap the service's app in RequestMiddleware, and in CORS if origins are configured."""
    middleware = RequestMiddleware(app, runtime)
    if not runtime.settings.cors_origins:
        return middleware
    cors = CORSMiddleware(
        middleware,
        allow_origins=runtime.settings.cors_origins,
        allow_methods=("GET", "POST"),
        allow_headers=("*",),
        expose_headers=(*EXPOSED_HEADERS, *RESULT_HEADERS, *RATE_LIMIT_HEADERS),
    )
    # Preflight requests get their response here and never reach RequestMiddleware.
    cors.preflight_headers[SERVICE_VERSION] = VERSION
    return cors
