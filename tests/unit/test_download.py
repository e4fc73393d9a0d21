"""Downloads from a real server on loopback: limits, redirects, faults, and what is sent."""

import asyncio
import itertools
import socket
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

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
from pipeline.fetch.download import MAX_REDIRECTS
from tests.support.environment import no_limit
from tests.support.serving import free_port
from tests.support.source import Source
from tests.unit.loopback import LoopbackServer, downloader, resolving


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


async def test_the_bytes_are_returned_and_the_request_is_plain(
    fetch: Any, source: Source, photo: bytes
) -> None:
    assert await fetch("/photo.jpg?token=1") == photo
    path, headers = source.requests[-1]
    assert path == "/photo.jpg?token=1"
    assert headers["Host"] == f"127.0.0.1:{source.port}"
    assert headers["Accept-Encoding"] == "identity"
    assert "Cookie" not in headers


async def test_cookies_proxies_and_netrc_are_ignored(
    fetch: Any, source: Source, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
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
        ("/to?http://10.0.0.1/", URLNotAllowed),
        ("/to?http://localhost/", URLNotAllowed),
        ("/slow", SourceTimeout),
        ("/drip", SourceTimeout),
    ],
)
async def test_a_fault_of_the_source_has_its_error(
    fetch: Any, path: str, error: type[BackgroundRemovalError]
) -> None:
    with pytest.raises(error):
        await fetch(path, timeout=1)


async def test_the_status_of_the_source_is_reported(fetch: Any) -> None:
    with pytest.raises(SourceHTTPError) as caught:
        await fetch("/status/403")
    assert caught.value.body["status"] == 403


async def test_three_redirects_are_followed_and_no_more(fetch: Any, photo: bytes) -> None:
    assert MAX_REDIRECTS == 3
    assert await fetch(f"/redirect/{MAX_REDIRECTS}") == photo
    with pytest.raises(TooManyRedirects):
        await fetch(f"/redirect/{MAX_REDIRECTS + 1}")


async def test_the_byte_limit_applies_with_and_without_a_declared_size(
    fetch: Any, photo: bytes
) -> None:
    assert await fetch("/photo.jpg", max_bytes=len(photo)) == photo
    for path in ("/photo.jpg", "/endless"):
        with pytest.raises(SourceTooLarge):
            await fetch(path, max_bytes=len(photo) - 1)


async def test_a_closed_port_is_unreachable() -> None:
    port = free_port()
    with pytest.raises(SourceUnreachable):
        await downloader(allowed_private_hosts=[("127.0.0.1", port)]).download(
            f"http://127.0.0.1:{port}/", no_limit
        )


async def test_a_name_that_does_not_exist_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "no such host")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(SourceUnreachable):
        await downloader().download("http://nowhere.stylespire.com/", no_limit)


async def test_closing_does_not_wait_for_look_ups(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, release = threading.Event(), threading.Event()

    def look_up(*_: object, **__: object) -> list[object]:
        asked.set()
        release.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    fetching = downloader(lookup_threads=1)
    downloads = [
        asyncio.ensure_future(fetching.download("http://images.stylespire.com/", no_limit))
        for _ in range(2)
    ]
    await asyncio.to_thread(asked.wait, 10)
    await fetching.close()
    assert not release.is_set()
    with pytest.raises(asyncio.CancelledError):  # it had no thread yet
        await downloads[1]
    release.set()
    with pytest.raises(SourceUnreachable):
        await downloads[0]


async def test_a_download_cancelled_at_any_step_leaves_no_socket(
    loopback_server: LoopbackServer,
) -> None:
    """Cancel after 1, 2, 3... turns of the event loop, until the download ends first."""
    fetching = downloader(resolve=resolving(["1.1.1.1"]))
    async with await loopback_server.start():
        for turns in itertools.count(1):
            loopback_server.responses = [b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nall"]
            download = asyncio.ensure_future(
                fetching.download("http://images.stylespire.com/x", no_limit)
            )
            for _ in range(turns):
                await asyncio.sleep(0)
            download.cancel()
            await asyncio.wait([download])
            assert all(sock.fileno() == -1 for sock in loopback_server.sockets), turns
            if not download.cancelled():
                break
    assert download.result() == b"all"
    assert len(loopback_server.sockets) > 5
