"""Faulty sources through the running service."""

import asyncio

import pytest

from tests.support.concurrency import fetch_codes
from tests.support.faults import FAULTS, OK, faulty_source_in_a_thread, sends, with_length
from tests.support.serving import serve
from tests.support.waiting import wait_until

PAGE = b"<!doctype html><title>Not an image</title>"


@pytest.mark.slow
def test_each_fault_ends_with_its_code(photo: bytes) -> None:
    """Sixteen at a time; afterwards the service is as good as before."""
    images = {
        "page_as_image": (
            OK + b"Content-Type: image/png\r\n\r\n" + PAGE,
            "unsupported_image_type",
        ),
        "image_as_page": (OK + b"Content-Type: text/html\r\n\r\n" + photo, "ok"),
        "nothing_as_image": (
            OK + b"Content-Type: image/png\r\nContent-Length: 0\r\n\r\n",
            "empty_source",
        ),
        "image_cut_off": (with_length(b"9000", photo), "image_corrupt"),
    }
    expected = {name: code for name, (_, code) in {**FAULTS, **images}.items()}
    faults = {name: sends(response) for name, (response, _) in images.items()}
    with (
        faulty_source_in_a_thread(faults) as source,
        serve(
            BGR_ALLOWED_PRIVATE_HOSTS=f"127.0.0.1:{source.port}",
            BGR_DOWNLOAD_TIMEOUT="1",
            BGR_MAX_SOURCE_BYTES="1000000",
        ) as server,
    ):
        codes = asyncio.run(fetch_codes(server.url, map(source.url, expected)))
        assert dict(zip(expected, codes, strict=True)) == expected
        assert wait_until(lambda: not source.open_connections, seconds=1)
        assert server.upload(photo).status_code == 200
        assert {line["level"] for line in server.log_lines()} == {"info"}
