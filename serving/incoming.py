"""What the server receives of a request, down to what is still coming once it is answered."""

import asyncio
import contextlib

from starlette.datastructures import Headers
from starlette.types import Message, Receive

# What is still coming of an answered request is read for so many seconds and bytes, and dropped. To close a connection with bytes
# unread resets it, and a caller in the midst of sending would never see its answer (RFC 9112, 9.6).
_LINGER_SECONDS = 2.0
_LINGER_BYTES = 40_000_000


class Incoming:
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
