"""Connections that count what is read from them: status lines, headers, chunk sizes and trailers as well as bodies.

httpx bounds none of these: a source may send interim responses (1xx) or extensions of chunks for ever.
"""

import ssl

import httpcore

from pipeline.errors import SourceTooLarge, SourceUnreachable

# Before a response's headers are complete; servers refuse more than 8 to 64 KB of their own clients.
HEADER_BYTES = 64 * 1024


class Meter:
    """How many bytes may still be read from one connection: HEADER_BYTES before the body, `limit` more with it."""

    def __init__(self) -> None:
        self._left = HEADER_BYTES
        self._limit: int | None = None

    def start_body(self, limit: int) -> None:
        """Allow `limit` bytes more."""
        self._left += limit
        self._limit = limit

    def room(self, wanted: int) -> int:
        """Return how many of `wanted` bytes may be read, at least one.

        Raises SourceUnreachable if there is no room before the body, SourceTooLarge if there is none in it.
        """
        if self._left:
            return min(wanted, self._left)
        if self._limit is None:
            raise SourceUnreachable(f"The source sent more than {HEADER_BYTES:,} bytes before the image.")
        raise SourceTooLarge(self._limit)

    def count(self, size: int) -> None:
        """Take `size` bytes that were read from what is left."""
        self._left -= size


class MeteredStream(httpcore.AsyncNetworkStream):
    """A connection that is read up to its meter's end and no further."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, meter: Meter) -> None:
        self._stream = stream
        self.meter = meter

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return at least a byte, or none at the connection's end. Raises what Meter.room raises."""
        data = await self._stream.read(self.meter.room(max_bytes), timeout)
        self.meter.count(len(data))
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of `buffer`."""
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> "MeteredStream":
        """The same connection, encrypted; what is read from it counts decrypted."""
        return MeteredStream(await self._stream.start_tls(ssl_context, server_hostname, timeout), self.meter)

    def get_extra_info(self, info: str) -> object:
        """What the connection says of itself."""
        return self._stream.get_extra_info(info)
