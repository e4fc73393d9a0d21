"""Callers who leave, hang up, or do not read, over real sockets: they cost nothing that others need."""

import asyncio
import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from compat.uvicorn import IDLE_TIMEOUT
from tests.support.faults import faulty_source_in_a_thread
from tests.support.images import encoded, grainy
from tests.support.serving import Server, assert_error, gather, serve, upload_request
from tests.support.source import Source


@pytest.fixture(scope="module")
def large() -> bytes:
    """A picture of 12 megapixels: some tenths of a second of work."""
    return encoded(grainy(12), "JPEG", quality=90)


def test_callers_who_hang_up_do_not_hold_the_stop_back(photo: bytes) -> None:
    request = upload_request(photo)
    with serve() as server:  # its end fails where the service does not stop
        headers = request.index(b"Content-Length")
        for length in (headers, headers + 60, len(request) // 2, len(request), len(request)):
            with server.connect() as connection:
                connection.sendall(request[:length])
                time.sleep(0.05)
        assert len(server.logged("code", "client_left", at_least=3)) >= 3


async def test_a_caller_who_leaves_frees_its_place(
    service: Server, source: Source, photo: bytes
) -> None:
    async def leave(client: httpx.AsyncClient) -> httpx.Response:
        with pytest.raises(httpx.ReadTimeout):
            await client.post(
                f"{service.url}/remove-background",
                json={"image_url": source.url("/slow")},
                timeout=0.5,
            )
        return httpx.Response(499)

    await gather(16, leave)
    await asyncio.sleep(0.3)
    assert service.upload(photo).status_code == 200
    assert service.logged("code", "client_left")


def test_a_caller_who_leaves_while_waiting_costs_no_work(photo: bytes, large: bytes) -> None:
    with serve() as server:
        before = processor_seconds(server.worker())
        assert server.upload(large).status_code == 200
        one = processor_seconds(server.worker()) - before
        first = threading.Thread(target=server.upload, args=(large,))
        first.start()
        with contextlib.ExitStack() as leaving:
            time.sleep(0.1)  # it is at work, and these wait
            for _ in range(10):
                leaving.enter_context(server.connect()).sendall(upload_request(photo))
        first.join()
        left = server.logged("code", "client_left", at_least=10)
        assert len(left) == 10
        assert all(line["timings"].keys() <= {"receive", "wait"} for line in left)
        time.sleep(0.5)
        assert (
            processor_seconds(server.worker()) - before < 3 * one
        )  # two uploads of 12 megapixels, and no inference besides


def processor_seconds(process: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("fault", ["stall_before_headers", "stall_in_body", "drip"])
def test_a_caller_who_leaves_while_downloading_closes_the_source(fault: str) -> None:
    with (
        faulty_source_in_a_thread() as source,
        serve(BGR_ALLOWED_PRIVATE_HOSTS=f"127.0.0.1:{source.port}") as server,
    ):
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(
                f"{server.url}/remove-background",
                json={"image_url": source.url(fault)},
                timeout=0.5,
                trust_env=False,
            )
        assert source.open_connections == {fault} or not source.open_connections
        time.sleep(0.5)
        assert not source.open_connections


def test_a_caller_who_leaves_in_mid_inference_keeps_its_place_until_the_work_has_ended(
    photo: bytes, large: bytes
) -> None:
    with serve(BGR_MAX_WAITING="1") as server:
        assert server.upload(large).status_code == 200
        with server.connect() as connection:
            connection.sendall(upload_request(large))
            time.sleep(0.1)
        assert server.logged("code", "client_left")
        assert_error(server.upload(photo), 429, "busy")
        time.sleep(1)
        assert server.upload(photo).status_code == 200


@pytest.fixture
def slow_readers(large: bytes) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as connections:
        yield [connections.enter_context(socket.socket()) for _ in range(4)]


def test_callers_who_do_not_read_make_way_for_others(
    photo: bytes, large: bytes, slow_readers: list[socket.socket]
) -> None:
    """Their answers are held within the bound; then they are cut off, and the service goes on as if they had never been."""
    with serve() as server:
        for connection in slow_readers:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", server.port))
            connection.sendall(upload_request(large))
        end = time.monotonic() + 20
        while not server.logged("code", "client_too_slow") and time.monotonic() < end:
            assert server.upload(photo).status_code == 200
        assert server.upload(photo).status_code == 200
        assert {line["level"] for line in server.log_lines()} == {"info"}
        assert server.process.poll() is None
    for connection in slow_readers:
        with pytest.raises(ConnectionResetError):  # what was not read is dropped, in the kernel too
            read_to_the_end(connection)


def test_connections_without_a_request_are_dropped(service: Server, photo: bytes) -> None:
    """Nothing sent, half a header, and half a header after a whole request: a server may hold only so many connections."""
    starts = [
        b"",
        b"POST /remove-background HTTP/1.1\r\nHost: x\r\nX-",
        b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /livez HT",
    ]
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(service.connect()) for _ in range(60)]
        for start, connection in zip(starts * 20, idle, strict=True):
            connection.sendall(start)
        started = time.monotonic()
        assert service.upload(photo).status_code == 200
        for connection in idle:
            connection.settimeout(20)
            with contextlib.suppress(ConnectionResetError):  # or closed, where there was a request
                read_to_the_end(connection)
        assert time.monotonic() - started < IDLE_TIMEOUT + 5
    assert service.upload(photo).status_code == 200


def read_to_the_end(connection: socket.socket) -> None:
    while connection.recv(1 << 20):
        pass
