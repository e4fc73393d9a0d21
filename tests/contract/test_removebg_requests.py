"""Requests to remove.bg's API in every form its clients send, and every error it answers."""

import base64
import io
import json
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.support.images import encoded
from tests.support.removebg import (
    ACCOUNT,
    HEIGHT,
    REMOVEBG,
    WIDTH,
    assert_described,
    assert_failed,
    image_of,
    send,
)
from tests.support.serving import Server
from tests.support.source import Source

pytestmark = [pytest.mark.sampled, pytest.mark.usefixtures("unharmed")]

JSON = {"Accept": "application/json"}
MULTIPART = "multipart/form-data; boundary=b"


def as_text(image: bytes) -> str:
    return base64.b64encode(image).decode()


def form(*parts: tuple[str, bytes]) -> bytes:
    """Return a form of parts, each its headers and its content."""
    text = b"".join(b"--b\r\n%s\r\n\r\n%s\r\n" % (name.encode(), body) for name, body in parts)
    return text + b"--b--\r\n"


def named(name: str, more: str = "") -> str:
    """Return the headers of a part."""
    return f'Content-Disposition: form-data; name="{name}"{more}'


FILES = {
    "browsers and node": named("image_file", '; filename="blob"\r\nContent-Type: image/jpeg'),
    "no content type": named("image_file", '; filename="a.png"'),
    "no file name": named("image_file", "\r\nContent-Type: image/jpeg"),
    "octet stream": named(
        "image_file", '; filename="image_file"\r\nContent-Type: application/octet-stream'
    ),
    "Guzzle (PHP)": named(
        "image_file", '; filename="photo.jpg"\r\nContent-Length: 9\r\nContent-Type: image/jpeg'
    ),
    "Faraday (Ruby)": named(
        "image_file",
        '; filename="photo.jpg"\r\nContent-Length: 9\r\nContent-Type: image/jpeg\r\n'
        "Content-Transfer-Encoding: binary",
    ),
}


@pytest.mark.parametrize("headers", FILES.values(), ids=FILES)
def test_image_file(service: Server, small: bytes, plain: httpx.Response, headers: str) -> None:
    """A file is judged by its bytes, whatever its headers claim."""
    body = form((named("size"), b"auto"), (headers, small), (named("bg_color"), b""))
    response = service.request("POST", REMOVEBG, content=body, headers={"Content-Type": MULTIPART})
    assert response.content == plain.content


def test_image_file_b64(service: Server, small: bytes, plain: httpx.Response) -> None:
    text = as_text(small)
    requests: list[dict[str, Any]] = [
        {"json": {"image_file_b64": text, "crop": False}},
        {"content": json.dumps({"image_file_b64": text}).replace("/", r"\/").encode()},
        {"json": {"image_file_b64": f"data:image/jpeg;base64,{text}", "roi": None}},
        {"data": {"image_file_b64": text, "crop": "false"}},
        {"files": {"image_file_b64": (None, text)}},
        {"files": {"image_file_b64": (None, f"data:image/png;base64,{text}")}},
    ]
    for request in requests:
        if "content" in request:
            request["headers"] = {"Content-Type": "application/json"}
        assert service.request("POST", REMOVEBG, **request).content == plain.content


def test_a_source_of_the_usual_limit_fits_in_base64(service: Server) -> None:
    """Its text has 26 MB."""
    text = base64.b64encode(bytes(19_900_000)).decode()
    for request in (
        {"json": {"image_file_b64": text}},
        {"files": {"image_file_b64": (None, text)}},
    ):
        response = service.request("POST", REMOVEBG, **request)
        assert_failed(response, 400, "invalid_file_type")


def test_image_url(service: Server, source: Source, small: bytes, plain: httpx.Response) -> None:
    source.files["/small.jpg"] = small
    url = source.url("/small.jpg")
    for request in (
        {"json": {"image_url": url}},
        {"data": {"image_url": url, "image_file_b64": ""}},
    ):
        assert service.request("POST", REMOVEBG, **request).content == plain.content


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/status/404", "failed_image_download"),
        ("/status/500", "failed_image_download"),
        ("/slow", "failed_image_download"),
        ("/redirect/9", "failed_image_download"),
        ("http://127.0.0.1/", "invalid_image_url"),
        ("no URL", "invalid_image_url"),
    ],
)
def test_image_url_fails_as_a_fault_of_the_request(
    service: Server, source: Source, path: str, code: str
) -> None:
    url = source.url(path) if path.startswith("/") else path
    assert_failed(service.request("POST", REMOVEBG, json={"image_url": url}), 400, code)


def test_one_source(service: Server, small: bytes) -> None:
    assert_failed(service.request("POST", REMOVEBG), 400, "missing_source")
    assert_failed(service.request("POST", REMOVEBG, json={}), 400, "missing_source")
    assert_failed(send(service, small, image_url="http://a.com/x"), 400, "multiple_sources")


def test_accept_json(service: Server, small: bytes, plain: httpx.Response) -> None:
    response = send(service, small, headers=JSON)
    assert_described(response)
    data = response.json()["data"]
    assert base64.b64decode(data.pop("result_b64")) == plain.content
    position = {
        f"foreground_{name.lower()}": int(response.headers[f"X-Foreground-{name}"])
        for name in ("Top", "Left", "Width", "Height")
    }
    assert data == position
    axios = send(service, small, headers={"Accept": "application/json, text/plain, */*"})
    assert axios.content == plain.content


@pytest.mark.parametrize(
    ("image", "code"),
    [
        (b"", "failed_to_read_image"),
        (b"<svg/>", "invalid_file_type"),
        (encoded(Image.new("RGB", (300, 300), "red"), "JPEG")[:400], "failed_to_read_image"),
        (encoded(Image.new("RGB", (300, 300), "red")), "unknown_foreground"),
        (encoded(Image.new("1", (7000, 6000))), "resolution_too_high"),
        (bytes(22_000_001), "file_too_large"),
    ],
)
def test_what_is_wrong_with_an_image(service: Server, image: bytes, code: str) -> None:
    assert_failed(send(service, image), 400, code)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/v1.0/improve", 404, "not_found"),
        ("GET", "/v1.0/anything/else", 404, "not_found"),
        ("GET", REMOVEBG, 405, "method_not_allowed"),
        ("POST", ACCOUNT, 405, "method_not_allowed"),
    ],
)
def test_other_paths_and_methods(
    service: Server, method: str, path: str, status: int, code: str
) -> None:
    response = service.request(method, path)
    assert_failed(response, status, code)
    assert ("allow" in response.headers) == (status == 405)


def test_another_content_type(service: Server) -> None:
    response = service.request("POST", REMOVEBG, content=b"x", headers={"Content-Type": "text/x"})
    assert_failed(response, 415, "unsupported_media_type")


def test_account(service: Server) -> None:
    response = service.get(ACCOUNT)
    credits = {"total": 0, "subscription": 0, "payg": 0, "enterprise": 0}
    attributes = {"credits": credits, "api": {"free_calls": 0, "sizes": "all"}}
    assert response.json() == {"data": {"attributes": attributes}}


def test_exif_orientation_is_applied(service: Server, small: bytes) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    rotated = encoded(Image.open(io.BytesIO(small)), "JPEG", exif=exif)
    response = send(service, rotated)
    assert image_of(response).size == (HEIGHT, WIDTH)
    assert response.headers["X-Max-Width"] == str(HEIGHT)
    broken = encoded(Image.open(io.BytesIO(small)), "JPEG", exif=b"Exif\0\0broken")
    assert image_of(send(service, broken)).size == (WIDTH, HEIGHT)
