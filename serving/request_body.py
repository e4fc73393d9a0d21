"""Reads the body of a request within its limit, then detects that the client disconnects."""

import asyncio
import contextlib
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.types import Message, Receive

from serving.end_reasons import EndReason
from serving.errors import RequestTooLarge
from serving.tracing import span_context

if TYPE_CHECKING:
    from serving.lifecycle import RequestLifecycle

# After an early response, the rest of the body is read for up to this many seconds and bytes, and
# discarded. Closing a connection with unread bytes resets it, and a client that is still sending
# would never see the response (RFC 9112, 9.6).
_LINGER_SECONDS = 2.0
_LINGER_BYTES = 40_000_000

_DISCONNECT: Message = {"type": "http.disconnect"}


class RequestBody:
    """What the server receives of a request: its body, then the disconnect."""

    def __init__(self, receive: Receive, headers: Headers, request: "RequestLifecycle") -> None:
        self._receive = receive
        self._declared = headers.get("content-length", "")
        self._request = request
        self._limit = 0  # until `allow` raises it
        self._read = 0
        self._watch: asyncio.Task[None] | None = None
        # A request without either header has no body (RFC 9112, 6.3).
        self.is_whole = self._declared in ("", "0") and "transfer-encoding" not in headers

    def allow(self, limit: int) -> None:
        """Let the app read up to `limit` bytes. Raises RequestTooLarge if more are declared."""
        self._limit = limit
        if self._declared.isdecimal() and int(self._declared) > limit:
            raise self._too_large()

    async def receive(self) -> Message:
        """Return the next part of the body when there is memory for it: the app's `receive`."""
        if self._request.reason is not None or self.is_read:
            return _DISCONNECT
        message = await self._next()
        if message["type"] == "http.disconnect":
            self._request.end(EndReason.CLIENT_LEFT)
            return message
        size = len(message.get("body", b""))
        self._read += size
        if self._read > self._limit:
            self._request.end(EndReason.BODY_TOO_LARGE, self._too_large())
            return _DISCONNECT
        if (admission := self._request.admission) is not None:
            await admission.reservation.grow(size)
            if self.is_whole:
                admission.reservation.complete()
                self._watch = asyncio.create_task(self._end_on_disconnect(), context=span_context())
        return message

    @property
    def is_read(self) -> bool:
        """Whether the app has read the whole body."""
        return self._watch is not None

    async def discard_rest(self) -> None:
        """Read and discard the rest of the body, up to a limit of time and bytes."""
        discarded = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_SECONDS):
                while not self.is_whole and discarded < _LINGER_BYTES:
                    discarded += len((await self._next()).get("body", b""))

    def stop_watching(self) -> None:
        """Stop waiting for the client to disconnect."""
        if self._watch is not None:
            self._watch.cancel()

    async def _next(self) -> Message:
        message = await self._receive()
        self.is_whole = not message.get("more_body", False)
        return message

    async def _end_on_disconnect(self) -> None:
        if (await self._receive())["type"] == "http.disconnect":
            self._request.end(EndReason.CLIENT_LEFT)

    def _too_large(self) -> RequestTooLarge:
        return RequestTooLarge(f"The request's body is larger than {self._limit:,} bytes.")
