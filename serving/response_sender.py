"""A response on its way out: sent in parts, BentoML's bare errors in our shape, held open for a client that is still sending."""

from http import HTTPStatus
from typing import TYPE_CHECKING

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
from serving.responses import REQUEST_ID, error_response

if TYPE_CHECKING:
    from serving.lifecycle import RequestLifecycle

# So small that a client which reads 32 KB a second is not taken for one that has stalled (memory_budget.py).
_PART_BYTES = 64 * 1024

# What BentoML and Starlette answer by themselves, in our shape.
_ERRORS: dict[int, type[BackgroundRemovalError]] = {
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.METHOD_NOT_ALLOWED: MethodNotAllowed,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: UnsupportedMediaType,
    HTTPStatus.SERVICE_UNAVAILABLE: ShuttingDown,
}


class ResponseSender:
    """What goes back: the service's own responses untouched, BentoML's bare errors in our shape."""

    def __init__(self, send: Send, request: "RequestLifecycle") -> None:
        self._send = send
        self._request = request
        self._is_replaced = False
        self.status: int | None = None
        self.is_complete = False
        self.is_held_open = False

    async def send(self, message: Message) -> None:
        """The app's `send`. Nothing is sent any more once a reason has ended the request."""
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
        """Send an error instead of what the app would have sent."""
        self._request.code = error.code
        await self._send_whole(error_response(error))

    async def send_to_nobody(self) -> None:
        """End the response to a client that has left; 499, nginx's status for it, is seen in the log alone.

        A response is sent all the same: BentoML's metrics and spans, outside this middleware, require one.
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
        if not self._request.body.is_whole:
            headers["Connection"] = (
                "close"  # what was not read of the request would be taken for the next one
            )
        self._request.begin_response()
        await self._send(message)

    async def _send_in_parts(self, message: Message) -> None:
        """A part at a time, each once the one before has left: the server would copy what it cannot send yet.

        While the client is still sending, the end is held back: after it the server reads no more, and may close the connection.
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
        # Any other 4xx is a Range of a static file that cannot be read or satisfied.
        default = InternalError if status >= HTTPStatus.INTERNAL_SERVER_ERROR else InvalidRequest
        error = _ERRORS.get(status, default)()
        self._request.code = error.code
        extra = (
            {"Allow": headers.get("allow", "POST")}
            if status == HTTPStatus.METHOD_NOT_ALLOWED
            else {}
        )
        await self._send_whole(error_response(error, extra))
