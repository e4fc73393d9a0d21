"""Fixtures of the tests that talk to a running service."""

import io
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.support.concurrency import active_request
from tests.support.images import encoded
from tests.support.raw_http import NOT_HTTP
from tests.support.removebg import HEIGHT, WIDTH, image_of, send
from tests.support.serving import Server, serve
from tests.support.source import Source

# What uvicorn logs at the level of a warning about broken HTTP.
_WARNINGS = (NOT_HTTP, "Unsupported upgrade request.")


@pytest.fixture
def unharmed(service: Server) -> Iterator[None]:
    """Assert after the test that the service is healthy and has logged no defect."""
    before = len(service.log_lines())
    yield
    assert service.get("/health").status_code == 200
    for line in service.log_lines(before):
        assert "traceback" not in line
        assert line["level"] == "info" or line["message"] in _WARNINGS, line
        assert line.get("status") != 500, line


@dataclass(frozen=True)
class Unfinished:
    """What became of a request that a stopping service could not finish in time."""

    response: httpx.Response
    seconds: float  # from SIGTERM to the response
    exit_status: int


@pytest.fixture(scope="session")
def unfinished(source: Source) -> Unfinished:
    """Stop a service with 0.5 s to finish requests, while one waits for a slow source."""
    allowed = f"127.0.0.1:{source.port}"
    with serve(BGR_ALLOWED_PRIVATE_HOSTS=allowed, BGR_DRAIN="0.5") as server:
        with active_request(server, source.url("/slow")) as response:
            server.process.send_signal(signal.SIGTERM)
            started = time.monotonic()
            received = response.result()
            seconds = time.monotonic() - started
        return Unfinished(received, seconds, server.process.wait(20))


@pytest.fixture(scope="session")
def document(service: Server) -> dict[str, Any]:
    """Return the OpenAPI document."""
    response = service.get("/docs.json")
    assert response.headers["content-type"] == "application/json"
    content: dict[str, Any] = response.json()
    return content


@pytest.fixture(scope="session")
def small(photo: bytes) -> bytes:
    """The sample at 240 × 200 pixels, on a wider gray background: its subject has room."""
    image = Image.new("RGB", (WIDTH, HEIGHT), (128, 128, 128))
    subject = Image.open(io.BytesIO(photo)).crop((130, 0, 330, 240)).resize((100, 120))
    image.paste(subject, (60, 50))
    return encoded(image, "JPEG", quality=90)


@pytest.fixture(scope="session")
def plain(service: Server, small: bytes) -> httpx.Response:
    """The response without any parameter."""
    return send(service, small)


@pytest.fixture(scope="session")
def cropped(service: Server, small: bytes) -> Image.Image:
    """The image with `crop` alone."""
    return image_of(send(service, small, crop="true"))
