"""How many bytes one connection may deliver, before and within the body."""

import ssl
from typing import Any

import httpcore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import SourceTooLarge, SourceUnreachable
from pipeline.fetch.read_limit import HEADER_BYTES, LimitedStream, ReadLimit


class EndlessStream(httpcore.AsyncNetworkStream):
    """A stream that delivers as many bytes as it is asked for, at most `most` at a time."""

    def __init__(self, most: int = 1 << 30) -> None:
        self.most = most
        self.written = b""
        self.is_closed = False

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return bytes(min(max_bytes, self.most))

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.written += buffer

    async def aclose(self) -> None:
        self.is_closed = True

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> "EndlessStream":
        return EndlessStream(most=7)

    def get_extra_info(self, info: str) -> Any:
        return f"its {info}"


async def test_headers_may_have_64_kb_and_no_byte_more() -> None:
    stream = LimitedStream(EndlessStream(), ReadLimit())
    assert len(await stream.read(1 << 20)) == HEADER_BYTES == 65_536
    with pytest.raises(SourceUnreachable, match="65,536 bytes before the image"):
        await stream.read(1)


@given(
    headers=st.integers(0, HEADER_BYTES),
    limit=st.integers(1, 100_000),
    part=st.integers(1, 40_000),
)
async def test_the_body_adds_its_limit_to_what_the_headers_left(
    headers: int, limit: int, part: int
) -> None:
    read_limit = ReadLimit()
    stream = LimitedStream(EndlessStream(), read_limit)
    received = len(await stream.read(headers)) if headers else 0
    read_limit.start_body(limit)
    total = HEADER_BYTES + limit
    while received < total:
        received += len(await stream.read(part))
    assert received == total
    with pytest.raises(SourceTooLarge, match=f"{limit:,} bytes"):
        await stream.read(part)


async def test_only_the_bytes_that_arrive_count() -> None:
    stream = LimitedStream(EndlessStream(most=1), ReadLimit())
    for _ in range(HEADER_BYTES):
        assert await stream.read(1 << 20) == b"\0"
    with pytest.raises(SourceUnreachable):
        await stream.read(1)


async def test_after_tls_starts_the_same_limit_counts() -> None:
    read_limit = ReadLimit()
    stream = LimitedStream(EndlessStream(), read_limit)
    await stream.read(HEADER_BYTES - 10)
    encrypted = await stream.start_tls(ssl.create_default_context())
    assert encrypted.read_limit is read_limit
    assert [len(await encrypted.read(100)) for _ in range(2)] == [7, 3]
    with pytest.raises(SourceUnreachable):
        await encrypted.read(1)


async def test_everything_else_is_passed_on() -> None:
    inner = EndlessStream()
    stream = LimitedStream(inner, ReadLimit())
    await stream.write(b"GET / HTTP/1.1")
    await stream.aclose()
    assert (inner.written, inner.is_closed) == (b"GET / HTTP/1.1", True)
    assert stream.get_extra_info("socket") == "its socket"
