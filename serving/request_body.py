"""A request's body, counted while it is read; then its client, watched while the response is made."""

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

# What is still coming of a request that has its response is read for so many seconds and bytes, and dropped. To close a connection
# with bytes unread resets it, and a client in the midst of sending would never see its response (RFC 9112, 9.6).
_LINGER_SECONDS = 2.0
_LINGER_BYTES = 40_000_000

_DISCONNECT: Message = {"type": "http.disconnect"}


class RequestBody:
    """What the server receives of a request."""

    def __init__(self, receive: Receive, headers: Headers, request: "RequestLifecycle") -> None:
        self._receive = receive
        self._declared = headers.get("content-length", "")
        self._request = request
        self._limit = 0  # until an endpoint allows more
        self._read = 0
        self._watch: asyncio.Task[None] | None = None
        # RFC 9112, 6.3: a request with neither has no body.
        self.is_whole = self._declared in ("", "0") and "transfer-encoding" not in headers

    def allow(self, limit: int) -> None:
        """Let the app read up to `limit` bytes. Raises RequestTooLarge if more are declared."""
        self._limit = limit
        if self._declared.isdecimal() and int(self._declared) > limit:
            raise self._too_large()

    async def receive(self) -> Message:
        """The app's `receive`: the body's next part, once there is room for it."""
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
                self._watch = asyncio.create_task(
                    self._end_when_the_client_leaves(), context=span_context()
                )
        return message

    @property
    def is_read(self) -> bool:
        """Whether the app has read all of it."""
        return self._watch is not None

    async def drop_the_rest(self) -> None:
        """Return once the client has sent all, or has had the time to see that it need not."""
        dropped = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_SECONDS):
                while not self.is_whole and dropped < _LINGER_BYTES:
                    dropped += len((await self._next()).get("body", b""))

    def stop_watching(self) -> None:
        """The client may leave now."""
        if self._watch is not None:
            self._watch.cancel()

    async def _next(self) -> Message:
        message = await self._receive()
        self.is_whole = not message.get("more_body", False)
        return message

    async def _end_when_the_client_leaves(self) -> None:
        if (await self._receive())["type"] == "http.disconnect":
            self._request.end(EndReason.CLIENT_LEFT)

    def _too_large(self) -> RequestTooLarge:
        return RequestTooLarge(f"The request's body is larger than {self._limit:,} bytes.")
