"""A network whose connections count what is read from them: status lines, headers, chunk sizes and trailers as well as bodies.

httpx bounds none of these: a source may send interim answers (1xx) or the extensions of chunks for ever.
"""

import ssl
from collections.abc import Iterable

import httpcore

# Before a response's headers are complete; servers refuse more than 8 to 64 KB of their own callers.
HEADER_BYTES = 64 * 1024


class ReadTooMuch(Exception):
    """A source sent more than it may."""


class Meter:
    """How many bytes may still be read from one connection."""

    def __init__(self) -> None:
        self.left = HEADER_BYTES


class MeteredStream(httpcore.AsyncNetworkStream):
    """A connection that is read up to its meter's end and no further. Raises ReadTooMuch."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, meter: Meter) -> None:
        self._stream = stream
        self.meter = meter

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return at least a byte, or none at the connection's end."""
        if not self.meter.left:
            raise ReadTooMuch
        data = await self._stream.read(min(max_bytes, self.meter.left), timeout)
        self.meter.left -= len(data)
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


class MeteredNetwork(httpcore.AsyncNetworkBackend):
    """TCP as httpcore's own, with a meter on each connection."""

    def __init__(self) -> None:
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> MeteredStream:
        """Connect. Raises httpcore's ConnectError and ConnectTimeout."""
        return MeteredStream(await self._network.connect_tcp(host, port, timeout, local_address, socket_options), Meter())
