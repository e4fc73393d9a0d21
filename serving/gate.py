"""The ASGI middleware around the whole service.

It admits a request or refuses it, ends it at its deadline or when its caller has left, stops reading a body that is too large,
brings what BentoML answers by itself (4xx, 5xx) to the one shape of errors, sees that an answer reaches a caller who is still
sending, and writes the request's log line.
"""

import asyncio
import hmac
import re
import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline.errors import (
    BackgroundRemovalError,
    DeadlineExceeded,
    InternalError,
    ShuttingDown,
    Unauthorized,
)
from pipeline.settings import Settings
from serving.body import Body
from serving.connections import Connections
from serving.exchange import Exchange, current
from serving.holdings import Holdings
from serving.incoming import Incoming
from serving.line import Line
from serving.logs import LOGGER
from serving.metrics import OK, Metrics
from serving.reply import Reply, request_id

URL_ROUTE = "/remove-background"
UPLOAD_ROUTE = "/remove-background/upload"

MAX_JSON_BYTES = 64 * 1024
# An upload's body has its file, the form's boundaries and the options.
_FORM_BYTES = 64 * 1024

# Health and metrics are asked every few seconds; their lines would bury the requests'.
_UNLOGGED = frozenset({"/health", "/healthz", "/livez", "/readyz", "/metrics"})


class Gate:
    """Wraps the service's ASGI app. One instance a worker."""

    def __init__(
        self, app: ASGIApp, settings: Settings, line: Line, holdings: Holdings, connections: Connections, metrics: Metrics
    ) -> None:
        self._app = app
        self._line = line
        self._holdings = holdings
        self._connections = connections
        self._metrics = metrics
        self._deadline = settings.deadline
        self._keys = [key.get_secret_value().encode() for key in settings.api_keys]
        self._body_limits = {URL_ROUTE: MAX_JSON_BYTES, UPLOAD_ROUTE: settings.max_source_bytes + _FORM_BYTES}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange()
        token = current.set(exchange)
        incoming = Incoming(receive, Headers(scope=scope))
        reply = Reply(send, exchange, incoming)
        try:
            await self._answer(scope, incoming.receive, reply)
        except BackgroundRemovalError as error:
            await reply.refuse(error)
        except Exception:
            LOGGER.exception("Unhandled exception", extra={"fields": {"request_id": request_id()}})
            await reply.refuse(InternalError())
        finally:
            current.reset(token)
            self._tell(scope, exchange, reply)
        if reply.is_held_open:
            await incoming.drop_the_rest()
            await reply.end()

    async def _answer(self, scope: Scope, receive: Receive, reply: Reply) -> None:
        limit = self._body_limits.get(scope["path"])
        if scope["path"] == "/readyz" and not self._line.is_open:
            raise ShuttingDown
        if limit is None or scope["method"] != "POST":
            await self._app(scope, receive, reply.send)
            return
        self._authorise(Headers(scope=scope))
        timeout = asyncio.timeout(self._deadline)
        with self._line.admit(timeout), self._holdings.open(timeout) as holding:
            current.get().holding = holding
            body = Body(receive, Headers(scope=scope), limit, holding.reserve)
            try:
                async with timeout, body.watching(reply, timeout):
                    reply.expiry = timeout
                    await self._app(scope, body.receive, body.unless_over(reply.send))
            except TimeoutError:
                if reply.status is not None:
                    reply.break_off()
                    self._connections.abort(scope)
                elif not body.is_over:
                    raise (DeadlineExceeded() if self._line.is_open else ShuttingDown()) from None
            finally:
                reply.expiry = None
        if body.fault:
            raise body.fault
        if body.caller_left:
            await reply.abandon()

    def _authorise(self, headers: Headers) -> None:
        if not self._keys:
            return
        bearer = re.fullmatch(r"(?i)bearer +(.*)", headers.get("authorization", ""))
        given = headers.get("x-api-key") or (bearer[1] if bearer else "")
        # Every key is compared, each in constant time, so that nothing can be learnt from how long it took.
        matches = [hmac.compare_digest(given.encode(), key) for key in self._keys]
        if not any(matches):
            raise Unauthorized

    def _tell(self, scope: Scope, exchange: Exchange, reply: Reply) -> None:
        """To the metrics and the log."""
        if scope["method"] == "POST" and scope["path"] in self._body_limits:
            self._metrics.answered(scope["path"], exchange.code or OK)
        if scope["path"] in _UNLOGGED and (reply.status or 500) < 400:
            return
        fields = {
            "request_id": reply.request_id,
            "method": scope["method"],
            "path": scope["path"],
            "status": reply.status,
            "code": exchange.code or OK,
            "milliseconds": round((time.monotonic() - exchange.started) * 1000, 1),
        }
        if exchange.timings:
            # A copy: the work of a caller who has left may still be writing.
            fields["timings"] = {step: round(took, 1) for step, took in exchange.timings.copy().items()}
        LOGGER.info("request", extra={"fields": fields})
