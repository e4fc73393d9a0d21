"""Clients that disconnect, or do not read, cost nothing that other clients need."""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.faults import FaultySource, faulty_source_in_a_thread
from tests.support.images import encoded, grainy
from tests.support.raw_http import read_to_the_end, upload_request
from tests.support.serving import URL, Server, assert_error, send_at_once, serve
from tests.support.slow_clients import slow_readers
from tests.support.source import Source
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def large() -> bytes:
    """Return an image of 12 megapixels: some tenths of a second of work."""
    return encoded(grainy(12), "JPEG", quality=90)


@pytest.fixture(scope="module")
def faults() -> Iterator[FaultySource]:
    """Serve the faults."""
    with faulty_source_in_a_thread() as source:
        yield source


@pytest.fixture(scope="module")
def one_place(faults: FaultySource) -> Iterator[Server]:
    """Serve one request at a time, from `faults` too."""
    allowed = f"127.0.0.1:{faults.port}"
    with serve(BGR_ALLOWED_PRIVATE_HOSTS=allowed, BGR_MAX_WAITING="1") as server:
        yield server


@pytest.mark.slow
def test_clients_that_hang_up_do_not_delay_the_stop(photo: bytes) -> None:
    request = upload_request(photo)
    with serve() as server:  # raises at the end if the service does not stop
        headers = request.index(b"Content-Length")
        for length in (headers, headers + 60, len(request) // 2, len(request), len(request)):
            with server.connect() as connection:
                connection.sendall(request[:length])
                time.sleep(0.05)
        assert len(server.logged("code", "client_left", at_least=3)) >= 3


async def test_clients_that_leave_free_their_places(
    service: Server, source: Source, photo: bytes
) -> None:
    async def leave(client: httpx.AsyncClient) -> httpx.Response:
        with pytest.raises(httpx.ReadTimeout):
            await client.post(
                service.url + URL, json={"image_url": source.url("/slow")}, timeout=0.5
            )
        return httpx.Response(499)

    await send_at_once(16, leave)
    await asyncio.sleep(0.3)
    assert service.upload(photo).status_code == 200
    assert service.logged("code", "client_left")


def test_clients_that_leave_while_waiting_cost_no_work(
    default_service: Server, photo: bytes, large: bytes
) -> None:
    server, worker = default_service, default_service.worker()
    seen, before = len(server.log_lines()), processor_seconds(worker)
    assert server.upload(large).status_code == 200
    one = processor_seconds(worker) - before
    first = threading.Thread(target=server.upload, args=(large,))
    first.start()
    with contextlib.ExitStack() as leaving:
        time.sleep(0.1)  # the first one runs, and these wait
        for _ in range(10):
            leaving.enter_context(server.connect()).sendall(upload_request(photo))
    first.join()
    left = server.logged("code", "client_left", at_least=10, after=seen)
    assert len(left) == 10
    assert all(line["timings"].keys() <= {"receive", "wait"} for line in left)
    time.sleep(0.5)
    # Two uploads of 12 megapixels, and no inference for the clients that left.
    assert processor_seconds(worker) - before < 3 * one


def processor_seconds(process: int) -> float:
    """Return the user and system time of a process."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("fault", ["stall_before_headers", "stall_in_body", "drip"])
@pytest.mark.sampled
def test_a_client_that_leaves_while_downloading_closes_the_source(
    fault: str, one_place: Server, faults: FaultySource
) -> None:
    with pytest.raises(httpx.ReadTimeout):
        one_place.request("POST", URL, json={"image_url": faults.url(fault)}, timeout=0.5)
    assert faults.connections[fault] == 1
    assert wait_until(lambda: not faults.open_connections, seconds=1)


def test_a_client_that_leaves_during_inference_keeps_its_place_until_the_work_ends(
    one_place: Server, photo: bytes, large: bytes
) -> None:
    assert one_place.upload(large).status_code == 200
    seen = len(one_place.log_lines())
    with one_place.connect() as connection:
        connection.sendall(upload_request(large))
        time.sleep(0.1)
    assert one_place.logged("code", "client_left", after=seen)
    assert_error(one_place.upload(photo), 429, "busy")
    assert wait_until(lambda: one_place.upload(photo).status_code == 200, pause=0.3)


def test_slow_readers_are_evicted_when_others_need_memory(
    default_service: Server, photo: bytes, large: bytes
) -> None:
    """Unread responses stay within the memory budget; evicted ones leave the kernel too."""
    server, seen = default_service, len(default_service.log_lines())

    def evicted() -> int:
        assert server.upload(photo).status_code == 200
        lines = server.log_lines(seen)
        return sum(line.get("code") == "client_too_slow" for line in lines)

    with slow_readers(server, large, 4) as readers:
        assert wait_until(evicted, seconds=20)
        resets = 0
        for connection in readers:
            connection.settimeout(20)
            try:
                assert read_to_the_end(connection).startswith(b"HTTP/1.1 200 ")
            except ConnectionResetError:
                resets += 1
    assert resets == evicted()
    assert {line["level"] for line in server.log_lines(seen)} == {"info"}
    assert server.process.poll() is None
