"""Every exception of the HTTP libraries becomes SourceUnreachable; a defect of ours does not."""

import ssl
from collections.abc import Sequence

import h11
import httpcore
import httpx
import pytest

from pipeline.errors import SourceUnreachable
from pipeline.fetch.addresses import Address
from pipeline.fetch.network import SocketStream
from tests.support.environment import no_limit
from tests.unit.loopback import IMAGE_URL, LoopbackServer, downloader, resolving

LIBRARY_ERRORS = [
    error
    for library in (httpcore, httpx, h11)
    for error in vars(library).values()
    if isinstance(error, type)
    and issubclass(error, Exception)
    and error is not httpx.CookieConflict  # cookies are not used
]


def test_the_list_of_exceptions_is_not_empty() -> None:
    assert len(LIBRARY_ERRORS) > 40


@pytest.mark.parametrize("error", LIBRARY_ERRORS)
async def test_an_exception_of_a_library_is_translated(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise raised

    raised = error.__new__(error, "secret address 10.0.0.1")
    monkeypatch.setattr(httpcore.AsyncHTTPConnection, "handle_async_request", fail)
    with pytest.raises(SourceUnreachable) as caught:
        await downloader(resolve=resolving(["1.1.1.1"])).download(IMAGE_URL, no_limit)
    assert caught.value.__cause__ is raised
    assert "10.0.0.1" not in str(caught.value.body)


@pytest.mark.parametrize(
    "error", [*LIBRARY_ERRORS, ssl.SSLError, ConnectionResetError, TimeoutError]
)
async def test_an_exception_while_the_body_is_read_is_translated(
    error: type[Exception], loopback_server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
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
    loopback_server.responses = [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx"]
    async with await loopback_server.start():
        with pytest.raises(SourceUnreachable) as caught:
            await downloader(resolve=resolving(["1.1.1.1"])).download(IMAGE_URL, no_limit)
    assert caught.value.__cause__ is raised


async def test_a_defect_of_ours_is_not_translated(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(host: str, port: int) -> Sequence[Address]:
        raise KeyError(host)

    with pytest.raises(KeyError):
        await downloader(resolve=resolve).download(IMAGE_URL, no_limit)
