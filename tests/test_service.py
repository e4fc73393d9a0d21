"""The contract, from outside, through a running `bentoml serve`."""

import asyncio
import contextlib
import csv
import io
import json
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bentoml
import httpx
import numpy as np
import pytest
from PIL import Image

from pipeline.errors import BackgroundRemovalError
from tests.conftest import Source, encoded, grainy
from tests.serving import Server, command, environment, free_port, serve
from tests.test_subject import FEATURELESS


def assert_error(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The one shape of errors: a sentence and a code, and nothing that should stay inside."""
    assert (response.status_code, response.json().get("code")) == (status, code), response.text
    body: dict[str, Any] = response.json()
    assert body.keys() == {"error", "code", "status"} if code == "source_http_error" else {"error", "code"}
    assert response.headers["content-type"] == "application/json"
    assert re.fullmatch(r"[0-9a-f]{16}", response.headers["X-BentoML-Request-ID"])
    assert body["error"].endswith(".")
    assert not re.search(r"127\.0\.0\.1|Traceback|/[a-z]+/[a-z]+\.py|0x[0-9a-f]{6}", body["error"])
    assert ("retry-after" in response.headers) == (status in (429, 503))
    return body


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
    assert [name for name, _ in steps] == ["download", "decode", "segment", "select", "encode"]
    assert all(float(took) >= 0 for _, took in steps)
    assert not image.info.keys() & {"exif", "icc_profile", "comment"}
    pixels = np.asarray(image)
    assert not pixels[pixels[..., 3] == 0].any()
    log = service.log.read_text()
    assert headers["X-BentoML-Request-ID"] in log
    assert "secret" not in log


def test_the_same_picture_by_upload(service: Server, source: Source, photo: bytes) -> None:
    by_url = service.post(image_url=source.url("/photo.jpg"))
    by_upload = service.upload(photo)
    assert by_url.content == by_upload.content
    assert service.upload(photo).content == by_upload.content


def test_options(service: Server, source: Source, photo: bytes) -> None:
    options = {"subject": "all", "crop": False, "margin": 3, "output": "mask", "format": "webp", "background": "#fff"}
    mask = picture(service.post(image_url=source.url("/photo.jpg"), **options))
    assert (mask.format, mask.size) == ("WEBP", (512, 512))
    bare = {"subject": "all", "crop": "false", "margin": "3", "output": "mask", "format": "webp", "background": "#fff"}
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
        mask = client.remove_background_upload(image=file, subject="all", output="mask", margin=4, crop=True)
        assert Image.open(io.BytesIO(mask)).mode == "L"
        with pytest.raises(bentoml.exceptions.BentoMLException, match="url_not_allowed"):
            client.remove_background(image_url="http://10.0.0.1/x.png")


INVALID: list[dict[str, Any]] = [
    {},
    {"image_url": 5},
    {"image_url": None},
    {"image_url": "http://a.com/x?token=secret", "unknown": 1},
    {"image_url": "http://a.com/x", "margin": 501},
    {"image_url": "http://a.com/x", "margin": -1},
    {"image_url": "http://a.com/x", "margin": "5"},
    {"image_url": "http://a.com/x", "margin": 1e400},
    {"image_url": "http://a.com/x", "crop": "yes"},
    {"image_url": "http://a.com/x", "subject": "smallest"},
    {"image_url": "http://a.com/x", "output": "video"},
    {"image_url": "http://a.com/x", "format": "gif"},
    {"image_url": "http://a.com/x", "background": "red"},
    {"image_url": "http://a.com/x", "background": "#12345"},
]


@pytest.mark.parametrize("body", [json.dumps(body) for body in INVALID] + ["", "[]", "5", "null", "{", '"x"', "[" * 30_000, "\0"])
def test_invalid_json(service: Server, body: str) -> None:
    headers = {"content-type": "application/json"}
    response = httpx.post(f"{service.url}/remove-background", content=body, headers=headers, trust_env=False)
    assert_error(response, 400, "invalid_request")
    assert "secret" not in response.text + service.log.read_text()


@pytest.mark.parametrize(
    "fields",
    [{"margin": "501"}, {"margin": "x"}, {"crop": "maybe"}, {"unknown": "1"}, {"background": "red"}, {"subject": '"none"'}],
)
def test_invalid_form(service: Server, photo: bytes, fields: dict[str, str]) -> None:
    assert_error(service.upload(photo, **fields), 400, "invalid_request")


def upload_raw(service: Server, **arguments: Any) -> httpx.Response:
    return httpx.post(f"{service.url}/remove-background/upload", trust_env=False, timeout=30, **arguments)


def test_forms_without_one_file(service: Server, source: Source, photo: bytes) -> None:
    asked = len(source.requests)
    boundary = {"content-type": "multipart/form-data; boundary=x"}
    bad = [
        upload_raw(service, files={"other": photo}),
        upload_raw(service, files=[("image", photo), ("image", photo)]),
        upload_raw(service, files={"image": (None, source.url("/photo.jpg"))}),
        upload_raw(service, files={"image": photo, "subject": ("subject", b"all")}),
        upload_raw(service, files={"image": photo}, data={f"field{number}": "x" for number in range(100)}),
        upload_raw(service, content=b"--x\r\nbroken", headers=boundary),
        upload_raw(service, content=b"", headers=boundary),
        upload_raw(service, content=b"x", headers={"content-type": "multipart/form-data"}),
    ]
    for response in bad:
        assert_error(response, 400, "invalid_request")
    assert len(source.requests) == asked
    assert_error(service.upload(b""), 422, "empty_source")


@pytest.mark.parametrize(
    "media_type", ["text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "image/png"]
)
def test_media_types(service: Server, media_type: str) -> None:
    headers = {"content-type": media_type}
    response = httpx.post(f"{service.url}/remove-background", content=b"{}", headers=headers, trust_env=False)
    assert_error(response, 415, "unsupported_media_type")
    if not media_type.startswith("multipart"):
        assert_error(upload_raw(service, content=b"{}", headers=headers), 415, "unsupported_media_type")


def test_bodies_over_the_limit(service: Server) -> None:
    headers = {"content-type": "application/json"}
    url = f"{service.url}/remove-background"
    assert_error(httpx.post(url, content=b" " * 65_537, headers=headers, trust_env=False), 413, "request_too_large")
    chunked = httpx.post(url, content=iter([b" " * 40_000] * 2), headers=headers, trust_env=False)
    assert_error(chunked, 413, "request_too_large")
    sent = 0

    def chunks() -> Any:
        nonlocal sent
        for _ in range(2_000):
            sent += 65_536
            yield b" " * 65_536

    with contextlib.suppress(httpx.TransportError):  # the service may hang up before all was sent
        assert_error(httpx.post(url, content=chunks(), headers=headers, trust_env=False), 413, "request_too_large")
    assert sent < 100_000_000
    assert_error(service.upload(b"\xff\xd8\xff" + b"\0" * 20_000_000), 413, "request_too_large")
    assert_error(service.upload(b"\xff\xd8\xff" + b"\0" * 30_000_000), 413, "request_too_large")


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
        assert_error(service.upload(encoded(Image.fromarray(pixels.astype(np.uint8)))), 422, "no_subject_found")
    large = Image.open(io.BytesIO(photo)).resize((4000, 3500))
    response = service.upload(encoded(large, "JPEG"), format="webp", crop="false")
    assert_error(response, 422, "format_unsupported")


def status_and_code(response: httpx.Response) -> tuple[str, str]:
    """As the corpus' table writes them."""
    return str(response.status_code), "-" if response.status_code == 200 else response.json()["code"]


def test_every_row_of_the_corpus(service: Server, data: Path) -> None:
    folder = data / "corpus"
    with (folder / "index.tsv").open() as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    wrong = []
    for row in rows:
        status, code = status_and_code(service.upload((folder / row["path"]).read_bytes()))
        if status not in row["expected_status"].split("|") or code not in row["expected_code"].split("|"):
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
    assert codes == {name: code for name, code in AWKWARD.items() if (data / "awkward" / name).exists()}


@pytest.mark.parametrize("folder", ["photos", "photos/large", "groundtruth/people/images"])
def test_every_photo_has_a_clear_subject(service: Server, data: Path, folder: str) -> None:
    files = sorted((data / folder).glob("*.jpg"))
    assert files
    for file in files:
        response = service.upload(file.read_bytes())
        assert float(response.headers["X-Subject-Confidence"]) > 0.8, file.name
        assert picture(response).getbbox() == (0, 0, *picture(response).size), file.name


def test_every_refused_url(service: Server, data: Path) -> None:
    """Refused before any look-up or connection; what a name resolves to is judged in tests/test_download.py."""
    rows = json.loads((data / "ssrf" / "urls.json").read_text())
    refused = [row for row in rows if row["expect"] != "allowed" and row["group"] != "dns-stub"]
    assert refused
    wrong = [row["url"] for row in refused if service.post(image_url=row["url"]).json()["code"] != row["expect"]]
    assert not wrong


def test_other_routes(service: Server) -> None:
    health = service.get("/health")
    assert (health.status_code, health.json()) == (200, {"status": "ok"})
    for path in ("/livez", "/readyz", "/metrics", "/docs.json", "/schema.json", "/"):
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


def test_openapi_names_both_routes_and_every_option(service: Server) -> None:
    document = service.get("/docs.json").json()
    for path, media_type, field in (
        ("/remove-background", "application/json", "image_url"),
        ("/remove-background/upload", "multipart/form-data", "image"),
    ):
        schema = document["paths"][path]["post"]["requestBody"]["content"][media_type]["schema"]
        assert set(schema["properties"]) == {field, "subject", "crop", "margin", "output", "format", "background"}
        assert schema["required"] == [field]


def test_cors(service: Server) -> None:
    origin = {"Origin": "https://app.stylespire.com"}
    preflight = httpx.options(
        f"{service.url}/remove-background",
        headers={**origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"},
        trust_env=False,
    )
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == origin["Origin"]
    refused = httpx.post(f"{service.url}/remove-background", json={}, headers=origin, trust_env=False)
    assert_error(refused, 400, "invalid_request")
    assert refused.headers["access-control-allow-origin"] == origin["Origin"]
    assert "X-Foreground-Left" in refused.headers["access-control-expose-headers"]
    stranger = httpx.post(f"{service.url}/remove-background", json={}, headers={"Origin": "https://evil.com"}, trust_env=False)
    assert "access-control-allow-origin" not in stranger.headers


def test_every_log_line_is_json_and_each_request_has_one(service: Server, photo: bytes) -> None:
    ids = [service.upload(photo).headers["X-BentoML-Request-ID"], service.upload(b"x").headers["X-BentoML-Request-ID"]]
    good, bad = (service.logged("request_id", request_id)[0] for request_id in ids)
    assert (good["status"], good["code"], good["path"]) == (200, "ok", "/remove-background/upload")
    assert good["timings"].keys() == {"download", "decode", "segment", "select", "encode"}
    assert (bad["status"], bad["code"]) == (422, "unsupported_image_type")
    assert not [line for line in service.log_lines() if line["level"] == "error"]


def test_downloads_overlap(service: Server, source: Source) -> None:
    """Two slow sources end together, and a picture sent meanwhile does not wait for them."""
    started = time.monotonic()
    threads = [threading.Thread(target=service.post, kwargs={"image_url": source.url("/slow")}) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    picture(service.post(image_url=source.url("/photo.jpg")))
    assert time.monotonic() - started < 2
    for thread in threads:
        thread.join()
    assert time.monotonic() - started < 4


async def gather(count: int, request: Callable[[httpx.AsyncClient], Any]) -> list[httpx.Response]:
    async with httpx.AsyncClient(timeout=60, trust_env=False, limits=httpx.Limits(max_connections=None)) as client:
        return list(await asyncio.gather(*(request(client) for _ in range(count))))


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


def test_callers_who_hang_up_do_not_hold_the_stop_back(photo: bytes) -> None:
    with serve() as server:  # its end fails where the service does not stop
        address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
        head = b"POST /remove-background/upload HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        body = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n' + photo + b"\r\n--b--\r\n"
        request = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
        for length in (len(head), len(head) + 40, len(request) // 2, len(request), len(request)):
            with socket.create_connection(address) as connection:
                connection.sendall(request[:length])
                time.sleep(0.05)
        assert len(server.logged("code", "caller_left", at_least=3)) >= 3


async def test_a_caller_who_leaves_frees_its_place(service: Server, source: Source, photo: bytes) -> None:
    async def leave(client: httpx.AsyncClient) -> httpx.Response:
        with pytest.raises(httpx.ReadTimeout):
            await client.post(f"{service.url}/remove-background", json={"image_url": source.url("/slow")}, timeout=0.5)
        return httpx.Response(499)

    await gather(16, leave)
    await asyncio.sleep(0.3)
    assert service.upload(photo).status_code == 200
    assert service.logged("code", "caller_left")


def test_callers_who_do_not_read_make_way_for_others(photo: bytes) -> None:
    """Their answers are held within the bound; then they are cut off, and the service goes on as if they had never been."""
    picture_of_12_megapixels = encoded(grainy(12), "JPEG", quality=90)
    body = (
        b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n' + picture_of_12_megapixels + b"\r\n--b--\r\n"
    )
    head = b"POST /remove-background/upload HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    with serve() as server, contextlib.ExitStack() as connections:
        for _ in range(4):
            connection = connections.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", int(server.url.rpartition(":")[2])))
            connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        end = time.monotonic() + 20
        while not server.logged("code", "caller_too_slow") and time.monotonic() < end:
            assert server.upload(photo).status_code == 200
        assert server.upload(photo).status_code == 200
        assert {line["level"] for line in server.log_lines()} == {"info"}


def test_deadline_and_threads(photo: bytes, source: Source) -> None:
    with serve(BGR_DEADLINE="0.4", BGR_THREADS="1", BGR_ALLOWED_PRIVATE_HOSTS=f"127.0.0.1:{source.port}") as server:
        assert_error(server.post(image_url=source.url("/slow")), 504, "deadline_exceeded")
        assert server.upload(photo).status_code == 200


def test_api_keys(photo: bytes) -> None:
    with serve(BGR_API_KEYS="key-one,key-two") as server:
        assert_error(server.upload(photo), 401, "unauthorized")
        for headers in ({"X-Api-Key": "key-on"}, {"X-Api-Key": ""}, {"Authorization": "key-one"}, {"X-Api-Key": "ключ"}):
            raw = {name: value.encode() for name, value in headers.items()}
            assert_error(upload_raw(server, files={"image": photo}, headers=raw), 401, "unauthorized")
        for headers in ({"X-Api-Key": "key-one"}, {"Authorization": "Bearer key-two"}, {"authorization": "bearer key-one"}):
            assert upload_raw(server, files={"image": photo}, headers=headers).status_code == 200
        assert server.get("/health").status_code == 200
        with bentoml.SyncHTTPClient(server.url, token="key-one") as client, pytest.raises(Exception, match="url_not_allowed"):
            client.remove_background(image_url="http://10.0.0.1/")


def test_sigterm_finishes_what_is_inside(photo: bytes, source: Source) -> None:
    with serve(BGR_ALLOWED_PRIVATE_HOSTS=f"127.0.0.1:{source.port}") as server:
        answers: list[httpx.Response] = []
        inside = threading.Thread(target=lambda: answers.append(server.post(image_url=source.url("/slow"))))
        inside.start()
        time.sleep(0.5)
        os.kill(server.worker(), signal.SIGTERM)
        time.sleep(0.2)
        assert_error(server.get("/readyz"), 503, "shutting_down")
        assert_error(server.upload(photo), 503, "shutting_down")
        inside.join()
        assert answers[0].status_code == 200
    with serve(BGR_ALLOWED_PRIVATE_HOSTS=f"127.0.0.1:{source.port}", BGR_DRAIN="0.5") as server:
        inside = threading.Thread(target=lambda: answers.append(server.post(image_url=source.url("/slow"))))
        inside.start()
        time.sleep(0.5)
        server.process.send_signal(signal.SIGTERM)
        inside.join()
        assert_error(answers[1], 503, "shutting_down")
        assert server.process.wait(20) == 0


def start_and_fail(**settings: str) -> tuple[int, str]:
    import subprocess

    result = subprocess.run(
        command(".", free_port()), env=environment(**settings), capture_output=True, text=True, timeout=60, check=False
    )
    return result.returncode, result.stdout + result.stderr


def test_a_wrong_setting_stops_the_start_with_one_sentence() -> None:
    status, output = start_and_fail(BGR_MAX_PIXELS="many")
    assert status == 1
    assert "BGR_MAX_PIXELS is wrong" in output
    assert "Traceback" not in output


def test_a_missing_or_damaged_model_stops_the_start_with_one_sentence(tmp_path: Path, model_file: Path) -> None:
    status, output = start_and_fail(BENTOML_HOME=str(tmp_path))
    assert status == 1
    assert "make setup" in output
    assert "Traceback" not in output
    import shutil

    shutil.copytree(model_file.parents[3], tmp_path / "home", ignore=shutil.ignore_patterns("bentos", "tmp"))
    (tmp_path / "home" / model_file.relative_to(model_file.parents[3])).write_bytes(b"damaged")
    status, output = start_and_fail(BENTOML_HOME=str(tmp_path / "home"))
    assert status == 1
    assert "damaged" in output
    assert "Traceback" not in output


def test_every_error_of_the_tree_is_answered_somewhere() -> None:
    """Each code of the contract is provoked by a test; InternalError and OutOfMemory need a defect or a machine without memory."""
    text = "".join(file.read_text() for file in Path(__file__).parent.glob("test_*.py"))
    missing = [
        error.code
        for error in BackgroundRemovalError.__subclasses__()
        if f'"{error.code}"' not in text and error.__name__ not in text
    ]
    assert missing == []


@pytest.mark.usefixtures("rembg_session")
def test_a_model_of_rembgs(service: Server, photo: bytes) -> None:
    fields = {"subject": "all", "crop": "false", "output": "mask"}
    with serve(BGR_MODEL="rembg:u2netp") as server:
        theirs, ours = (np.asarray(picture(one.upload(photo, **fields))).astype(int) for one in (server, service))
    assert np.abs(theirs - ours).max() <= 1


def test_an_unknown_model_of_rembgs_stops_the_start_with_one_sentence() -> None:
    status, output = start_and_fail(BGR_MODEL="rembg:nothing")
    assert status == 1
    assert "there are: " in output
    assert "Traceback" not in output


def test_slow_body_ends_at_the_deadline() -> None:
    with (
        serve(BGR_DEADLINE="1") as server,
        socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as connection,
    ):
        connection.sendall(
            b"POST /remove-background HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        )
        connection.settimeout(5)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))  # until the service closes the connection
        assert b" 504 " in answer
        assert b"deadline_exceeded" in answer
