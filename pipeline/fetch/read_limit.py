"""Limits how many bytes are read from a source's connection.

httpx bounds neither headers nor framing: a source may send interim responses (1xx) or chunk
extensions forever. The limit counts status lines, headers, chunk sizes and trailers as well as the
body.
"""

import ssl

import httpcore

from pipeline.errors import SourceTooLarge, SourceUnreachable

# The limit before a response's body. Servers accept 8 to 64 KB of headers from their own clients.
HEADER_BYTES = 64 * 1024


class ReadLimit:
    """The bytes that one connection may still deliver: HEADER_BYTES, then `limit` with the body."""

    def __init__(self) -> None:
        self._left = HEADER_BYTES
        self._limit: int | None = None

    def start_body(self, limit: int) -> None:
        """Allow `limit` more bytes."""
        self._left += limit
        self._limit = limit

    def clamp(self, wanted: int) -> int:
        """Return how many of `wanted` bytes may be read, at least one.

        Raises SourceUnreachable if the limit is reached before the body, SourceTooLarge within it.
        """
        if self._left:
            return min(wanted, self._left)
        if self._limit is None:
            raise SourceUnreachable(
                f"The source sent more than {HEADER_BYTES:,} bytes before the image."
            )
        raise SourceTooLarge(self._limit)

    def count(self, size: int) -> None:
        """Subtract `size` bytes that were read."""
        self._left -= size


class LimitedStream(httpcore.AsyncNetworkStream):
    """A connection that is read no further than its limit."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, read_limit: ReadLimit) -> None:
        self._stream = stream
        self.read_limit = read_limit

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return at least one byte, or none at the end. Raises what ReadLimit.clamp raises."""
        data = await self._stream.read(self.read_limit.clamp(max_bytes), timeout)
        self.read_limit.count(len(data))
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of `buffer`."""
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> "LimitedStream":
        """Return this connection, encrypted. The limit then counts decrypted bytes."""
        stream = await self._stream.start_tls(ssl_context, server_hostname, timeout)
        return LimitedStream(stream, self.read_limit)

    def get_extra_info(self, info: str) -> object:
        """Return what the underlying connection knows about `info`."""
        return self._stream.get_extra_info(info)
