"""The contract from outside: cutouts, options, routes, keys and the log."""

import io
import json
import threading
import time
from pathlib import Path
from typing import Any

import bentoml
import httpx
import numpy as np
import pytest
from PIL import Image

from tests.support.images import cutout_of
from tests.support.serving import (
    UPLOAD,
    UPLOAD_STEPS,
    URL,
    Server,
    assert_error,
    send_at_once,
    serve,
)
from tests.support.source import Source


def test_a_photo_by_url_gets_a_cutout(service: Server, source: Source) -> None:
    response = service.post(image_url=source.url("/photo.jpg?token=secret"))
    image = cutout_of(response)
    headers = response.headers
    assert headers["content-type"] == "image/png"
    assert image.format == "PNG"
    assert image.mode == "RGBA"
    assert image.size == (int(headers["X-Width"]), int(headers["X-Height"]))
    assert image.size == (int(headers["X-Foreground-Width"]), int(headers["X-Foreground-Height"]))
    assert int(headers["X-Foreground-Left"]) + image.width <= 512
    assert int(headers["X-Foreground-Top"]) + image.height <= 512
    assert float(headers["X-Subject-Confidence"]) > 0.9
    assert headers["X-Subject-Parts"] == "1"
    steps = [part.split(";dur=") for part in headers["Server-Timing"].split(", ")]
    assert [name for name, _ in steps] == ["download", *UPLOAD_STEPS[1:]]
    assert all(float(took) >= 0 for _, took in steps)
    assert not image.info.keys() & {"exif", "icc_profile", "comment"}
    pixels = np.asarray(image)
    assert not pixels[pixels[..., 3] == 0].any()
    assert service.logged("request_id", headers["X-BentoML-Request-ID"])
    assert "secret" not in service.log.read_text()


def test_an_upload_gets_the_same_bytes(service: Server, source: Source, photo: bytes) -> None:
    by_url = service.post(image_url=source.url("/photo.jpg"))
    by_upload = service.upload(photo)
    assert by_url.content == by_upload.content
    assert service.upload(photo).content == by_upload.content


def test_options_are_read_bare_and_as_json(service: Server, source: Source, photo: bytes) -> None:
    options = {
        "subject": "all",
        "crop": False,
        "margin": 3,
        "edges": "raw",
        "passes": 2,
        "max_side": 300,
        "output": "mask",
        "format": "webp",
        "background": "#fff",
    }
    mask = cutout_of(service.post(image_url=source.url("/photo.jpg"), **options))
    assert (mask.format, mask.size) == ("WEBP", (300, 300))
    bare = {
        "subject": "all",
        "crop": "false",
        "margin": "3",
        "edges": "raw",
        "passes": "2",
        "max_side": "300",
        "output": "mask",
        "format": "webp",
        "background": "#fff",
    }
    encoded_json = {name: json.dumps(value) for name, value in options.items()}
    assert service.upload(photo, **bare).content == service.upload(photo, **encoded_json).content
    cut = cutout_of(service.upload(photo, margin="20"))
    tight = cutout_of(service.upload(photo))
    assert cut.width >= tight.width
    assert cut.height > tight.height
    assert cutout_of(service.upload(photo, background="#0f0")).mode == "RGB"
    response = service.upload(photo, format="jpeg", max_side="100")
    assert response.headers["content-type"] == "image/jpeg"
    jpeg = cutout_of(response)
    assert (jpeg.format, max(jpeg.size)) == ("JPEG", 100)
    assert jpeg.size == (int(response.headers["x-width"]), int(response.headers["x-height"]))
    box = [f"x-foreground-{side}" for side in ("left", "top", "width", "height")]
    full = service.upload(photo).headers
    assert [response.headers[side] for side in box] == [full[side] for side in box]
    assert cutout_of(service.upload(photo, background="null")).mode == "RGBA"


def test_bentomls_client_gets_the_same_bytes(
    service: Server, source: Source, photo: bytes, tmp_path: Path
) -> None:
    file = tmp_path / "photo.jpg"
    file.write_bytes(photo)
    with bentoml.SyncHTTPClient(service.url) as client:
        by_url = client.remove_background(image_url=source.url("/photo.jpg"))
        assert isinstance(by_url, bytes)
        assert by_url == client.remove_background_upload(image=file)
        mask = client.remove_background_upload(
            image=file, subject="all", output="mask", margin=4, crop=True
        )
        assert Image.open(io.BytesIO(mask)).mode == "L"
        with pytest.raises(bentoml.exceptions.BentoMLException, match="url_not_allowed"):
            client.remove_background(image_url="http://10.0.0.1/x.png")


def test_other_routes_respond(service: Server) -> None:
    health = service.get("/health")
    assert (health.status_code, health.json()) == (200, {"status": "ok"})
    for path in ("/livez", "/readyz", "/metrics", "/docs.json", "/schema.json", "/", "/docs"):
        assert service.get(path).status_code == 200, path
    assert_error(service.get("/nothing"), 404, "not_found")
    for method, path, allow in (
        ("GET", "/remove-background", "POST"),
        ("PUT", "/remove-background/upload", "POST"),
        ("POST", "/health", "GET"),
        ("DELETE", "/livez", "GET"),
    ):
        response = service.request(method, path)
        assert_error(response, 405, "method_not_allowed")
        assert allow in response.headers["allow"]


def test_pages_of_allowed_origins_may_read_responses(service: Server) -> None:
    origin = {"Origin": "https://app.stylespire.com"}
    asked = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    preflight = service.request("OPTIONS", URL, headers={**origin, **asked})
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == origin["Origin"]
    refused = service.request("POST", URL, json={}, headers=origin)
    assert_error(refused, 400, "invalid_request")
    assert refused.headers["access-control-allow-origin"] == origin["Origin"]
    assert "X-Foreground-Left" in refused.headers["access-control-expose-headers"]
    other = {"Origin": "https://evil.com"}
    stranger = service.request("POST", URL, json={}, headers=other)
    assert "access-control-allow-origin" not in stranger.headers


def test_every_request_has_a_log_line_in_json(service: Server, photo: bytes) -> None:
    ids = [
        service.upload(photo).headers["X-BentoML-Request-ID"],
        service.upload(b"x").headers["X-BentoML-Request-ID"],
    ]
    good, bad = (service.logged("request_id", request_id)[0] for request_id in ids)
    assert (good["status"], good["code"], good["path"]) == (200, "ok", "/remove-background/upload")
    assert good["timings"].keys() == set(UPLOAD_STEPS)
    assert (bad["status"], bad["code"]) == (422, "unsupported_image_type")
    assert not [line for line in service.log_lines() if line["level"] == "error"]


def test_downloads_overlap(service: Server, source: Source) -> None:
    """Four slow sources end together, and do not delay another request."""
    started = time.monotonic()
    threads = [
        threading.Thread(target=service.post, kwargs={"image_url": source.url("/slow")})
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    cutout_of(service.post(image_url=source.url("/photo.jpg")))
    assert time.monotonic() - started < 2
    for thread in threads:
        thread.join()
    assert time.monotonic() - started < 4


async def test_requests_over_the_limit_are_busy_and_none_is_lost(
    service: Server, photo: bytes
) -> None:
    url = service.url + UPLOAD
    responses = await send_at_once(30, lambda client: client.post(url, files={"image": photo}))
    accepted = [response for response in responses if response.status_code == 200]
    refused = [response for response in responses if response.status_code != 200]
    assert len(accepted) >= 16
    assert refused
    for response in refused:
        assert_error(response, 429, "busy")
    assert len({response.content for response in accepted}) == 1


@pytest.mark.slow
def test_requests_need_one_of_the_keys(photo: bytes) -> None:
    with serve(BGR_API_KEYS="key-one,key-two") as server:

        def post(headers: Any) -> httpx.Response:
            return server.request("POST", UPLOAD, files={"image": photo}, headers=headers)

        assert_error(server.upload(photo), 401, "unauthorized")
        for headers in (
            {"X-Api-Key": "key-on"},
            {"X-Api-Key": ""},
            {"Authorization": "key-one"},
            {"X-Api-Key": "ключ"},
        ):
            raw = {name: value.encode() for name, value in headers.items()}
            assert_error(post(raw), 401, "unauthorized")
        for headers in (
            {"X-Api-Key": "key-one"},
            {"Authorization": "Bearer key-two"},
            {"authorization": "bearer key-one"},
        ):
            assert post(headers).status_code == 200
        assert server.get("/health").status_code == 200
        with (
            bentoml.SyncHTTPClient(server.url, token="key-one") as client,
            pytest.raises(Exception, match="url_not_allowed"),
        ):
            client.remove_background(image_url="http://10.0.0.1/")
