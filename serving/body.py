"""A request's body, counted while it is read; then its caller, watched while the answer is made."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Send

from pipeline.errors import BackgroundRemovalError, RequestTooLarge
from serving.reply import Reply


class Body:
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
    async def watching(self, reply: Reply, expiry: asyncio.Timeout) -> AsyncIterator[None]:
        """While inside, end `expiry` at once when the caller leaves after its body and before its answer is complete."""
        watch = asyncio.ensure_future(self._until_gone(reply, expiry))
        try:
            yield
        finally:
            watch.cancel()

    async def _until_gone(self, reply: Reply, expiry: asyncio.Timeout) -> None:
        await self._complete.wait()
        message = await self._receive()
        if message["type"] == "http.disconnect" and not reply.is_complete:
            self.caller_left = True
            expiry.reschedule(asyncio.get_running_loop().time())

    def _too_large(self) -> RequestTooLarge:
        return RequestTooLarge(f"The request's body is larger than {self._limit:,} bytes.")
