"""An answer on its way out: sent in parts, BentoML's bare errors in our shape, held open for a caller who is still sending."""

import asyncio
from http import HTTPStatus

from opentelemetry import trace
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import Message, Send

from pipeline.errors import BackgroundRemovalError, InternalError, InvalidRequest, MethodNotAllowed, NotFound, ShuttingDown
from serving.answers import error_response
from serving.exchange import Exchange
from serving.incoming import Incoming
from serving.metrics import CALLER_LEFT, CALLER_TOO_SLOW

# A caller that takes longer than this to read its answer is cut off: until then the answer stays in memory.
WRITE_TIMEOUT = 60.0

_PART_BYTES = 256 * 1024

REQUEST_ID = "X-BentoML-Request-ID"


class Reply:
    """What goes back: the service's own answers untouched, BentoML's bare errors in our shape."""

    def __init__(self, send: Send, exchange: Exchange, incoming: Incoming) -> None:
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
        self._exchange.code = CALLER_TOO_SLOW

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
        self._exchange.code = CALLER_LEFT
        if self.status is None:
            await self._start({"type": "http.response.start", "status": 499, "headers": []})
            await self._send({"type": "http.response.body", "body": b""})
        self.status = 499

    async def _start(self, message: Message) -> None:
        self.status = message["status"]
        headers = MutableHeaders(scope=message)
        headers.setdefault(REQUEST_ID, request_id())
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
        elif status < HTTPStatus.INTERNAL_SERVER_ERROR:  # a Range of a static file that cannot be read or satisfied
            response = error_response(InvalidRequest())
        else:
            response = error_response(InternalError())
        await self._answer_with(response)

    async def _answer_with(self, response: Response) -> None:
        await self._start({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
        await self._send_in_parts({"type": "http.response.body", "body": response.body})


def request_id() -> str:
    """The id that BentoML gives the request: its trace span's."""
    return format(trace.get_current_span().get_span_context().span_id, "016x")
