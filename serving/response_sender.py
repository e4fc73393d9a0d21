"""Sends a response in parts, and replaces the bare errors of BentoML and Starlette.

Holds a response open for a client that is still sending its request.
"""

from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import Message, Send

from pipeline.errors import BackgroundRemovalError
from serving.errors import (
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    ShuttingDown,
    UnsupportedMediaType,
)
from serving.project import VERSION
from serving.responses import REQUEST_ID, SERVICE_VERSION, error_response

if TYPE_CHECKING:
    from serving.lifecycle import RequestLifecycle


class RenderError(Protocol):
    """Makes the response to an error, with more headers if they are given."""

    def __call__(
        self, error: BackgroundRemovalError, headers: dict[str, str] | None = None
    ) -> Response:
        """Return the response."""


# A client that reads 32 KB per second takes such a part in 2 s, so it does not count as stalled
# (memory_budget.py).
_PART_BYTES = 64 * 1024

# The errors that replace those of BentoML and Starlette, by status.
_ERRORS: dict[int, type[BackgroundRemovalError]] = {
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.METHOD_NOT_ALLOWED: MethodNotAllowed,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: UnsupportedMediaType,
    HTTPStatus.SERVICE_UNAVAILABLE: ShuttingDown,
}


class ResponseSender:
    """The response of one request."""

    def __init__(self, send: Send, request: "RequestLifecycle") -> None:
        self._send = send
        self._request = request
        self._is_replaced = False
        # The shape of errors: a route may replace it.
        self.render_error: RenderError = error_response
        self.status: int | None = None
        self.is_complete = False
        self.is_held_open = False

    async def send(self, message: Message) -> None:
        """Send a message of the app: its `send`. After an early end, the message is dropped."""
        if self._request.reason is not None or self._is_replaced:
            return
        if message["type"] != "http.response.start":
            await self._send_in_parts(message)
        elif message["status"] >= 400 and self._request.code is None:
            self._is_replaced = True
            await self._replace(message["status"], Headers(raw=message["headers"]))
        else:
            await self._start(message)

    async def send_error(self, error: BackgroundRemovalError) -> None:
        """Send an error instead of the app's response."""
        self._request.code = error.code
        await self._send_whole(self.render_error(error))

    async def end_disconnected(self) -> None:
        """End the response to a client that has disconnected, for the log with nginx's status 499.

        Send a response anyway: BentoML's outer middleware requires one for metrics and spans.
        """
        if self.status is None:
            await self._start({"type": "http.response.start", "status": 499, "headers": []})
            await self._send({"type": "http.response.body", "body": b""})
        self.status = 499

    async def end(self) -> None:
        """End a response that was held open."""
        await self._send({"type": "http.response.body", "body": b""})

    async def _start(self, message: Message) -> None:
        self.status = message["status"]
        headers = MutableHeaders(scope=message)
        headers.setdefault(REQUEST_ID, self._request.request_id)
        headers[SERVICE_VERSION] = VERSION
        if not self._request.body.is_whole:
            # The server would take the unread rest of this request for the next one.
            headers["Connection"] = "close"
        self._request.begin_response()
        await self._send(message)

    async def _send_in_parts(self, message: Message) -> None:
        """Send one part after another; the server would copy all that it cannot send at once.

        While the client is still sending, hold the end back: after it, the server stops reading and
        may close the connection.
        """
        body, more = message.get("body", b""), message.get("more_body", False)
        last = max(0, len(body) - 1) // _PART_BYTES * _PART_BYTES
        for start in range(0, last, _PART_BYTES):
            await self._send(
                {**message, "body": body[start : start + _PART_BYTES], "more_body": True}
            )
            self._request.sent(_PART_BYTES)
        is_held_open = not more and not self._request.body.is_whole
        await self._send({**message, "body": body[last:], "more_body": more or is_held_open})
        self.is_complete, self.is_held_open = not more, is_held_open

    async def _send_whole(self, response: Response) -> None:
        await self._start(
            {
                "type": "http.response.start",
                "status": response.status_code,
                "headers": response.raw_headers,
            }
        )
        await self._send_in_parts({"type": "http.response.body", "body": response.body})

    async def _replace(self, status: int, headers: Headers) -> None:
        # The other 4xx are for a Range header that Starlette cannot parse or satisfy.
        default = InternalError if status >= HTTPStatus.INTERNAL_SERVER_ERROR else InvalidRequest
        error = _ERRORS.get(status, default)()
        self._request.code = error.code
        extra = (
            {"Allow": headers.get("allow", "POST")}
            if status == HTTPStatus.METHOD_NOT_ALLOWED
            else {}
        )
        await self._send_whole(self.render_error(error, extra))
