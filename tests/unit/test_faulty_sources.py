"""Faulty sources: each ends with its code, in time, read no further than it may be, and its connection is closed."""

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
    faulty_source_in_a_thread,
    for_ever,
    sends,
    with_length,
)
from tests.support.serving import Server, serve

MAX_PIXELS, TIMEOUT = 1_000_000, 1.0
# What is read beyond the limit, and after the deadline, at most.
MORE_BYTES, MORE_SECONDS = 65_536, 1.0


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of all reads from sockets."""
    sizes: list[int] = []
    receive = asyncio.SelectorEventLoop.sock_recv

    async def record(loop: asyncio.SelectorEventLoop, sock: socket.socket, size: int) -> bytes:
        data = await receive(loop, sock, size)
        sizes.append(len(data))
        return data

    monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_recv", record)
    return sizes


def downloader(source: FaultySource, timeout: float = TIMEOUT) -> Downloader:
    return Downloader(
        max_bytes=MAX_PIXELS, timeout=timeout, allowed_private_hosts=[("127.0.0.1", source.port)]
    )


async def closed(source: FaultySource) -> bool:
    """Whether every connection is closed by our side, within half a second."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(MORE_SECONDS):
            while source.open_connections:
                await asyncio.sleep(0.01)
    return not source.open_connections


@pytest.fixture
async def source() -> AsyncIterator[FaultySource]:
    """The faulty source, in the test's own event loop."""
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
    record_property("faulty source: KB read over the limit", max(0, sum(read) - MAX_PIXELS) / 1000)
    assert late < MORE_SECONDS
    assert sum(read) <= MAX_PIXELS + MORE_BYTES
    assert await closed(source)


async def test_answers_with_random_faults_end_in_bytes_or_in_the_contracts_errors(
    source: FaultySource,
) -> None:
    """Three hundred answers of which some bytes are changed, cut out or doubled."""
    answers = (
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
    for number in range(300):
        answer = bytearray(answers[number % len(answers)])
        for _ in range(random.randint(1, 4)):
            at = random.randrange(len(answer))
            answer[at : at + random.choice((0, 1, 5))] = random.choice(
                (random.randbytes(1), answer[at : at + 9], b"\r\n", b"")
            )
        source.faults["changed"] = sends(bytes(answer))
        with contextlib.suppress(BackgroundRemovalError):
            assert isinstance(
                await downloader(source, timeout=0.3).download(source.url("changed"), no_limit),
                bytes,
            )


async def test_what_no_limit_of_bytes_ends_leaves_the_event_loop_to_others(
    source: FaultySource, record_property: Record
) -> None:
    """A source of one-byte chunks costs time, not the others' time."""
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


async def test_a_length_that_is_too_short_ends_the_picture(source: FaultySource) -> None:
    source.faults["short"] = sends(with_length(b"4", b"only this"))
    assert await downloader(source).download(source.url("short"), no_limit) == b"only"


async def test_the_limit_is_of_the_body_and_chunks_may_have_their_own_bytes(
    source: FaultySource, read: list[int]
) -> None:
    whole = b"x" * MAX_PIXELS
    chunks = b"".join(
        b"1000\r\n" + whole[at : at + 4096] + b"\r\n" for at in range(0, MAX_PIXELS - 4096, 4096)
    )
    source.faults["chunks"] = sends(CHUNKED, chunks, b"0\r\nX-Trailer: 1\r\n\r\n")
    source.faults["whole"] = sends(with_length(b"%d" % MAX_PIXELS, whole))
    source.faults["one_more"] = sends(OK + b"\r\n", whole + b"x")
    assert (
        len(await downloader(source).download(source.url("chunks"), no_limit))
        == MAX_PIXELS // 4096 * 4096
    )
    assert await downloader(source).download(source.url("whole"), no_limit) == whole
    with pytest.raises(SourceTooLarge):
        await downloader(source).download(source.url("one_more"), no_limit)
    assert (
        3 * MAX_PIXELS < sum(read) < 3 * MAX_PIXELS + MORE_BYTES
    )  # each byte is read once, and each was recorded


async def test_all_hops_share_one_deadline(source: FaultySource) -> None:
    async def slow_hop(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.4)
        await sends(b"HTTP/1.1 302 X\r\nLocation: /slow_hop\r\n\r\n")(writer)

    source.faults["slow_hop"] = slow_hop
    started = time.monotonic()
    with pytest.raises(BackgroundRemovalError, match="in time"):
        await downloader(source).download(source.url("slow_hop"), no_limit)
    assert time.monotonic() - started < TIMEOUT + MORE_SECONDS


async def test_waiting_for_memory_is_not_the_sources_delay(source: FaultySource) -> None:
    async def wait(_: int) -> None:
        await asyncio.sleep(1.5 * TIMEOUT)

    source.faults["prompt"] = sends(with_length(b"4", b"all."))
    assert await downloader(source).download(source.url("prompt"), wait) == b"all."
    started = time.monotonic()
    with pytest.raises(SourceTimeout):
        await downloader(source).download(source.url("stall_in_body"), wait)
    assert 2.5 * TIMEOUT <= time.monotonic() - started < 2.5 * TIMEOUT + MORE_SECONDS


async def test_memory_is_reserved_as_bytes_arrive_and_before_they_are_kept(
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
async def test_nothing_is_reserved_for_a_source_that_is_refused(
    name: str, source: FaultySource
) -> None:
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


async def test_a_deadline_that_has_passed_unnoticed_is_kept(source: FaultySource) -> None:
    """The event loop is held up time and again: bytes, the deadline and a reservation are due in the same turn of it."""

    async def hold_the_loop() -> None:
        while True:
            time.sleep(0.03)  # noqa: ASYNC251 - on purpose
            await asyncio.sleep(0.01)

    source.faults["chunks_of_a_byte"] = for_ever(CHUNKED, b"1\r\nx\r\n", 0.001)
    holding = asyncio.ensure_future(hold_the_loop())
    for timeout in (0.08, 0.09, 0.1, 0.11, 0.12, 0.13):
        with pytest.raises(SourceTimeout):
            await downloader(source, timeout).download(source.url("chunks_of_a_byte"), no_limit)
    holding.cancel()


@pytest.mark.parametrize("declared", [True, False])
async def test_a_source_is_held_in_memory_once(
    source: FaultySource, declared: bool, record_property: Record
) -> None:
    size = 16_000_000
    head = OK + (b"Content-Length: %d\r\n" % size if declared else b"") + b"\r\n"
    source.faults["large"] = sends(
        head, *[bytes(50_000)] * (size // 50_000)
    )  # in parts, as the server's memory counts too
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


def test_each_fault_through_the_running_service(photo: bytes) -> None:
    """The same codes in the answers, at most sixteen at once; then the service is as good as before."""
    page = b"<!doctype html><title>Not a picture</title>"
    pictures = {
        "page_as_picture": (
            OK + b"Content-Type: image/png\r\n\r\n" + page,
            "unsupported_image_type",
        ),
        "picture_as_page": (OK + b"Content-Type: text/html\r\n\r\n" + photo, "ok"),
        "nothing_as_picture": (
            OK + b"Content-Type: image/png\r\nContent-Length: 0\r\n\r\n",
            "empty_source",
        ),
        "picture_shorter_than_it_is": (with_length(b"9000", photo), "image_corrupt"),
    }
    expected = {name: code for name, (_, code) in {**FAULTS, **pictures}.items()}
    with (
        faulty_source_in_a_thread(
            {name: sends(answer) for name, (answer, _) in pictures.items()}
        ) as source,
        serve(
            BGR_ALLOWED_PRIVATE_HOSTS=f"127.0.0.1:{source.port}",
            BGR_DOWNLOAD_TIMEOUT=str(TIMEOUT),
            BGR_MAX_SOURCE_BYTES=str(MAX_PIXELS),
        ) as server,
    ):
        codes = asyncio.run(_codes(server, source, list(expected)))
        assert codes == expected
        assert asyncio.run(closed(source))
        assert server.upload(photo).status_code == 200
        assert {line["level"] for line in server.log_lines()} == {"info"}


async def _codes(server: Server, source: FaultySource, names: list[str]) -> dict[str, str]:
    import httpx

    places = asyncio.Semaphore(16)

    async def code(client: httpx.AsyncClient, name: str) -> str:
        async with places:
            response = await client.post(
                f"{server.url}/remove-background", json={"image_url": source.url(name)}
            )
        return "ok" if response.status_code == 200 else str(response.json()["code"])

    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        return dict(
            zip(names, await asyncio.gather(*(code(client, name) for name in names)), strict=True)
        )
