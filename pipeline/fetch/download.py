"""URL -> bytes, safely: the only file that imports httpx.

network.py judges the addresses of each connection; this file asks, follows redirects and keeps the
limits. The transport is used without httpx's client, so there are no cookies, no proxy, no netrc and
no redirect that is not checked here. A connection serves one request and is closed.
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

# Everything that httpcore, which gives its exceptions no common base, and what it stands on may raise.
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
    """Fetches images for many requests at a time; keeps no state from one to the next.

    A source has at most `max_bytes` bytes and `timeout` seconds, over all hops. `allowed_private_hosts`
    are the (host, port) pairs that need not be public. `resolve` and `tls` are the system's own unless
    a test gives others.
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
        # A look-up cannot be cancelled and outlives its request: glibc may ask three servers twice for 5 s each. With four threads
        # for each download, those of full-length downloads never delay a new one.
        self._lookups = ThreadPoolExecutor(lookup_threads, thread_name_prefix="resolve")
        network = GuardedNetwork(resolve or SystemResolver(self._lookups), allowed_private_hosts)
        self._transport = _Transport(tls or httpx.create_ssl_context(), network)

    async def download(self, url: str, reserve: Reserve) -> bytes:
        """Return the bytes at `url`, at least 0 and at most `max_bytes` of them.

        `reserve(n)` is awaited for each `n` bytes that have arrived, before they are kept; it may wait
        until there is memory for them. Nothing is reserved ahead, and nothing is given back, whatever
        the outcome. Until it returns, nothing more is read of the source and its time stands still.

        Raises InvalidURL, URLNotAllowed, SourceHTTPError, TooManyRedirects, UnsupportedEncoding,
        SourceUnreachable, SourceTooLarge (at once where the source declares its size), SourceTimeout once
        `timeout` seconds have passed over all hops together, and what `reserve` raises.
        """
        source = parse_source_url(url, self._allowed)
        countdown = _Countdown(self._timeout)
        for _ in range(MAX_REDIRECTS + 1):
            answer = await self._get(source, reserve, countdown)
            if isinstance(answer, bytes):
                return answer
            source = follow(source, answer, self._allowed)
        raise TooManyRedirects

    async def close(self) -> None:
        """Wait for no look-up any longer. Connections end with their downloads."""
        self._lookups.shutdown(wait=False, cancel_futures=True)

    async def _get(
        self, source: SourceURL, reserve: Reserve, countdown: "_Countdown"
    ) -> bytes | str:
        """One hop: the image's bytes, or the Location that a redirect names."""
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
                await asyncio.sleep(
                    0
                )  # a source of tiny chunks must not keep the event loop to itself
            if not chunk:
                return body.getvalue()  # CPython shares the buffer with it, and copies nothing
            if body.tell() + len(chunk) > self._max_bytes:
                raise SourceTooLarge(self._max_bytes)
            await reserve(len(chunk))
            body.write(chunk)


class _Countdown:
    """The seconds that a source has. They pass only while `running`.

    One asyncio.Timeout that is stopped and started again would not do: it refuses once it has expired.
    """

    def __init__(self, seconds: float) -> None:
        self._left = seconds

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Let the seconds pass. Raises SourceTimeout when none is left."""
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
    """Make every error of the libraries SourceUnreachable; the contract's own errors pass."""
    try:
        yield
    except _LIBRARY_ERRORS as exc:
        raise SourceUnreachable from exc


class _Transport(httpx.AsyncBaseTransport):
    """A transport for httpx over a network of ours, which httpx's own cannot be given; one connection a request."""

    def __init__(self, tls: ssl.SSLContext, network: httpcore.AsyncNetworkBackend) -> None:
        self._tls = tls
        self._network = network

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request without a body. Raises httpcore's errors, and what the network raises."""
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
    """A response's body as it arrives; closing it closes the connection."""

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
