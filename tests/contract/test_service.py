"""The contract, from outside, through a running `bentoml serve`."""

import csv
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

from serving.responses import STATUSES
from tests.support.images import FEATURELESS, encoded
from tests.support.serving import Server, assert_error, gather, serve
from tests.support.source import Source


def upload_raw(service: Server, **arguments: Any) -> httpx.Response:
    return httpx.post(
        f"{service.url}/remove-background/upload", trust_env=False, timeout=30, **arguments
    )


def picture(response: httpx.Response) -> Image.Image:
    assert response.status_code == 200, response.text
    image = Image.open(io.BytesIO(response.content))
    image.load()
    return image


def test_a_photo_by_url(service: Server, source: Source) -> None:
    response = service.post(image_url=source.url("/photo.jpg?token=secret"))
    image = picture(response)
    headers = response.headers
    assert headers["content-type"] == "image/png"
    assert image.format == "PNG"
    assert image.mode == "RGBA"
    assert image.size == (int(headers["X-Width"]), int(headers["X-Height"]))
    assert image.size == (int(headers["X-Foreground-Width"]), int(headers["X-Foreground-Height"]))
    assert int(headers["X-Foreground-Left"]) + image.width <= 512
    assert int(headers["X-Foreground-Top"]) + image.height <= 512
    assert float(headers["X-Subject-Confidence"]) > 0.95
    steps = [part.split(";dur=") for part in headers["Server-Timing"].split(", ")]
    assert [name for name, _ in steps] == [
        "download",
        "wait",
        "decode",
        "segment",
        "select",
        "encode",
    ]
    assert all(float(took) >= 0 for _, took in steps)
    assert not image.info.keys() & {"exif", "icc_profile", "comment"}
    pixels = np.asarray(image)
    assert not pixels[pixels[..., 3] == 0].any()
    assert service.logged("request_id", headers["X-BentoML-Request-ID"])
    assert "secret" not in service.log.read_text()


def test_the_same_picture_by_upload(service: Server, source: Source, photo: bytes) -> None:
    by_url = service.post(image_url=source.url("/photo.jpg"))
    by_upload = service.upload(photo)
    assert by_url.content == by_upload.content
    assert service.upload(photo).content == by_upload.content


def test_options(service: Server, source: Source, photo: bytes) -> None:
    options = {
        "subject": "all",
        "crop": False,
        "margin": 3,
        "edges": "raw",
        "output": "mask",
        "format": "webp",
        "background": "#fff",
    }
    mask = picture(service.post(image_url=source.url("/photo.jpg"), **options))
    assert (mask.format, mask.size) == ("WEBP", (512, 512))
    bare = {
        "subject": "all",
        "crop": "false",
        "margin": "3",
        "edges": "raw",
        "output": "mask",
        "format": "webp",
        "background": "#fff",
    }
    encoded_json = {name: json.dumps(value) for name, value in options.items()}
    assert service.upload(photo, **bare).content == service.upload(photo, **encoded_json).content
    cut = picture(service.upload(photo, margin="20"))
    tight = picture(service.upload(photo))
    assert cut.width >= tight.width
    assert cut.height > tight.height
    assert picture(service.upload(photo, background="#0f0")).mode == "RGB"
    assert picture(service.upload(photo, background="null")).mode == "RGBA"


def test_bentomls_client(service: Server, source: Source, photo: bytes, tmp_path: Path) -> None:
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


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("ftp://a.com/x.png", "invalid_url"),
        ("http://a..com/", "invalid_url"),
        ("http://a.com/" + "x" * 2048, "invalid_url"),
        ("http://127.0.0.1/x.png", "url_not_allowed"),
        ("http://169.254.169.254/latest/meta-data", "url_not_allowed"),
        ("http://[::ffff:127.0.0.1]/", "url_not_allowed"),
        ("http://user@a.com/x.png", "url_not_allowed"),
        ("http://a.com:22/x.png", "url_not_allowed"),
        ("http://localhost/x.png", "url_not_allowed"),
    ],
)
def test_urls(service: Server, url: str, code: str) -> None:
    assert_error(service.post(image_url=url), 400, code)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/status/404", 422, "source_http_error"),
        ("/status/500", 502, "source_unreachable"),
        ("/redirect/4", 422, "too_many_redirects"),
        ("/to?http://10.0.0.1/", 400, "url_not_allowed"),
        ("/gzip", 422, "unsupported_encoding"),
        ("/endless", 422, "source_too_large"),
        ("/short", 502, "source_unreachable"),
        ("/slow", 504, "source_timeout"),
        ("/drip", 504, "source_timeout"),
    ],
)
def test_sources(service: Server, source: Source, path: str, status: int, code: str) -> None:
    assert_error(service.post(image_url=source.url(path)), status, code)


def test_pictures(service: Server, source: Source, photo: bytes) -> None:
    source.files["/empty"] = b""
    assert_error(service.post(image_url=source.url("/empty")), 422, "empty_source")
    assert_error(service.upload(b"<svg/>"), 422, "unsupported_image_type")
    assert_error(service.upload(photo[:20_000]), 422, "image_corrupt")
    assert_error(service.upload(encoded(Image.new("L", (5001, 5000)))), 422, "image_too_large")
    for pixels in FEATURELESS.values():
        assert_error(
            service.upload(encoded(Image.fromarray(pixels.astype(np.uint8)))),
            422,
            "no_subject_found",
        )
    large = Image.open(io.BytesIO(photo)).resize((4000, 3500))
    response = service.upload(encoded(large, "JPEG"), format="webp", crop="false")
    assert_error(response, 422, "format_unsupported")


def status_and_code(response: httpx.Response) -> tuple[str, str]:
    """As the corpus' table writes them."""
    return str(response.status_code), "-" if response.status_code == 200 else response.json()[
        "code"
    ]


@pytest.mark.parametrize("every", [8, pytest.param(1, marks=pytest.mark.slow)])
def test_the_rows_of_the_corpus(every: int, service: Server, data: Path) -> None:
    """All 692 through the service take two minutes."""
    folder = data / "corpus"
    with (folder / "index.tsv").open() as table:
        rows = list(csv.DictReader(table, delimiter="\t"))[::every]
    wrong = []
    for row in rows:
        status, code = status_and_code(service.upload((folder / row["path"]).read_bytes()))
        if status not in row["expected_status"].split("|") or code not in row[
            "expected_code"
        ].split("|"):
            wrong.append((row["path"], row["expected_status"], row["expected_code"], status, code))
    assert rows
    assert not wrong


AWKWARD = {
    "bomb_16384x16384.png": "image_too_large",
    "bomb_20000x14000_gray_280MP.jpg": "image_too_large",
    "full_transparent.png": "no_subject_found",
    "heic_iphone_IMG_2682.heic": "unsupported_image_type",
    "p3_tiny.png": "no_subject_found",  # 8 × 8 of one colour
    "prophoto_tiny.png": "no_subject_found",  # 1 × 1
    "truncated.jpg": "image_corrupt",
    "truncated.png": "image_corrupt",
    "webp_big_height.webp": "no_subject_found",  # 13 × 169, all white
}


def test_every_awkward_picture(service: Server, source: Source, data: Path) -> None:
    files = sorted((data / "awkward").iterdir())
    codes = {}
    for file in files:
        source.files[f"/awkward/{file.name}"] = file.read_bytes()
        response = service.post(image_url=source.url(f"/awkward/{file.name}"))
        if response.status_code != 200:
            codes[file.name] = response.json()["code"]
    assert files
    assert codes == {
        name: code for name, code in AWKWARD.items() if (data / "awkward" / name).exists()
    }


@pytest.mark.parametrize("folder", ["photos", "photos/large", "groundtruth/people/images"])
def test_every_photo_has_a_clear_subject(service: Server, data: Path, folder: str) -> None:
    files = sorted((data / folder).glob("*.jpg"))
    assert files
    for file in files:
        response = service.upload(file.read_bytes())
        assert float(response.headers["X-Subject-Confidence"]) > 0.8, file.name
        assert picture(response).getbbox() == (0, 0, *picture(response).size), file.name


def test_every_refused_url(service: Server, data: Path) -> None:
    """Refused before any look-up or connection; what a name resolves to is judged in tests/unit/test_download.py."""
    rows = json.loads((data / "ssrf" / "urls.json").read_text())
    refused = [row for row in rows if row["expect"] != "allowed" and row["group"] != "dns-stub"]
    assert refused
    wrong = [
        row["url"]
        for row in refused
        if service.post(image_url=row["url"]).json()["code"] != row["expect"]
    ]
    assert not wrong


def test_other_routes(service: Server) -> None:
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
        response = httpx.request(method, f"{service.url}{path}", trust_env=False)
        assert_error(response, 405, "method_not_allowed")
        assert allow in response.headers["allow"]


def test_cors(service: Server) -> None:
    origin = {"Origin": "https://app.stylespire.com"}
    preflight = httpx.options(
        f"{service.url}/remove-background",
        headers={
            **origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type",
        },
        trust_env=False,
    )
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == origin["Origin"]
    refused = httpx.post(
        f"{service.url}/remove-background", json={}, headers=origin, trust_env=False
    )
    assert_error(refused, 400, "invalid_request")
    assert refused.headers["access-control-allow-origin"] == origin["Origin"]
    assert "X-Foreground-Left" in refused.headers["access-control-expose-headers"]
    stranger = httpx.post(
        f"{service.url}/remove-background",
        json={},
        headers={"Origin": "https://evil.com"},
        trust_env=False,
    )
    assert "access-control-allow-origin" not in stranger.headers


def test_every_log_line_is_json_and_each_request_has_one(service: Server, photo: bytes) -> None:
    ids = [
        service.upload(photo).headers["X-BentoML-Request-ID"],
        service.upload(b"x").headers["X-BentoML-Request-ID"],
    ]
    good, bad = (service.logged("request_id", request_id)[0] for request_id in ids)
    assert (good["status"], good["code"], good["path"]) == (200, "ok", "/remove-background/upload")
    assert good["timings"].keys() == {"receive", "wait", "decode", "segment", "select", "encode"}
    assert (bad["status"], bad["code"]) == (422, "unsupported_image_type")
    assert not [line for line in service.log_lines() if line["level"] == "error"]


def test_downloads_overlap(service: Server, source: Source) -> None:
    """Two slow sources end together, and a picture sent meanwhile does not wait for them."""
    started = time.monotonic()
    threads = [
        threading.Thread(target=service.post, kwargs={"image_url": source.url("/slow")})
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    picture(service.post(image_url=source.url("/photo.jpg")))
    assert time.monotonic() - started < 2
    for thread in threads:
        thread.join()
    assert time.monotonic() - started < 4


async def test_busy_past_the_limit_and_nothing_is_lost(service: Server, photo: bytes) -> None:
    url = f"{service.url}/remove-background/upload"
    responses = await gather(30, lambda client: client.post(url, files={"image": photo}))
    answered = [response for response in responses if response.status_code == 200]
    refused = [response for response in responses if response.status_code != 200]
    assert len(answered) >= 16
    assert refused
    for response in refused:
        assert_error(response, 429, "busy")
    assert len({response.content for response in answered}) == 1


def test_deadline_and_threads(photo: bytes, source: Source) -> None:
    with serve(
        BGR_DEADLINE="2", BGR_THREADS="1", BGR_ALLOWED_PRIVATE_HOSTS=f"127.0.0.1:{source.port}"
    ) as server:
        assert_error(server.post(image_url=source.url("/slow")), 504, "deadline_exceeded")
        assert server.upload(photo).status_code == 200


def test_api_keys(photo: bytes) -> None:
    with serve(BGR_API_KEYS="key-one,key-two") as server:

        def post(headers: Any) -> httpx.Response:
            url = f"{server.url}/remove-background/upload"
            return httpx.post(
                url, files={"image": photo}, headers=headers, timeout=30, trust_env=False
            )

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


def test_every_error_of_the_tree_is_answered_somewhere() -> None:
    """Each code of the contract is provoked by a test; InternalError and OutOfMemory need a defect or a machine without memory."""
    text = "".join(file.read_text() for file in Path(__file__).parent.glob("test_*.py"))
    missing = [
        error.code
        for error in STATUSES
        if f'"{error.code}"' not in text and error.__name__ not in text
    ]
    assert missing == []


@pytest.mark.usefixtures("rembg_session")
def test_a_model_of_rembgs(service: Server, photo: bytes) -> None:
    fields = {"subject": "all", "crop": "false", "output": "mask"}
    with serve(BGR_MODEL="rembg:u2netp") as server:
        theirs, ours = (
            np.asarray(picture(one.upload(photo, **fields))).astype(int)
            for one in (server, service)
        )
    assert np.abs(theirs - ours).max() <= 1
