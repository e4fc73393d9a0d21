"""The network of downloads: resolves a name, checks its addresses, connects.

httpcore calls it for every connection, so neither a redirect nor a name that changes its addresses
between two lookups (DNS rebinding) can bypass the check. The URL stays as it was given, and so do
the Host header and the name in the certificate.
"""

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from itertools import zip_longest
from typing import TypeVar

import httpcore

from pipeline.errors import SourceUnreachable, URLNotAllowed
from pipeline.fetch.addresses import Address, is_public
from pipeline.fetch.read_limit import LimitedStream, ReadLimit
from pipeline.fetch.url import HostPort

# Seconds between two connection attempts (RFC 8305, 5: Connection Attempt Delay).
ATTEMPT_DELAY = 0.25

# A name may have hundreds of addresses, and each attempt holds a socket.
_MAX_ATTEMPTS = 8

_READ_BYTES = 64 * 1024

_Result = TypeVar("_Result")

Resolver = Callable[[str, int], Awaitable[Sequence[Address]]]


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """TCP to public addresses, and to the (host, port) pairs in `allowed_private_hosts`."""

    def __init__(self, resolve: Resolver, allowed_private_hosts: Collection[HostPort]) -> None:
        self._resolve = resolve
        self._allowed = allowed_private_hosts

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> LimitedStream:
        """Resolve `host` once, unless it is an address, and connect to one of its addresses.

        The last three parameters are part of httpcore's interface and ignored: downloads are
        cancelled when they take too long.

        Raises URLNotAllowed if any address is not public, SourceUnreachable if there is none or no
        connection succeeds.
        """
        addresses = await self._addresses(host, port)
        if (host, port) not in self._allowed and not all(map(is_public, addresses)):
            raise URLNotAllowed
        return LimitedStream(SocketStream(await connect_to_first(addresses, port)), ReadLimit())

    async def _addresses(self, host: str, port: int) -> Sequence[Address]:
        try:
            return [ip_address(host)]
        except ValueError:
            return await self._resolve(host, port)


class SystemResolver:
    """Resolves names with the system's resolver, in `threads`, because it blocks."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._threads = threads

    async def __call__(self, host: str, port: int) -> Sequence[Address]:
        """Return the addresses of `host`, at least one, in the system's order (RFC 6724).

        Raises SourceUnreachable if there is none.
        """
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, _resolve_blocking, host, port)
        except (OSError, UnicodeError) as exc:
            raise SourceUnreachable("The source's host name could not be resolved.") from exc


def _resolve_blocking(host: str, port: int) -> Sequence[Address]:
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(answer[4][0]) for answer in answers]


async def connect_to_first(addresses: Sequence[Address], port: int) -> socket.socket:
    """Connect to the first address that accepts (RFC 8305, Happy Eyeballs Version 2).

    The next attempt starts ATTEMPT_DELAY seconds after the last one, or when one fails. The first
    connection wins; the other attempts are cancelled and their sockets closed. There is no timeout.

    Raises SourceUnreachable if every attempt fails.
    """
    waiting = deque(interleave(addresses)[:_MAX_ATTEMPTS])
    racing: set[asyncio.Task[socket.socket]] = set()
    failure: OSError | None = None
    try:
        while waiting or racing:
            if waiting:
                racing.add(asyncio.create_task(_connect(waiting.popleft(), port)))
            delay = ATTEMPT_DELAY if waiting else None
            ended, _ = await asyncio.wait(
                racing, timeout=delay, return_when=asyncio.FIRST_COMPLETED
            )
            for attempt in ended:
                racing.discard(attempt)
                try:
                    return attempt.result()
                except OSError as exc:
                    failure = exc
        raise SourceUnreachable from failure
    finally:
        # Await nothing here: a cancellation during an await would leak the winning socket.
        for attempt in racing:
            attempt.cancel()
            attempt.add_done_callback(_close_unused)


def interleave(addresses: Sequence[Address]) -> list[Address]:
    """Alternate the address families, beginning with the first one's (RFC 8305, 4)."""
    versions = dict.fromkeys(address.version for address in addresses)
    families = (
        [address for address in addresses if address.version == version] for version in versions
    )
    return [address for turn in zip_longest(*families) for address in turn if address is not None]


async def _connect(address: Address, port: int) -> socket.socket:
    connection = socket.socket(
        socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM
    )
    try:
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, (str(address), port))
    except BaseException:
        connection.close()
        raise
    return connection


def _close_unused(attempt: asyncio.Task[socket.socket]) -> None:
    # The attempt may have connected at the moment when another one won.
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().close()


class SocketStream(httpcore.AsyncNetworkStream):
    """A connected socket, without a read buffer: it reads only what is requested.

    The timeouts are part of httpcore's interface and ignored. Raises OSError.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return at least one byte, or none at the end."""
        await asyncio.sleep(0)  # a socket that always has bytes would monopolize the event loop
        return await asyncio.get_running_loop().sock_recv(self._socket, max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of `buffer`."""
        await asyncio.get_running_loop().sock_sendall(self._socket, buffer)

    async def aclose(self) -> None:
        """Close the connection before returning."""
        self._socket.close()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Return this connection, encrypted. The certificate must be valid for `server_hostname`.

        Raises OSError (ssl.SSLError is one) and closes the connection.
        """
        try:
            stream = _TLSStream(self, ssl_context, server_hostname)
            await stream.handshake()
        except BaseException:
            await self.aclose()
            raise
        return stream

    def get_extra_info(self, info: str) -> object:
        """Return None: httpcore needs to know nothing about a plain connection."""
        return None


class _TLSStream(httpcore.AsyncNetworkStream):
    """TLS over a stream, through two buffers in memory.

    Reference: https://docs.python.org/3/library/ssl.html#memory-bio-support. asyncio's own TLS may
    close its socket long after `aclose`.
    """

    def __init__(
        self, stream: SocketStream, ssl_context: ssl.SSLContext, server_hostname: str | None
    ) -> None:
        self._stream = stream
        self._received, self._to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = ssl_context.wrap_bio(
            self._received, self._to_send, server_hostname=server_hostname
        )

    async def handshake(self) -> None:
        """Perform the handshake and verify the certificate."""
        await self._run(self._tls.do_handshake)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            return await self._run(lambda: self._tls.read(max_bytes))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""  # many servers omit close_notify; HTTP knows whether the body is complete

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if buffer:
            await self._run(lambda: self._tls.write(buffer))

    async def aclose(self) -> None:
        await self._stream.aclose()

    def get_extra_info(self, info: str) -> object:
        return self._tls if info == "ssl_object" else None

    async def _run(self, step: Callable[[], _Result]) -> _Result:
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                await self._send()
                received = await self._stream.read(_READ_BYTES)
                if received:
                    self._received.write(received)
                else:
                    self._received.write_eof()
            else:
                await self._send()
                return result

    async def _send(self) -> None:
        await self._stream.write(self._to_send.read())
