"""Slow clients and slow sources beside others: the slow ones are evicted, and none is starved."""

import asyncio
import contextlib
import re
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from statistics import median

import httpx
import pytest

from tests.support.environment import Record
from tests.support.images import encoded, grainy
from tests.support.serving import URL, Server, assert_error, serve
from tests.support.slow_clients import MB, slow_readers, slow_senders
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def large() -> bytes:
    """Return an image of 18 megapixels, whose cutout is some 14 MB."""
    return encoded(grainy(18), "JPEG", quality=90)


def seconds(request: Callable[[], httpx.Response], code: str | None = None) -> float:
    """Return the time until the response, which must be an error with `code` or a cutout."""
    started = time.monotonic()
    response = request()
    took = time.monotonic() - started
    if code is None:
        assert response.status_code == 200, response.text
    else:
        assert_error(response, 422, code)
    return took


def test_a_silent_client_does_not_hold_what_it_declares(default_service: Server) -> None:
    with slow_senders(default_service, 1):
        time.sleep(0.5)  # the upload is active
        assert seconds(lambda: default_service.upload(bytes(5 * MB)), "unsupported_image_type") < 5


def test_an_unread_response_does_not_hold_up_the_next(
    default_service: Server, large: bytes, photo: bytes
) -> None:
    with slow_readers(default_service, large, 1):
        assert wait_until(lambda: held_bytes(default_service) > 12 * MB, seconds=20)
        assert seconds(lambda: default_service.upload(photo)) < 3


def test_one_of_the_slow_clients_that_fill_the_service_is_evicted(
    default_service: Server, photo: bytes
) -> None:
    seen = len(default_service.log_lines())
    with slow_senders(default_service, 16, first=100_000) as slow:
        time.sleep(4)
        assert seconds(lambda: default_service.upload(photo)) < 5
        evicted = default_service.logged("code", "client_too_slow", after=seen)
        assert [line["status"] for line in evicted] == [429]
        told = [connection for connection in slow if is_readable(connection)]
        assert len(told) == 1
        assert b" 429 " in told[0].recv(100)


def held_bytes(server: Server) -> float:
    """Return the bytes that all requests hold."""
    (value,) = re.findall(
        r"^background_remover_held_bytes (\S+)$", server.get("/metrics").text, re.MULTILINE
    )
    return float(value)


def is_readable(connection: socket.socket) -> bool:
    """Return whether the service has sent something."""
    connection.settimeout(0.1)
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except TimeoutError:
        return False


@pytest.mark.parametrize("count", [9, pytest.param(12, marks=pytest.mark.slow)])
def test_slow_clients_that_fill_the_memory_are_evicted_once_they_stall(
    default_service: Server, count: int
) -> None:
    """Eight fit into the memory; those that wait for memory may stall for 2 s once they have it."""
    with slow_senders(default_service, count, first=1_900_000):
        assert seconds(lambda: default_service.upload(bytes(5 * MB)), "unsupported_image_type") < 12


def test_a_large_upload_is_not_starved_by_small_ones(default_service: Server) -> None:
    """Twelve clients send uploads of 1.5 MB, one after another."""
    end = threading.Event()

    def small_ones() -> None:
        while not end.is_set():
            default_service.upload(bytes(1_500_000))

    threads = [threading.Thread(target=small_ones) for _ in range(12)]
    for thread in threads:
        thread.start()
    try:
        assert seconds(lambda: default_service.upload(bytes(19 * MB)), "unsupported_image_type") < 5
    finally:
        end.set()
        for thread in threads:
            thread.join()


@contextlib.asynccontextmanager
async def throttled_source(body: bytes, bytes_per_second: int) -> AsyncIterator[str]:
    """Serve a body at a given speed, at /chunked and at /length."""

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            chunked = b"/chunked" in head
            framing = (
                b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)
            )
            # Without this, the sender's buffers would hold much of the body, unlike on a network.
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32_768)
            writer.transport.set_write_buffer_limits(high=0)
            writer.write(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n")
            step = 30_000
            for at in range(0, len(body), step):
                part = body[at : at + step]
                writer.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
                await writer.drain()
                await asyncio.sleep(step / bytes_per_second)
            writer.write(b"0\r\n\r\n" if chunked else b"")
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(respond, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.slow
async def test_sources_without_a_length_are_fetched_side_by_side(record_property: Record) -> None:
    async with throttled_source(bytes(3 * MB), 1_500_000) as source:
        with serve(BGR_ALLOWED_PRIVATE_HOSTS=source.removeprefix("http://")) as server:

            async def fetch(client: httpx.AsyncClient, path: str) -> None:
                response = await client.post(server.url + URL, json={"image_url": source + path})
                assert_error(response, 422, "unsupported_image_type")

            took: dict[str, float] = {}
            async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
                for path in ("/length", "/chunked"):
                    started = time.monotonic()
                    await asyncio.gather(*(fetch(client, path) for _ in range(6)))
                    took[path] = time.monotonic() - started
    record_property(
        "six chunked sources beside each other: times the seconds with a length",
        took["/chunked"] / took["/length"],
    )
    assert took["/chunked"] < 1.2 * took["/length"]


@pytest.mark.slow
def test_slow_clients_delay_an_upload_by_half_at_most(
    large: bytes, record_property: Record
) -> None:
    """Twelve clients send 1 KB/s, and four do not read."""
    with serve() as server:
        alone = median(
            seconds(lambda: server.upload(bytes(5 * MB)), "unsupported_image_type")
            for _ in range(5)
        )
        alone_photo = median(seconds(lambda: server.upload(large)) for _ in range(3))
        with slow_readers(server, large, 4), slow_senders(server, 12):
            time.sleep(8)
            among = [
                seconds(lambda: server.upload(bytes(5 * MB)), "unsupported_image_type")
                for _ in range(5)
            ]
            among_photo = [seconds(lambda: server.upload(large)) for _ in range(3)]
    for name, value in (
        ("5 MB", median(among) / alone),
        ("18 megapixels", median(among_photo) / alone_photo),
    ):
        record_property(
            f"an upload of {name} among 16 slow clients: times its seconds alone",
            value,
        )
        assert value < 1.5
