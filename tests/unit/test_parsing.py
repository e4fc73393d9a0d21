"""Bodies -> what is to be cut out, without a service; tests/contract/test_clients.py sends what is broken to a real one."""

import tracemalloc

import pytest
from starlette.requests import Request
from starlette.types import Message

from serving.errors import RequestTooLarge
from serving.parsing import read_upload, read_url_request

MB = 1_000_000
HEAD = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
END = b"\r\n--b--\r\n"


def request(content_type: bytes, *parts: bytes) -> Request:
    """A request whose body comes in these parts."""
    left = [*parts]

    async def receive() -> Message:
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    return Request(
        {"type": "http", "method": "POST", "headers": [(b"content-type", content_type)]}, receive
    )


def upload(size: int) -> Request:
    """A form whose file has so many bytes, in parts as a server gives them."""
    part = bytes(64_000)
    return request(b"multipart/form-data; boundary=b", HEAD, *[part] * (size // 64_000), END)


async def test_a_file_is_in_memory_once() -> None:
    """It is counted once in the memory budget."""
    form = upload(16 * MB)
    tracemalloc.start()
    try:
        image, _ = await read_upload(form, 20 * MB)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(image) == 16 * MB
    assert peak < 1.25 * len(image) + MB


async def test_a_file_over_the_limit_is_refused() -> None:
    image, _ = await read_upload(upload(640_000), 640_000)
    assert len(image) == 640_000
    with pytest.raises(RequestTooLarge):
        await read_upload(upload(640_000), 639_999)


async def test_a_json_body() -> None:
    wanted = await read_url_request(
        request(b"application/json", b'{"image_url": "http://a.com/', b'x", "margin": 5}')
    )
    assert (wanted.image_url, wanted.margin, wanted.crop) == ("http://a.com/x", 5, True)
