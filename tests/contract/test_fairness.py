"""Slow clients and slow sources beside honest ones: who is slow pays first, and nobody is starved."""

import asyncio
import contextlib
import re
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from statistics import median

import httpx
import pytest

from tests.support.environment import Record
from tests.support.images import encoded, grainy
from tests.support.serving import Server, assert_error, serve, upload_request

MB = 1_000_000


@pytest.fixture(scope="module")
def shared() -> Iterator[Server]:
    with serve() as server:
        yield server


@pytest.fixture(scope="module")
def large() -> bytes:
    """An image of 18 megapixels, whose cutout is some 14 MB."""
    return encoded(grainy(18), "JPEG", quality=90)


@contextlib.contextmanager
def slow_senders(
    server: Server, count: int, first: int = 1, declared: int = 20 * MB
) -> Iterator[list[socket.socket]]:
    """Clients that declare a whole upload, send its `first` bytes, and then a kilobyte a second."""
    request = upload_request(bytes(declared - 10_000))
    start = request.index(b"\r\n\r\n") + 4 + first
    end = threading.Event()

    def drip(connections: list[socket.socket]) -> None:
        at = start
        while not end.wait(1):
            for connection in connections:
                with contextlib.suppress(OSError):
                    connection.send(request[at : at + 1_000])
            at += 1_000

    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(server.connect(60)) for _ in range(count)]
        for connection in connections:
            connection.sendall(request[:start])
        thread = threading.Thread(target=drip, args=(connections,))
        thread.start()
        try:
            yield connections
        finally:
            end.set()
            thread.join()


@contextlib.contextmanager
def slow_readers(server: Server, image: bytes, count: int) -> Iterator[list[socket.socket]]:
    """Clients that send a whole upload and read nothing of the response."""
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(socket.socket()) for _ in range(count)]
        for connection in connections:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", server.port))
            connection.sendall(upload_request(image))
        yield connections


def seconds(request: Callable[[], httpx.Response], code: str | None = None) -> float:
    """How long a request takes to its answer: the code, or a cutout without one."""
    started = time.monotonic()
    response = request()
    took = time.monotonic() - started
    assert (
        response.status_code,
        None if response.status_code == 200 else response.json()["code"],
    ) == (
        200 if code is None else 422,
        code,
    ), response.text
    return took


def test_a_silent_client_does_not_hold_what_it_declares(shared: Server) -> None:
    with slow_senders(shared, 1):
        time.sleep(0.5)  # it is inside
        assert seconds(lambda: shared.upload(bytes(5 * MB)), "unsupported_image_type") < 5


def test_an_unread_response_does_not_hold_up_the_next(
    shared: Server, large: bytes, photo: bytes
) -> None:
    with slow_readers(shared, large, 1):
        end = time.monotonic() + 20
        while held_bytes(shared) < 12 * MB and time.monotonic() < end:
            time.sleep(0.05)
        assert held_bytes(shared) > 12 * MB
        assert seconds(lambda: shared.upload(photo)) < 3


def test_slow_clients_that_fill_the_service_pay_before_the_honest(photo: bytes) -> None:
    with serve() as server, slow_senders(server, 16, first=100_000) as slow:
        time.sleep(4)
        assert seconds(lambda: server.upload(photo)) < 5
        cut_off = server.logged("code", "client_too_slow")
        assert [line["status"] for line in cut_off] == [
            429
        ]  # one place was needed, and one was taken
        told = [connection for connection in slow if is_readable(connection)]
        assert len(told) == 1
        assert b" 429 " in told[0].recv(100)


def held_bytes(server: Server) -> float:
    """What all requests hold together."""
    (value,) = re.findall(
        r"^background_remover_held_bytes (\S+)$", server.get("/metrics").text, re.MULTILINE
    )
    return float(value)


def is_readable(connection: socket.socket) -> bool:
    connection.settimeout(0.1)
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except TimeoutError:
        return False


def test_slow_clients_that_fill_the_memory_do_so_for_no_longer_than_they_stall(
    shared: Server,
) -> None:
    with slow_senders(shared, 12, first=1_900_000):
        # Those that waited for room themselves have their two seconds once they have it.
        assert seconds(lambda: shared.upload(bytes(5 * MB)), "unsupported_image_type") < 12


def test_a_large_upload_is_not_starved_by_small_ones(shared: Server) -> None:
    """1.5 MB clients without end, each followed by the next."""
    end = threading.Event()

    def small_ones() -> None:
        while not end.is_set():
            shared.upload(bytes(1_500_000))

    threads = [threading.Thread(target=small_ones) for _ in range(12)]
    for thread in threads:
        thread.start()
    try:
        assert seconds(lambda: shared.upload(bytes(19 * MB)), "unsupported_image_type") < 5
    finally:
        end.set()
        for thread in threads:
            thread.join()


@contextlib.asynccontextmanager
async def throttled_source(body: bytes, bytes_per_second: int) -> AsyncIterator[str]:
    """A source whose paths are as slow: /chunked and /length."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            chunked = b"/chunked" in head
            framing = (
                b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)
            )
            # A path's bytes do not wait for their reader in the sender's buffer, as they would on loopback.
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

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("count", [6])
async def test_sources_without_a_length_are_fetched_side_by_side(
    count: int, record_property: Record
) -> None:
    async with throttled_source(bytes(3 * MB), 1_500_000) as source:
        with serve(BGR_ALLOWED_PRIVATE_HOSTS=source.removeprefix("http://")) as server:

            async def fetch(client: httpx.AsyncClient, path: str) -> None:
                response = await client.post(
                    f"{server.url}/remove-background", json={"image_url": source + path}
                )
                assert_error(response, 422, "unsupported_image_type")

            took: dict[str, float] = {}
            async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
                for path in ("/length", "/chunked"):
                    started = time.monotonic()
                    await asyncio.gather(*(fetch(client, path) for _ in range(count)))
                    took[path] = time.monotonic() - started
    record_property(
        "six chunked sources beside each other: times the seconds with a length",
        took["/chunked"] / took["/length"],
    )
    assert took["/chunked"] < 1.2 * took["/length"]


@pytest.mark.slow
def test_an_honest_upload_among_slow_clients(large: bytes, record_property: Record) -> None:
    """Twelve senders of a kilobyte a second and four readers that do not read."""
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
            f"an upload of {name} among 12 slow senders and 4 slow readers: times its seconds alone",
            value,
        )
        assert value < 1.5
