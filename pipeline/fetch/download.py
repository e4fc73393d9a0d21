"""URL -> bytes. The only module that imports httpx.

`network.py` checks the addresses of each connection. This module sends the request, follows
redirects and enforces the limits. It uses a transport without httpx's client, so there are no
cookies, no proxies, no netrc and no unchecked redirects. A connection serves one request.
"""

import asyncio
import io
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager

import h11
import httpcore
import httpx

from pipeline.errors import (
    SourceHTTPError,
    SourceTimeout,
    SourceTooLarge,
    SourceUnreachable,
    TooManyRedirects,
    UnsupportedEncoding,
)
from pipeline.fetch.network import GuardedNetwork, Resolver, SystemResolver
from pipeline.fetch.read_limit import LimitedStream
from pipeline.fetch.url import HostPort, SourceURL, follow, parse_source_url

MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})

# All exceptions of httpcore, which have no common base class, and of the libraries below it.
_LIBRARY_ERRORS = (
    httpcore.ConnectionNotAvailable,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.TimeoutException,
    httpcore.UnsupportedProtocol,
    httpx.HTTPError,
    httpx.InvalidURL,
    httpx.StreamError,
    h11.ProtocolError,
    OSError,  # sockets' errors, and TLS's: ssl.SSLError
)

Reserve = Callable[[int], Awaitable[None]]


class Downloader:
    """Fetches images for many requests concurrently. Keeps no state between them.

    A source may have `max_bytes` bytes and take `timeout` seconds over all hops. The (host, port)
    pairs in `allowed_private_hosts` need not be public. Tests replace `resolve` and `tls`.
    """

    def __init__(
        self,
        *,
        max_bytes: int,
        timeout: float,
        allowed_private_hosts: Collection[HostPort] = (),
        lookup_threads: int = 64,
        resolve: Resolver | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._max_bytes = max_bytes
        self._timeout = timeout
        self._allowed = allowed_private_hosts
        # A lookup cannot be cancelled and outlives its request: glibc may ask three servers twice,
        # for 5 s each. Four threads per concurrent download keep such lookups from delaying others.
        self._lookups = ThreadPoolExecutor(lookup_threads, thread_name_prefix="resolve")
        network = GuardedNetwork(resolve or SystemResolver(self._lookups), allowed_private_hosts)
        self._transport = _Transport(tls or httpx.create_ssl_context(), network)

    async def download(self, url: str, reserve: Reserve) -> bytes:
        """Return the bytes at `url`, 0 to `max_bytes` of them.

        `reserve(n)` is awaited when `n` bytes have arrived, before they are kept. It may wait for
        memory: meanwhile nothing is read, and the timeout stands still. Nothing is reserved in
        advance, and nothing is released here.

        Raises InvalidURL, URLNotAllowed, SourceHTTPError, TooManyRedirects, UnsupportedEncoding,
        SourceUnreachable, SourceTooLarge (at once if the source declares its size), SourceTimeout,
        and what `reserve` raises.
        """
        source = parse_source_url(url, self._allowed)
        countdown = _Countdown(self._timeout)
        for _ in range(MAX_REDIRECTS + 1):
            found = await self._get(source, reserve, countdown)
            if isinstance(found, bytes):
                return found
            source = follow(source, found, self._allowed)
        raise TooManyRedirects

    async def close(self) -> None:
        """Abandon pending lookups. Connections end with their downloads."""
        self._lookups.shutdown(wait=False, cancel_futures=True)

    async def _get(
        self, source: SourceURL, reserve: Reserve, countdown: "_Countdown"
    ) -> bytes | str:
        """Request one hop. Return the image's bytes, or the Location of a redirect."""
        async with countdown.running():
            with _translated():
                response = await self._transport.handle_async_request(_request(source))
        try:
            location: str | None = response.headers.get("location")
            if response.status_code in _REDIRECTS and location is not None:
                return location
            if response.status_code >= 500:
                raise SourceUnreachable(f"The source failed with status {response.status_code}.")
            if response.status_code != 200:
                raise SourceHTTPError(response.status_code)
            if response.headers.get("content-encoding", "identity").strip().lower() not in (
                "",
                "identity",
            ):
                raise UnsupportedEncoding
            return await self._read(response, reserve, countdown)
        finally:
            await response.aclose()

    async def _read(
        self, response: httpx.Response, reserve: Reserve, countdown: "_Countdown"
    ) -> bytes:
        declared = response.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > self._max_bytes:
            raise SourceTooLarge(self._max_bytes)
        stream: LimitedStream = response.extensions["network_stream"]
        stream.read_limit.start_body(self._max_bytes)
        body, chunks = io.BytesIO(), response.aiter_raw()
        while True:
            async with countdown.running():
                with _translated():
                    chunk = await anext(chunks, b"")
                await asyncio.sleep(0)  # tiny chunks must not monopolize the loop
            if not chunk:
                return body.getvalue()  # CPython shares the buffer and copies nothing
            if body.tell() + len(chunk) > self._max_bytes:
                raise SourceTooLarge(self._max_bytes)
            await reserve(len(chunk))
            body.write(chunk)


class _Countdown:
    """The seconds that a source may take. They pass only while `running`.

    A single asyncio.Timeout cannot be stopped and started again: it refuses after it has expired.
    """

    def __init__(self, seconds: float) -> None:
        self._left = seconds

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Let the seconds pass. Raises SourceTimeout when none are left."""
        if self._left <= 0:
            raise SourceTimeout
        now = asyncio.get_running_loop().time
        started = now()
        try:
            async with asyncio.timeout(self._left):
                yield
        except TimeoutError as exc:
            raise SourceTimeout from exc
        self._left -= now() - started


@contextmanager
def _translated() -> Iterator[None]:
    """Translate every error of the libraries to SourceUnreachable. Our own errors pass."""
    try:
        yield
    except _LIBRARY_ERRORS as exc:
        raise SourceUnreachable from exc


class _Transport(httpx.AsyncBaseTransport):
    """A transport for httpx over our network, which httpx's own does not accept.

    It opens one connection per request.
    """

    def __init__(self, tls: ssl.SSLContext, network: httpcore.AsyncNetworkBackend) -> None:
        self._tls = tls
        self._network = network

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request without a body. Raises what httpcore and the network raise."""
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        connection = httpcore.AsyncHTTPConnection(
            url.origin, self._tls, network_backend=self._network
        )
        try:
            response = await connection.handle_async_request(
                httpcore.Request(request.method, url, headers=request.headers.raw)
            )
        except BaseException:
            await connection.aclose()
            raise
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Body(response, connection),
            extensions=response.extensions,
        )


class _Body(httpx.AsyncByteStream):
    """The body of a response. Closing it closes the connection."""

    def __init__(
        self, response: httpcore.Response, connection: httpcore.AsyncHTTPConnection
    ) -> None:
        self._response = response
        self._connection = connection

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._response.aiter_stream():
            yield chunk

    async def aclose(self) -> None:
        await self._connection.aclose()


def _request(source: SourceURL) -> httpx.Request:
    return httpx.Request(
        "GET",
        httpx.URL(
            scheme=source.scheme,
            host=source.host,
            port=source.port,
            raw_path=source.target.encode(),
        ),
        headers={
            "User-Agent": "background-remover",
            "Accept": "image/*",
            "Accept-Encoding": "identity",
            "Connection": "close",
        },
    )
