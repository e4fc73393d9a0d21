"""URL -> bytes, safely: the only file that imports httpx.

The guard stands where the connection is made. Each hop's host is resolved once, every answer must be public, and the connection
goes to one of those very addresses while TLS and the Host header keep the name; a second look-up that answers otherwise
(DNS rebinding) has no part in it. The transport is used without httpx's client, so there are no cookies, no proxy, no netrc and
no redirect that was not checked here.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

import httpcore
import httpx

from pipeline.addresses import Address, is_public
from pipeline.errors import (
    SourceHTTPError,
    SourceTimeout,
    SourceTooLarge,
    SourceUnreachable,
    TooManyRedirects,
    UnsupportedEncoding,
    URLNotAllowed,
)
from pipeline.metering import MeteredNetwork, MeteredStream, ReadTooMuch
from pipeline.urls import HostPort, SourceURL, follow, parse_source_url

MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})

Reserve = Callable[[int], Awaitable[None]]
Resolver = Callable[[str, int], Awaitable[Sequence[Address]]]


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
        # A look-up cannot be cancelled and outlives its request: glibc may ask three servers twice for 5 s each, and a
        # download has 10. With four threads for each download, abandoned look-ups never delay a new one.
        self._resolve = resolve or SystemResolver(lookup_threads)
        self._transport = _Transport(tls or httpx.create_ssl_context())

    async def download(self, url: str, reserve: Reserve) -> bytes:
        """Return the bytes at `url`, at least 0 and at most `max_bytes` of them.

        `reserve` is awaited with the size that the source declares, or else with the most it may have, before its body is read.

        Raises InvalidURL, URLNotAllowed, SourceHTTPError, TooManyRedirects, SourceTooLarge, UnsupportedEncoding,
        SourceUnreachable, or SourceTimeout once `timeout` seconds have passed over all hops together, without those that
        `reserve` took.
        """
        source = parse_source_url(url, self._allowed)
        try:
            async with asyncio.timeout(self._timeout) as timeout:
                for _ in range(MAX_REDIRECTS + 1):
                    answer = await self._get(source, _untimed(reserve, timeout))
                    if isinstance(answer, bytes):
                        return answer
                    source = follow(source, answer, self._allowed)
        except TimeoutError as exc:
            raise SourceTimeout from exc
        raise TooManyRedirects

    async def close(self) -> None:
        """Close every connection."""
        await self._transport.aclose()

    async def _get(self, source: SourceURL, reserve: Reserve) -> bytes | str:
        """One hop: the picture's bytes, or the Location that a redirect names."""
        response = await self._connect(source)
        try:
            location: str | None = response.headers.get("location")
            if response.status_code in _REDIRECTS and location is not None:
                return location
            if response.status_code >= 500:
                raise SourceUnreachable(f"The source failed with status {response.status_code}.")
            if response.status_code != 200:
                raise SourceHTTPError(response.status_code)
            if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
                raise UnsupportedEncoding
            return await self._read(response, reserve)
        finally:
            await response.aclose()

    async def _connect(self, source: SourceURL) -> httpx.Response:
        addresses = await self._checked_addresses(source)
        for last, address in zip([False] * (len(addresses) - 1) + [True], addresses, strict=True):
            try:
                return await self._transport.handle_async_request(_request(source, address))
            except (httpx.ConnectError, httpx.ConnectTimeout) as exc:
                if last:
                    raise SourceUnreachable from exc
            except (httpx.TransportError, httpx.InvalidURL, ssl.SSLError, ReadTooMuch) as exc:
                raise SourceUnreachable from exc
        raise SourceUnreachable

    async def _checked_addresses(self, source: SourceURL) -> Sequence[Address]:
        if source.address is not None:
            return [source.address]  # parse_source_url has judged it
        addresses = await self._resolve(source.host, source.port)
        if (source.host, source.port) not in self._allowed and not all(map(is_public, addresses)):
            raise URLNotAllowed
        return addresses

    async def _read(self, response: httpx.Response, reserve: Reserve) -> bytes:
        limit = self._max_bytes
        declared = response.headers.get("content-length", "")
        expected = int(declared) if declared.isdecimal() else limit
        if expected > limit:
            raise SourceTooLarge(limit)
        await reserve(expected)
        stream: MeteredStream = response.extensions["network_stream"]
        stream.meter.left += limit
        body = bytearray()
        try:
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > limit:
                    raise SourceTooLarge(limit)
                await asyncio.sleep(0)  # a source of tiny chunks must not keep the event loop to itself
        except ReadTooMuch as exc:
            raise SourceTooLarge(limit) from exc
        except httpx.TransportError as exc:
            raise SourceUnreachable from exc
        return bytes(body)


def _untimed(reserve: Reserve, timeout: asyncio.Timeout) -> Reserve:
    """`reserve`, while which the timeout stands still: the source must not answer for the memory that others hold."""

    async def reserve_untimed(size: int) -> None:
        now, when = asyncio.get_running_loop().time, timeout.when()
        assert when is not None
        left = when - now()
        timeout.reschedule(None)
        await reserve(size)
        timeout.reschedule(now() + left)

    return reserve_untimed


class _Transport(httpx.AsyncHTTPTransport):
    """httpx's transport over a network that counts; httpx takes no network of its caller's, its pool does."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        super().__init__(verify=tls, trust_env=False)
        # Nothing is kept alive: a pooled connection belongs to an address, and another name may share it.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls, max_connections=None, max_keepalive_connections=0, network_backend=MeteredNetwork()
        )


class SystemResolver:
    """Looks names up as the system does, in threads of its own so that slow name servers delay nobody else."""

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="resolve")

    async def __call__(self, host: str, port: int) -> Sequence[Address]:
        """Return every address of `host`, in the system's order of preference; at least one.

        Raises SourceUnreachable if there is none.
        """
        loop = asyncio.get_running_loop()
        try:
            answers = await loop.run_in_executor(self._threads, _look_up, host, port)
        except (OSError, UnicodeError) as exc:
            raise SourceUnreachable("The source's host name could not be resolved.") from exc
        return answers


def _look_up(host: str, port: int) -> Sequence[Address]:
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(answer[4][0]) for answer in answers]


def _request(source: SourceURL, address: Address) -> httpx.Request:
    return httpx.Request(
        "GET",
        httpx.URL(scheme=source.scheme, host=str(address), port=source.port, raw_path=source.target.encode()),
        headers={
            "Host": source.netloc,
            "User-Agent": "background-remover",
            "Accept": "image/*",
            "Accept-Encoding": "identity",
            "Connection": "close",
        },
        # TLS asks for, and checks the certificate of, the name and not the address. One bound on each address's connection
        # leaves time for the next; every other wait ends with the deadline over the whole download.
        extensions={"sni_hostname": source.host, "timeout": {"connect": 4.0}},
    )
