"""Downloads from faulty sources end with their code, in time and within the byte limit."""

import asyncio
import contextlib
import socket
import time
import tracemalloc
from collections.abc import AsyncIterator
from random import Random

import pytest

from pipeline.errors import BackgroundRemovalError, SourceTimeout, SourceTooLarge
from pipeline.fetch.download import Downloader
from tests.support.environment import Record, no_limit
from tests.support.faults import (
    CHUNKED,
    FAULTS,
    OK,
    FaultySource,
    faulty_source,
    for_ever,
    sends,
    with_length,
)

MAX_BYTES, TIMEOUT = 1_000_000, 1.0
# At most this is read beyond the limit, and waited after the deadline.
MORE_BYTES, MORE_SECONDS = 65_536, 1.0


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Record the sizes of all reads from sockets."""
    sizes: list[int] = []
    receive = asyncio.SelectorEventLoop.sock_recv

    async def record(loop: asyncio.SelectorEventLoop, sock: socket.socket, size: int) -> bytes:
        data = await receive(loop, sock, size)
        sizes.append(len(data))
        return data

    monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_recv", record)
    return sizes


def downloader(source: FaultySource, timeout: float = TIMEOUT) -> Downloader:
    """Return a downloader with small limits that may fetch from the source."""
    return Downloader(
        max_bytes=MAX_BYTES, timeout=timeout, allowed_private_hosts=[("127.0.0.1", source.port)]
    )


async def closed(source: FaultySource) -> bool:
    """Return whether the downloader closes every connection within a second."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(MORE_SECONDS):
            while source.open_connections:
                await asyncio.sleep(0.01)
    return not source.open_connections


@pytest.fixture
async def source() -> AsyncIterator[FaultySource]:
    """Serve the faults in the test's own event loop."""
    async with faulty_source() as running:
        yield running


@pytest.mark.parametrize("name", FAULTS)
async def test_each_fault_ends_with_its_code(
    name: str, source: FaultySource, read: list[int], record_property: Record
) -> None:
    started = time.monotonic()
    with pytest.raises(BackgroundRemovalError) as caught:
        await downloader(source).download(source.url(name), no_limit)
    assert caught.value.code == FAULTS[name][1]
    late = time.monotonic() - started - TIMEOUT
    record_property("faulty source: milliseconds after its deadline", max(0, late) * 1000)
    record_property("faulty source: KB read over the limit", max(0, sum(read) - MAX_BYTES) / 1000)
    assert late < MORE_SECONDS
    assert sum(read) <= MAX_BYTES + MORE_BYTES
    assert await closed(source)


@pytest.mark.parametrize("count", [60, pytest.param(600, marks=pytest.mark.slow)])
async def test_responses_with_random_faults_end_in_bytes_or_in_an_error(
    count: int, source: FaultySource
) -> None:
    """Some bytes of valid responses are changed, removed or repeated."""
    responses = (
        with_length(b"40", b"x" * 40),
        CHUNKED
        + b"14\r\n"
        + b"x" * 20
        + b"\r\n14;a=b\r\n"
        + b"x" * 20
        + b"\r\n0\r\nX-Trailer: 1\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /changed\r\nContent-Length: 0\r\n\r\n",
        OK
        + b"Content-Encoding: identity\r\nContent-Type: image/png\r\nConnection: close\r\n\r\n"
        + b"x" * 40,
    )
    random = Random(4)
    for number in range(count):
        response = bytearray(responses[number % len(responses)])
        for _ in range(random.randint(1, 4)):
            at = random.randrange(len(response))
            response[at : at + random.choice((0, 1, 5))] = random.choice(
                (random.randbytes(1), response[at : at + 9], b"\r\n", b"")
            )
        source.faults["changed"] = sends(bytes(response))
        with contextlib.suppress(BackgroundRemovalError):
            assert isinstance(
                await downloader(source, timeout=0.3).download(source.url("changed"), no_limit),
                bytes,
            )


async def test_a_source_of_one_byte_chunks_leaves_the_event_loop_to_others(
    source: FaultySource, record_property: Record
) -> None:
    """The event loop serves the others meanwhile."""
    source.faults["chunks_of_a_byte"] = sends(CHUNKED + b"1\r\nx\r\n" * 400_000)
    longest = 0.0

    async def tick() -> None:
        nonlocal longest
        while True:
            before = time.monotonic()
            await asyncio.sleep(0)
            longest = max(longest, time.monotonic() - before)

    ticking = asyncio.ensure_future(tick())
    with pytest.raises(BackgroundRemovalError):
        await downloader(source, timeout=0.5).download(source.url("chunks_of_a_byte"), no_limit)
    ticking.cancel()
    record_property("source of one-byte chunks: milliseconds that others waited", longest * 1000)
    assert longest < 1


async def test_a_length_that_is_too_short_ends_the_body(source: FaultySource) -> None:
    source.faults["short"] = sends(with_length(b"4", b"only this"))
    assert await downloader(source).download(source.url("short"), no_limit) == b"only"


async def test_the_byte_limit_does_not_count_the_framing_of_chunks(
    source: FaultySource, read: list[int]
) -> None:
    whole = b"x" * MAX_BYTES
    chunks = b"".join(
        b"1000\r\n" + whole[at : at + 4096] + b"\r\n" for at in range(0, MAX_BYTES - 4096, 4096)
    )
    source.faults["chunks"] = sends(CHUNKED, chunks, b"0\r\nX-Trailer: 1\r\n\r\n")
    source.faults["whole"] = sends(with_length(b"%d" % MAX_BYTES, whole))
    source.faults["one_more"] = sends(OK + b"\r\n", whole + b"x")
    assert (
        len(await downloader(source).download(source.url("chunks"), no_limit))
        == MAX_BYTES // 4096 * 4096
    )
    assert await downloader(source).download(source.url("whole"), no_limit) == whole
    with pytest.raises(SourceTooLarge):
        await downloader(source).download(source.url("one_more"), no_limit)
    # Each byte is read once, and recorded.
    assert 3 * MAX_BYTES < sum(read) < 3 * MAX_BYTES + MORE_BYTES


async def test_all_hops_share_one_deadline(source: FaultySource) -> None:
    async def slow_hop(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.4)
        await sends(b"HTTP/1.1 302 X\r\nLocation: /slow_hop\r\n\r\n")(writer)

    source.faults["slow_hop"] = slow_hop
    started = time.monotonic()
    with pytest.raises(BackgroundRemovalError, match="in time"):
        await downloader(source).download(source.url("slow_hop"), no_limit)
    assert time.monotonic() - started < TIMEOUT + MORE_SECONDS


async def test_waiting_for_memory_does_not_count_as_download_time(source: FaultySource) -> None:
    async def wait(_: int) -> None:
        await asyncio.sleep(1.5 * TIMEOUT)

    source.faults["prompt"] = sends(with_length(b"4", b"all."))
    assert await downloader(source).download(source.url("prompt"), wait) == b"all."
    started = time.monotonic()
    with pytest.raises(SourceTimeout):
        await downloader(source).download(source.url("stall_in_body"), wait)
    assert 2.5 * TIMEOUT <= time.monotonic() - started < 2.5 * TIMEOUT + MORE_SECONDS


async def test_memory_is_reserved_as_bytes_arrive(
    source: FaultySource,
) -> None:
    first, second = asyncio.Event(), asyncio.Event()
    reserved: list[int] = []

    async def in_two_parts(writer: asyncio.StreamWriter) -> None:
        writer.write(with_length(b"300000", b"x" * 100))
        await first.wait()
        writer.write(b"x" * 299_900)
        await second.wait()

    async def reserve(size: int) -> None:
        reserved.append(size)
        first.set()

    source.faults["parts"] = in_two_parts
    body = await downloader(source).download(source.url("parts"), reserve)
    second.set()
    assert reserved[0] == 100
    assert sum(reserved) == len(body) == 300_000
    assert max(reserved) <= 65_536


@pytest.mark.parametrize(
    "name", ["length_over_the_limit", "gzip_bomb", "status_404", "redirect_to_itself"]
)
async def test_no_memory_is_reserved_for_a_refused_source(name: str, source: FaultySource) -> None:
    async def reserve(_: int) -> None:
        raise AssertionError

    source.faults.setdefault(
        "status_404", sends(b"HTTP/1.1 404 X\r\nContent-Length: 4\r\n\r\nnone")
    )
    with pytest.raises(BackgroundRemovalError):
        await downloader(source).download(source.url(name), reserve)


async def test_a_reservation_that_fails_ends_the_download(source: FaultySource) -> None:
    async def reserve(_: int) -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        await downloader(source).download(source.url("endless_body"), reserve)
    assert await closed(source)


async def test_a_blocked_event_loop_does_not_extend_the_deadline(source: FaultySource) -> None:
    """Bytes, the deadline and a reservation become due in the same turn of the loop."""

    async def block_the_loop() -> None:
        while True:
            time.sleep(0.03)  # noqa: ASYNC251 - blocking is the point
            await asyncio.sleep(0.01)

    source.faults["chunks_of_a_byte"] = for_ever(CHUNKED, b"1\r\nx\r\n", 0.001)
    blocking = asyncio.ensure_future(block_the_loop())
    for timeout in (0.08, 0.09, 0.1, 0.11, 0.12, 0.13):
        with pytest.raises(SourceTimeout):
            await downloader(source, timeout).download(source.url("chunks_of_a_byte"), no_limit)
    blocking.cancel()


@pytest.mark.parametrize("declared", [True, False])
async def test_a_source_is_held_in_memory_once(
    source: FaultySource, declared: bool, record_property: Record
) -> None:
    size = 16_000_000
    head = OK + (b"Content-Length: %d\r\n" % size if declared else b"") + b"\r\n"
    # In parts, because tracemalloc counts the memory of the server too.
    source.faults["large"] = sends(head, *[bytes(50_000)] * (size // 50_000))
    downloads = Downloader(
        max_bytes=20_000_000, timeout=30, allowed_private_hosts=[("127.0.0.1", source.port)]
    )
    url = source.url("large")
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        body = await downloads.download(url, no_limit)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(body) == size
    record_property("download of 16 MB: MB of memory at its peak", (peak - before) / 1e6)
    assert peak - before < 1.25 * size + 1_000_000
