import asyncio
import contextlib
import itertools
import json
import random
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import h11
import httpcore
import httpx
import pytest
import trustme

from pipeline.errors import (
    BackgroundRemovalError,
    SourceHTTPError,
    SourceTimeout,
    SourceTooLarge,
    SourceUnreachable,
    TooManyRedirects,
    UnsupportedEncoding,
    URLNotAllowed,
)
from pipeline.fetch.addresses import Address
from pipeline.fetch.download import Downloader
from pipeline.fetch.network import SocketStream
from tests.support.environment import no_limit
from tests.support.serving import free_port
from tests.support.source import Source


def downloader(**options: Any) -> Downloader:
    return Downloader(**{"max_bytes": 20_000_000, "timeout": 2, **options})


@pytest.fixture
def fetch(source: Source) -> Callable[..., Awaitable[bytes]]:
    """Fetch a path of `source` through a downloader with the given options."""

    async def fetch_path(path: str, **options: Any) -> bytes:
        fetching = downloader(allowed_private_hosts=[("127.0.0.1", source.port)], **options)
        try:
            return await fetching.download(source.url(path), no_limit)
        finally:
            await fetching.close()

    return fetch_path


async def test_returns_the_bytes_and_asks_as_it_promises(
    fetch: Any, source: Source, photo: bytes
) -> None:
    assert await fetch("/photo.jpg?token=1") == photo
    path, headers = source.requests[-1]
    assert path == "/photo.jpg?token=1"
    assert headers["Host"] == f"127.0.0.1:{source.port}"
    assert headers["Accept-Encoding"] == "identity"
    assert "Cookie" not in headers


async def test_no_cookie_proxy_or_netrc(
    fetch: Any, source: Source, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    await fetch("/to?/photo.jpg")  # its redirect sets a cookie
    _, headers = source.requests[-1]
    assert not {"Cookie", "Authorization"} & headers.keys()


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/status/404", SourceHTTPError),
        ("/status/204", SourceHTTPError),
        ("/status/206", SourceHTTPError),
        ("/status/304", SourceHTTPError),
        ("/status/503", SourceUnreachable),
        ("/gzip", UnsupportedEncoding),
        ("/short", SourceUnreachable),
        ("/redirect/4", TooManyRedirects),
        ("/to?http://10.0.0.1/", URLNotAllowed),
        ("/to?http://localhost/", URLNotAllowed),
        ("/slow", SourceTimeout),
        ("/drip", SourceTimeout),
    ],
)
async def test_faults(fetch: Any, path: str, error: type[BackgroundRemovalError]) -> None:
    with pytest.raises(error):
        await fetch(path, timeout=1)


async def test_the_source_status_is_told(fetch: Any) -> None:
    with pytest.raises(SourceHTTPError) as caught:
        await fetch("/status/403")
    assert caught.value.body["status"] == 403


async def test_three_redirects_are_followed(fetch: Any, photo: bytes) -> None:
    assert await fetch("/redirect/3") == photo


async def test_the_byte_limit_holds_declared_or_not(fetch: Any, photo: bytes) -> None:
    assert await fetch("/photo.jpg", max_bytes=len(photo)) == photo
    for path in ("/photo.jpg", "/endless"):
        with pytest.raises(SourceTooLarge):
            await fetch(path, max_bytes=len(photo) - 1)


async def test_nobody_listens() -> None:
    port = free_port()
    with pytest.raises(SourceUnreachable):
        await downloader(allowed_private_hosts=[("127.0.0.1", port)]).download(
            f"http://127.0.0.1:{port}/", no_limit
        )


@pytest.fixture
def connects(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Record every connection that the process tries to make; none leaves the machine."""
    made: list[Any] = []

    async def record(self: Any, sock: socket.socket, address: Any) -> None:
        made.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_connect", record)
    return iter([made])


def answering(*rounds: Sequence[str]) -> Any:
    """A resolver that gives each round's addresses in turn, and the last for ever."""
    left = list(rounds)

    async def resolve(host: str, port: int) -> Sequence[Address]:
        return [ip_address(address) for address in (left.pop(0) if len(left) > 1 else left[0])]

    return resolve


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["1.1.1.1", "10.0.0.1"],
        ["10.0.0.1", "1.1.1.1"],
        ["169.254.169.254"],
        ["::1"],
        ["2606:4700::1", "::ffff:1.1.1.1"],
    ],
)
async def test_a_name_with_any_address_that_is_not_public_is_never_connected_to(
    addresses: list[str], connects: Any
) -> None:
    made = next(connects)
    for url in ("http://127.0.0.1.nip.io/x.png", "https://images.stylespire.com/x.png"):
        with pytest.raises(URLNotAllowed):
            await downloader(resolve=answering(addresses)).download(url, no_limit)
    assert made == []


async def test_the_connection_goes_to_the_checked_addresses_in_turn(connects: Any) -> None:
    made = next(connects)
    # The second look-up would be private: it must never be made.
    resolve = answering(["1.1.1.1", "1.0.0.1"], ["127.0.0.1"])
    with pytest.raises(SourceUnreachable):
        await downloader(resolve=resolve).download("http://images.stylespire.com/x.png", no_limit)
    assert [address[0] for address in made] == ["1.1.1.1", "1.0.0.1"]


async def test_outside_table(data: Path, connects: Any) -> None:
    """Every URL has its verdict, with a resolver that tells the truth of each; a refused one is never connected to."""
    made = next(connects)
    rows = json.loads((data / "ssrf" / "urls.json").read_text())
    wrong = []
    for row in rows:
        made.clear()
        addresses = ["10.0.0.1"] if row["group"] == "dns-stub" else ["1.1.1.1"]
        try:
            await downloader(resolve=answering(addresses)).download(row["url"], no_limit)
            verdict = "answered"
        except SourceUnreachable:
            verdict = "allowed"  # it went as far as connecting, and the recorder refused
        except BackgroundRemovalError as error:
            verdict = error.code
        if verdict != row["expect"] or bool(made) != (verdict == "allowed"):
            wrong.append((row["url"], row["expect"], verdict, list(made)))
    assert rows
    assert not wrong


async def test_a_name_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "no such host")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(SourceUnreachable):
        await downloader().download("http://nowhere.stylespire.com/", no_limit)


async def test_closing_waits_for_no_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answer = threading.Event(), threading.Event()

    def look_up(*_: object, **__: object) -> list[object]:
        asked.set()
        answer.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    fetching = downloader(lookup_threads=1)
    downloads = [
        asyncio.ensure_future(fetching.download("http://images.stylespire.com/", no_limit))
        for _ in range(2)
    ]
    await asyncio.to_thread(asked.wait, 10)
    await fetching.close()
    assert not answer.is_set()
    with pytest.raises(asyncio.CancelledError):  # it had no thread yet, and gets none
        await downloads[1]
    answer.set()
    with pytest.raises(SourceUnreachable):
        await downloads[0]


LIBRARY_ERRORS = [
    error
    for library in (httpcore, httpx, h11)
    for error in vars(library).values()
    if isinstance(error, type)
    and issubclass(error, Exception)
    and error is not httpx.CookieConflict  # there are no cookies
]


class Answering:
    """A server on loopback, and a network in which it stands at every address.

    Each connection gets the next of `answers` to its first bytes up to `separator`; where there is none, it is kept waiting.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.connects: list[str] = []
        self.sockets: list[
            socket.socket
        ] = []  # kept here, they are closed by the download alone, and not as garbage
        self.requests: list[bytes] = []
        self.answers: list[bytes] = []
        self.separator = b"\r\n\r\n"
        self._patch = monkeypatch

    async def start(self, tls: ssl.SSLContext | None = None) -> asyncio.Server:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0, ssl=tls)
        here, connect = server.sockets[0].getsockname(), asyncio.SelectorEventLoop.sock_connect

        async def connect_here(loop: Any, sock: socket.socket, address: Any) -> None:
            self.connects.append(address[0])
            self.sockets.append(sock)
            await connect(loop, sock, here)

        self._patch.setattr(asyncio.SelectorEventLoop, "sock_connect", connect_here)
        return server

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            self.requests.append(await reader.readuntil(self.separator))
            if self.answers:
                writer.write(self.answers.pop(0))
                await writer.drain()
            else:
                await reader.read()
        writer.close()


@pytest.fixture
def answering_server(monkeypatch: pytest.MonkeyPatch) -> Answering:
    return Answering(monkeypatch)


async def test_a_redirect_to_the_same_name_is_looked_up_and_judged_again(
    answering_server: Answering,
) -> None:
    answering_server.answers = [
        b"HTTP/1.1 302 X\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n"
    ] * 2
    resolve = answering(["1.1.1.1"], ["1.0.0.1"], ["127.0.0.1"])
    async with await answering_server.start():
        with pytest.raises(URLNotAllowed):
            await downloader(resolve=resolve).download(
                "http://images.stylespire.com/x.png", no_limit
            )
    assert answering_server.connects == ["1.1.1.1", "1.0.0.1"]
    assert [request.split(b" ")[1] for request in answering_server.requests] == [
        b"/x.png",
        b"/again",
    ]


@pytest.mark.parametrize("certified", ["images.stylespire.com", "other.stylespire.com", "1.1.1.1"])
async def test_tls_keeps_the_name_though_the_connection_goes_to_an_address(
    certified: str, answering_server: Answering
) -> None:
    authority = trustme.CA()
    server_tls, client_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert(certified).configure_cert(server_tls)
    authority.configure_trust(client_tls)
    asked = []
    server_tls.sni_callback = lambda _, name, __: asked.append(name)
    body = random.Random(4).randbytes(1_000_000)
    answering_server.answers = [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body]
    download = downloader(resolve=answering(["1.1.1.1"]), tls=client_tls).download(
        "https://images.stylespire.com/x", no_limit
    )
    async with await answering_server.start(server_tls):
        if certified == "images.stylespire.com":
            assert await download == body
            assert b"\r\nHost: images.stylespire.com\r\n" in answering_server.requests[0]
        else:
            with pytest.raises(SourceUnreachable) as caught:
                await download
            assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)
            assert answering_server.requests == []
    assert asked == ["images.stylespire.com"]
    assert answering_server.connects == ["1.1.1.1"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", SourceUnreachable),
        (b"HTTP/1.1 400 X\r\n\r\n", SourceUnreachable),
        (None, SourceTimeout),
    ],
)
async def test_a_handshake_that_fails_ends_and_closes_the_connection(
    answer: bytes | None, error: type[Exception], answering_server: Answering
) -> None:
    answering_server.separator = b"\x16"  # the first byte of TLS: a handshake
    answering_server.answers = [] if answer is None else [answer]
    async with await answering_server.start():
        with pytest.raises(error):
            await downloader(resolve=answering(["1.1.1.1"]), timeout=0.3).download(
                "https://images.stylespire.com/x", no_limit
            )
        assert [sock.fileno() for sock in answering_server.sockets] == [-1]


async def test_a_download_that_is_given_up_at_any_step_leaves_no_socket(
    answering_server: Answering,
) -> None:
    """Cancelled after one more turn of the event loop each time, until it is faster than its end."""
    fetching = downloader(resolve=answering(["1.1.1.1"]))
    async with await answering_server.start():
        for turns in itertools.count(1):
            answering_server.answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nall"]
            download = asyncio.ensure_future(
                fetching.download("http://images.stylespire.com/x", no_limit)
            )
            for _ in range(turns):
                await asyncio.sleep(0)
            download.cancel()
            await asyncio.wait([download])
            assert all(sock.fileno() == -1 for sock in answering_server.sockets), turns
            if not download.cancelled():
                break
    assert download.result() == b"all"
    assert len(answering_server.sockets) > 5


@pytest.mark.parametrize("error", LIBRARY_ERRORS)
async def test_no_exception_of_a_library_gets_out(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise raised

    raised = error.__new__(error, "secret address 10.0.0.1")
    monkeypatch.setattr(httpcore.AsyncHTTPConnection, "handle_async_request", fail)
    with pytest.raises(SourceUnreachable) as caught:
        await downloader(resolve=answering(["1.1.1.1"])).download(
            "http://images.stylespire.com/x.png", no_limit
        )
    assert caught.value.__cause__ is raised
    assert "10.0.0.1" not in str(caught.value.body)


@pytest.mark.parametrize(
    "error", [*LIBRARY_ERRORS, ssl.SSLError, ConnectionResetError, TimeoutError]
)
async def test_no_exception_of_a_library_gets_out_of_a_body(
    error: type[Exception], answering_server: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, raised = SocketStream.read, error.__new__(error)

    async def fail_after_the_headers(
        stream: SocketStream, max_bytes: int, timeout: float | None = None
    ) -> bytes:
        data = await read(stream, max_bytes, timeout)
        if not data:
            raise raised
        return data

    monkeypatch.setattr(SocketStream, "read", fail_after_the_headers)
    answering_server.answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx"]
    async with await answering_server.start():
        with pytest.raises(SourceUnreachable) as caught:
            await downloader(resolve=answering(["1.1.1.1"])).download(
                "http://images.stylespire.com/x.png", no_limit
            )
    assert caught.value.__cause__ is raised


async def test_a_defect_is_not_taken_for_the_sources_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(host: str, port: int) -> Sequence[Address]:
        raise KeyError(host)

    with pytest.raises(KeyError):
        await downloader(resolve=resolve).download("http://images.stylespire.com/x.png", no_limit)
