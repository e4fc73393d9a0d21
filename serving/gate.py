"""The ASGI middleware around the whole service.

It admits a request or refuses it, ends it at its deadline or when its caller has left, stops reading a body that is too large,
brings what BentoML answers by itself (4xx, 5xx) to the one shape of errors, sees that an answer reaches a caller who is still
sending, and writes the request's log line.
"""

import asyncio
import contextlib
import hmac
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus

from opentelemetry import trace
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.errors import (
    BackgroundRemovalError,
    DeadlineExceeded,
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    RequestTooLarge,
    ShuttingDown,
    Unauthorized,
)
from pipeline.settings import Settings
from serving.answers import error_response
from serving.connections import Connections
from serving.exchange import Exchange, current
from serving.holdings import Holdings
from serving.line import Line
from serving.logs import LOGGER

URL_ROUTE = "/remove-background"
UPLOAD_ROUTE = "/remove-background/upload"

MAX_JSON_BYTES = 64 * 1024
# An upload's body has its file, the form's boundaries and the options.
_FORM_BYTES = 64 * 1024

# A caller that takes longer than this to read its answer is cut off: until then the answer stays in memory.
WRITE_TIMEOUT = 60.0

_PART_BYTES = 256 * 1024

# What is still coming of an answered request is read for so many seconds and bytes, and dropped. To close a connection with bytes
# unread resets it, and a caller in the midst of sending would never see its answer (RFC 9112, 9.6).
_LINGER_SECONDS = 2.0
_LINGER_BYTES = 40_000_000

REQUEST_ID = "X-BentoML-Request-ID"

# Health and metrics are asked every few seconds; their lines would bury the requests'.
_UNLOGGED = frozenset({"/health", "/healthz", "/livez", "/readyz", "/metrics"})


class Gate:
    """Wraps the service's ASGI app. One instance a worker."""

    def __init__(self, app: ASGIApp, settings: Settings, line: Line, holdings: Holdings, connections: Connections) -> None:
        self._app = app
        self._line = line
        self._holdings = holdings
        self._connections = connections
        self._deadline = settings.deadline
        self._keys = [key.get_secret_value().encode() for key in settings.api_keys]
        self._body_limits = {URL_ROUTE: MAX_JSON_BYTES, UPLOAD_ROUTE: settings.max_source_bytes + _FORM_BYTES}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange()
        token = current.set(exchange)
        incoming = _Incoming(receive, Headers(scope=scope))
        reply = _Reply(send, exchange, incoming)
        try:
            await self._answer(scope, incoming.receive, reply)
        except BackgroundRemovalError as error:
            await reply.refuse(error)
        except Exception:
            LOGGER.exception("Unhandled exception", extra={"fields": {"request_id": _request_id()}})
            await reply.refuse(InternalError())
        finally:
            current.reset(token)
            self._log(scope, exchange, reply)
        if reply.is_held_open:
            await incoming.drop_the_rest()
            await reply.end()

    async def _answer(self, scope: Scope, receive: Receive, reply: "_Reply") -> None:
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
            body = _Body(receive, Headers(scope=scope), limit, holding.reserve)
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

    def _log(self, scope: Scope, exchange: Exchange, reply: "_Reply") -> None:
        if scope["path"] in _UNLOGGED and (reply.status or 500) < 400:
            return
        fields = {
            "request_id": reply.request_id,
            "method": scope["method"],
            "path": scope["path"],
            "status": reply.status,
            "code": exchange.code or "ok",
            "milliseconds": round((time.monotonic() - exchange.started) * 1000, 1),
        }
        if exchange.timings:
            # A copy: the work of a caller who has left may still be writing.
            fields["timings"] = {step: round(took, 1) for step, took in exchange.timings.copy().items()}
        LOGGER.info("request", extra={"fields": fields})


class _Incoming:
    """What the server receives of a request, and whether there may be more of it."""

    def __init__(self, receive: Receive, headers: Headers) -> None:
        self._receive = receive
        # RFC 9112, 6.3: a request with neither has no body.
        self.is_whole = "content-length" not in headers and "transfer-encoding" not in headers

    async def receive(self) -> Message:
        message = await self._receive()
        self.is_whole = not message.get("more_body", False)
        return message

    async def drop_the_rest(self) -> None:
        """Return once the caller has sent all, or has been given the time to see that it need not."""
        dropped = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_SECONDS):
                while not self.is_whole and dropped < _LINGER_BYTES:
                    dropped += len((await self.receive()).get("body", b""))


class _Body:
    """The request's body, counted while it is read; then the caller's presence, watched while the answer is made."""

    def __init__(self, receive: Receive, headers: Headers, limit: int, reserve: Callable[[int], Awaitable[None]]) -> None:
        self._receive = receive
        self._limit = limit
        self._reserve = reserve
        self._read = 0
        self._complete = asyncio.Event()
        self.caller_left = False
        self.fault: BackgroundRemovalError | None = None
        declared = headers.get("content-length", "")
        self._expected = int(declared) if declared.isdecimal() else limit
        if self._expected > limit:
            raise self._too_large()

    async def receive(self) -> Message:
        if self.fault or self._complete.is_set():
            return {"type": "http.disconnect"}
        if not self._read:
            await self._reserve(self._expected)
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.caller_left = True
            return message
        self._read += len(message.get("body", b""))
        if self._read > self._limit:
            # The app is told that the caller has left; the gate answers in its place.
            self.fault = self._too_large()
            return {"type": "http.disconnect"}
        if not message.get("more_body", False):
            self._complete.set()
        return message

    @property
    def is_over(self) -> bool:
        """Whether nobody waits any more for what the app will answer."""
        return self.caller_left or self.fault is not None

    def unless_over(self, send: Send) -> Send:
        """A `send` for the app that is deaf once its answer has no use."""

        async def send_unless_over(message: Message) -> None:
            if not self.is_over:
                await send(message)

        return send_unless_over

    @contextlib.asynccontextmanager
    async def watching(self, reply: "_Reply", expiry: asyncio.Timeout) -> AsyncIterator[None]:
        """While inside, end `expiry` at once when the caller leaves after its body and before its answer is complete."""
        watch = asyncio.ensure_future(self._until_gone(reply, expiry))
        try:
            yield
        finally:
            watch.cancel()

    async def _until_gone(self, reply: "_Reply", expiry: asyncio.Timeout) -> None:
        await self._complete.wait()
        message = await self._receive()
        if message["type"] == "http.disconnect" and not reply.is_complete:
            self.caller_left = True
            expiry.reschedule(asyncio.get_running_loop().time())

    def _too_large(self) -> RequestTooLarge:
        return RequestTooLarge(f"The request's body is larger than {self._limit:,} bytes.")


class _Reply:
    """What goes back: the service's own answers untouched, BentoML's bare errors in our shape."""

    def __init__(self, send: Send, exchange: Exchange, incoming: _Incoming) -> None:
        self._send = send
        self._exchange = exchange
        self._incoming = incoming
        self._replaced = False
        self.status: int | None = None
        self.is_complete = False
        self.is_held_open = False
        self.request_id = ""
        self.expiry: asyncio.Timeout | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if message["status"] >= 400 and self._exchange.code is None:
                self._replaced = True
                await self._replace(message)
                return
            await self._start(message)
            return
        if not self._replaced:
            await self._send_in_parts(message)

    async def _send_in_parts(self, message: Message) -> None:
        """A part at a time, each once the one before has left: the server would copy what it cannot send yet.

        From a caller who is still sending the end is held back: after it the server reads no more, and may close the connection.
        """
        body, more = message.get("body", b""), message.get("more_body", False)
        last = max(0, len(body) - 1) // _PART_BYTES * _PART_BYTES
        for start in range(0, last, _PART_BYTES):
            await self._send({**message, "body": body[start : start + _PART_BYTES], "more_body": True})
        self.is_complete = not more
        self.is_held_open = self.is_complete and not self._incoming.is_whole
        await self._send({**message, "body": body[last:], "more_body": more or self.is_held_open})

    async def end(self) -> None:
        """End an answer that was held open."""
        await self._send({"type": "http.response.body", "body": b""})

    def break_off(self) -> None:
        """The caller reads too slowly: what it has of the answer is all it gets, and its connection is dropped."""
        self._exchange.code = "caller_too_slow"

    async def refuse(self, error: BackgroundRemovalError) -> None:
        """Answer with an error, unless an answer is under way: then the connection is broken off, not ended as if whole."""
        if self.status is not None:
            raise error
        # The request may not have been read to its end, so the connection cannot be used again.
        await self._answer_with(error_response(error, {"Connection": "close"}))

    async def abandon(self) -> None:
        """The caller has left; 499, nginx's status for it, is seen in the log alone.

        An answer is sent to nobody all the same: what stands around the gate, BentoML's metrics and spans, takes each to have one.
        """
        self._exchange.code = "caller_left"
        if self.status is None:
            await self._start({"type": "http.response.start", "status": 499, "headers": []})
            await self._send({"type": "http.response.body", "body": b""})
        self.status = 499

    async def _start(self, message: Message) -> None:
        self.status = message["status"]
        headers = MutableHeaders(scope=message)
        headers.setdefault(REQUEST_ID, _request_id())
        self.request_id = headers[REQUEST_ID]
        if self.expiry is not None:
            self.expiry.reschedule(asyncio.get_running_loop().time() + WRITE_TIMEOUT)
        await self._send(message)

    async def _replace(self, message: Message) -> None:
        status, headers = message["status"], Headers(raw=message["headers"])
        if status == HTTPStatus.NOT_FOUND:
            response = error_response(NotFound())
        elif status == HTTPStatus.METHOD_NOT_ALLOWED:
            response = error_response(MethodNotAllowed(), {"Allow": headers.get("allow", "POST")})
        elif status == HTTPStatus.SERVICE_UNAVAILABLE:
            response = error_response(ShuttingDown())
        elif status < HTTPStatus.INTERNAL_SERVER_ERROR:  # a Range of the page that cannot be read or satisfied
            response = error_response(InvalidRequest())
        else:
            response = error_response(InternalError())
        await self._answer_with(response)

    async def _answer_with(self, response: Response) -> None:
        await self._start({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
        await self._send_in_parts({"type": "http.response.body", "body": response.body})


def _request_id() -> str:
    """The id that BentoML gives the request: its trace span's."""
    return format(trace.get_current_span().get_span_context().span_id, "016x")
