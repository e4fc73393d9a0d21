"""The responses of the service are as GET /docs.json documents them."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.support.openapi import assert_documented
from tests.support.removebg import REMOVEBG, send
from tests.support.serving import UPLOAD, URL, Server
from tests.support.source import Source

REQUESTS: list[tuple[str, int, Callable[[Server, Source, bytes], httpx.Response]]] = [
    (URL, 200, lambda service, source, photo: service.post(image_url=source.url("/photo.jpg"))),
    (
        URL,
        200,
        lambda service, source, photo: service.post(
            image_url=source.url("/photo.jpg"), format="webp", output="mask"
        ),
    ),
    (URL, 400, lambda service, source, photo: service.post()),
    (URL, 400, lambda service, source, photo: service.post(image_url="nothing")),
    (URL, 400, lambda service, source, photo: service.post(image_url="http://10.0.0.1/")),
    (URL, 413, lambda service, source, photo: service.post(image_url="x" * 70_000)),
    (
        URL,
        415,
        lambda service, source, photo: service.request("POST", URL, data={"a": "b"}),
    ),
    (URL, 422, lambda service, source, photo: service.post(image_url=source.url("/status/404"))),
    (URL, 422, lambda service, source, photo: service.post(image_url=source.url("/redirect/4"))),
    (URL, 502, lambda service, source, photo: service.post(image_url=source.url("/status/500"))),
    (URL, 504, lambda service, source, photo: service.post(image_url=source.url("/drip"))),
    (UPLOAD, 200, lambda service, source, photo: service.upload(photo)),
    (UPLOAD, 400, lambda service, source, photo: service.upload(photo, margin="501")),
    (UPLOAD, 413, lambda service, source, photo: service.upload(bytes(22_000_001))),
    (
        UPLOAD,
        415,
        lambda service, source, photo: service.request("POST", UPLOAD, json={}),
    ),
    (UPLOAD, 422, lambda service, source, photo: service.upload(b"<svg/>")),
    (REMOVEBG, 200, lambda service, source, photo: send(service, photo)),
    (
        REMOVEBG,
        200,
        lambda service, source, photo: send(service, photo, headers={"Accept": "application/json"}),
    ),
    (REMOVEBG, 400, lambda service, source, photo: send(service, b"<svg/>")),
    (
        REMOVEBG,
        415,
        lambda service, source, photo: service.request(
            "POST", REMOVEBG, content=b"x", headers={"Content-Type": "text/plain"}
        ),
    ),
]


@pytest.mark.parametrize(("path", "status", "ask"), REQUESTS)
def test_responses_are_as_documented(
    document: dict[str, Any],
    service: Server,
    source: Source,
    photo: bytes,
    path: str,
    status: int,
    ask: Callable[[Server, Source, bytes], httpx.Response],
) -> None:
    response = ask(service, source, photo)
    assert response.status_code == status
    assert_documented(document, document["paths"][path]["post"]["responses"][str(status)], response)


def test_other_paths_and_methods_respond_as_documented(
    document: dict[str, Any], service: Server
) -> None:
    assert_documented(
        document, document["components"]["responses"]["NotFound"], service.get("/nothing")
    )
    described = document["components"]["responses"]
    assert_documented(document, described["RemovebgNotFound"], service.get("/v1.0/nothing"))
    for path, operations in document["paths"].items():
        other = service.request("PUT", path)
        assert other.status_code == 405
        name = "RemovebgMethodNotAllowed" if path.startswith("/v1.0/") else "MethodNotAllowed"
        assert_documented(document, described[name], other)
        assert {method.upper() for method in operations} <= set(other.headers["allow"].split(", "))
