"""Every error code can be provoked, and every setting changes what a running service does."""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
from PIL import Image

from pipeline.errors import BackgroundRemovalError
from pipeline.processors import available_processors
from pipeline.weights import SAMPLE
from serving.responses import STATUSES
from serving.settings import PREFIX, Settings
from tests.contract.conftest import Unfinished
from tests.support.application import ASK_FOR_A_DEFECT, run_application
from tests.support.concurrency import active_request
from tests.support.images import cutout_of, encoded
from tests.support.links import KEY as URL_KEY
from tests.support.links import link
from tests.support.raw_http import send_no_body
from tests.support.scripts import run_python
from tests.support.serving import UPLOAD, URL, Server, assert_error, serve
from tests.support.source import Source

KEY, ORIGIN = "a-key", "https://app.example.com"
MAX_SOURCE_BYTES, MAX_PIXELS = 2_000_000, 16_000_000
DEADLINE, DOWNLOAD_TIMEOUT = 4.0, 1.0
CACHE_SECONDS = 123
THREADS = available_processors() + 3


@dataclass(frozen=True)
class Services:
    """What provocations need: a service with every setting changed, one with none, and a source."""

    changed: Server
    default: Server
    source: Source
    unfinished: Unfinished
    late: tuple[httpx.Response, float]  # to a request without its body, and its seconds
    rembg_home: Path


@pytest.fixture(scope="module")
def services(
    default_service: Server, source: Source, unfinished: Unfinished, rembg_home: Path
) -> Iterator[Services]:
    """Serve with every setting changed, apart from the model's."""
    with serve(
        BGR_MAX_SOURCE_BYTES=str(MAX_SOURCE_BYTES),
        BGR_MAX_PIXELS=str(MAX_PIXELS),
        BGR_DEADLINE=str(DEADLINE),
        BGR_DOWNLOAD_TIMEOUT=str(DOWNLOAD_TIMEOUT),
        BGR_MAX_WAITING="1",
        BGR_THREADS=str(THREADS),
        BGR_ALLOWED_PRIVATE_HOSTS=f"127.0.0.1:{source.port}",
        BGR_API_KEYS=KEY,
        BGR_CORS_ORIGINS=ORIGIN,
        BGR_URL_KEYS=f"{'o' * 32},{URL_KEY}",
        BGR_CACHE_SECONDS=str(CACHE_SECONDS),
        BGR_REMOVEBG="off",
    ) as server:
        server.headers["X-Api-Key"] = KEY
        late = send_no_body(server, f"X-Api-Key: {KEY}".encode())
        yield Services(server, default_service, source, unfinished, late, rembg_home)


def resized(width: int, height: int) -> bytes:
    """Return the sample at another size, as JPEG."""
    return encoded(Image.open(SAMPLE).resize((width, height)), "JPEG", quality=60)


def fetch(path: str) -> Callable[[Services], httpx.Response]:
    """Return a provocation: send the URL of a path of the source."""
    return lambda services: services.changed.post(image_url=services.source.url(path))


def upload(image: bytes, **fields: str) -> Callable[[Services], httpx.Response]:
    """Return a provocation: upload an image."""
    return lambda services: services.changed.upload(image, **fields)


def exceed_the_places(services: Services) -> httpx.Response:
    """Send an upload while a slow download holds the only place."""
    with active_request(services.changed, services.source.url("/slow")):
        return services.changed.upload(SAMPLE.read_bytes())


def exhaust_the_memory(services: Services) -> httpx.Response:
    """Upload an image while the worker may not allocate more."""
    worker, image = psutil.Process(services.changed.worker()), resized(4000, 4000)
    assert services.changed.upload(image).status_code == 200
    time.sleep(0.5)  # the worker frees the image
    unlimited = worker.rlimit(psutil.RLIMIT_AS)
    worker.rlimit(psutil.RLIMIT_AS, (worker.memory_info().vms, unlimited[1]))
    try:
        return services.changed.upload(image)
    finally:
        worker.rlimit(psutil.RLIMIT_AS, unlimited)


def cause_a_defect(_: Services) -> httpx.Response:
    """Let a step of the pipeline raise TypeError."""
    (status, body, headers), _log = run_application(ASK_FOR_A_DEFECT)
    return httpx.Response(status, headers=headers, content=json.dumps(body))


PROVOCATIONS: dict[str, Callable[[Services], httpx.Response]] = {
    "invalid_request": lambda services: services.changed.post(),
    "invalid_url": lambda services: services.changed.post(image_url="ftp://a.com/x.png"),
    "url_not_allowed": lambda services: services.changed.post(image_url="http://10.0.0.1/"),
    "unauthorized": lambda services: services.changed.request(
        "POST", URL, json={}, headers={"X-Api-Key": "other"}
    ),
    "invalid_signature": lambda services: services.changed.get(URL),
    "expired_signature": lambda services: services.changed.get(link("http://a.com/", expires="1")),
    "not_found": lambda services: services.changed.get("/nothing"),
    "method_not_allowed": lambda services: services.changed.request("PUT", URL),
    "request_too_large": upload(bytes(2 * MAX_SOURCE_BYTES)),
    "unsupported_media_type": lambda services: services.changed.request("POST", UPLOAD, json={}),
    "source_http_error": fetch("/status/404"),
    "too_many_redirects": fetch("/redirect/4"),
    "source_too_large": fetch("/endless"),
    "empty_source": upload(b""),
    "unsupported_encoding": fetch("/gzip"),
    "unsupported_image_type": upload(b"<svg/>"),
    "image_corrupt": upload(SAMPLE.read_bytes()[:20_000]),
    "image_too_large": upload(encoded(Image.new("1", (4000, 4001)))),
    # A side of a WebP has 16,383 pixels at most.
    "format_unsupported": upload(resized(16_400, 120), format="webp", crop="false"),
    "no_subject_found": upload(encoded(Image.new("RGB", (64, 64), "red"))),
    "busy": exceed_the_places,
    "internal_error": cause_a_defect,
    "source_unreachable": fetch("/short"),
    "shutting_down": lambda services: services.unfinished.response,
    "out_of_memory": exhaust_the_memory,
    "source_timeout": fetch("/slow"),
    "deadline_exceeded": lambda services: services.late[0],
}


@pytest.mark.parametrize("error", STATUSES, ids=[error.code for error in STATUSES])
def test_every_code_can_be_provoked(
    error: type[BackgroundRemovalError], services: Services
) -> None:
    assert_error(PROVOCATIONS[error.code](services), STATUSES[error], error.code)
    assert services.changed.get("/health").status_code == 200


def max_source_bytes(services: Services) -> None:
    """A source may have exactly the limit."""
    for size, code in ((0, "unsupported_image_type"), (1, "source_too_large")):
        services.source.files["/zeros"] = bytes(MAX_SOURCE_BYTES + size)
        assert_error(fetch("/zeros")(services), 422, code)


def max_pixels(services: Services) -> None:
    """An image may have exactly the limit."""
    for height, code in ((4000, "no_subject_found"), (4001, "image_too_large")):
        image = encoded(Image.new("1", (MAX_PIXELS // 4000, height)))
        assert_error(services.changed.upload(image), 422, code)


def deadline(services: Services) -> None:
    """A request ends at the deadline."""
    response, seconds = services.late
    assert_error(response, 504, "deadline_exceeded")
    assert DEADLINE - 0.1 < seconds < Settings().deadline


def download_timeout(services: Services) -> None:
    """A download ends before the deadline."""
    started = time.monotonic()
    assert_error(fetch("/slow")(services), 504, "source_timeout")
    assert DOWNLOAD_TIMEOUT - 0.1 < time.monotonic() - started < Settings().download_timeout


def drain(services: Services) -> None:
    """A stopping service waits for its requests for this long."""
    assert_error(services.unfinished.response, 503, "shutting_down")
    assert 0.4 < services.unfinished.seconds < Settings().drain


def max_waiting(services: Services) -> None:
    """One place: the second request is refused."""
    assert_error(exceed_the_places(services), 429, "busy")


def threads(services: Services) -> None:
    """The worker has more threads than by default."""
    counts = []
    for server in (services.changed, services.default):
        assert server.upload(SAMPLE.read_bytes()).status_code == 200
        counts.append(psutil.Process(server.worker()).num_threads())
    assert counts[0] - counts[1] >= THREADS - Settings().threads


def allowed_private_hosts(services: Services) -> None:
    """The source on loopback is allowed, but not by default."""
    url = services.source.url("/photo.jpg")
    assert services.changed.post(image_url=url).status_code == 200
    assert_error(services.default.post(image_url=url), 400, "url_not_allowed")


def api_keys(services: Services) -> None:
    """A key is required, but not by default."""
    wrong = {"X-Api-Key": "other"}
    refused = services.changed.request("POST", URL, json={}, headers=wrong)
    assert_error(refused, 401, "unauthorized")
    assert_error(services.changed.post(), 400, "invalid_request")
    assert_error(services.default.post(), 400, "invalid_request")


def url_keys(services: Services) -> None:
    """Links are answered without an API key, but by default there are none."""
    path = link(services.source.url("/photo.jpg"))
    assert services.changed.get(path, headers={"X-Api-Key": ""}).status_code == 200
    assert_error(services.default.get(path), 405, "method_not_allowed")


def cache_seconds(services: Services) -> None:
    """Caches may keep the response to a link for this long."""
    found = services.changed.get(link(services.source.url("/photo.jpg")))
    assert found.headers["cache-control"].startswith(f"public, max-age={CACHE_SECONDS},")


def cors_origins(services: Services) -> None:
    """Pages of the origin may read responses, but not by default."""
    allowed = "access-control-allow-origin"
    headers = {"Origin": ORIGIN}
    assert services.changed.get("/health", headers=headers).headers[allowed] == ORIGIN
    assert allowed not in services.default.get("/health", headers=headers).headers


def removebg(services: Services) -> None:
    """remove.bg's routes do not exist, but they do by default."""
    for path in ("/v1.0/account", "/v1.0/removebg"):
        assert_error(services.changed.get(path), 404, "not_found")
        assert path not in services.changed.get("/docs.json").json()["paths"]
    assert services.default.get("/v1.0/account").status_code == 200


def model(services: Services) -> None:
    """A model of rembg gives the same mask, without a confidence."""
    fields = {"subject": "all", "crop": "false", "output": "mask", "passes": "1"}
    with serve(BGR_MODEL="rembg:u2netp", U2NET_HOME=str(services.rembg_home)) as other:
        theirs, ours = (
            server.upload(SAMPLE.read_bytes(), **fields) for server in (other, services.default)
        )
    difference = np.asarray(cutout_of(theirs)).astype(int) - np.asarray(cutout_of(ours))
    assert np.abs(difference).max() <= 1
    assert "X-Subject-Confidence" in ours.headers
    assert "X-Subject-Confidence" not in theirs.headers


def model_file(_: Services) -> None:
    """The setup reads the weights from this file alone."""
    with tempfile.TemporaryDirectory() as home:
        settings = {"BGR_MODEL_FILE": str(SAMPLE), "BENTOML_HOME": home}
        with pytest.raises(AssertionError, match="BGR_MODEL_FILE"):
            run_python("-m", "pipeline.weights", settings=settings)


EFFECTS: dict[str, Callable[[Services], None]] = {
    effect.__name__: effect
    for effect in (
        max_source_bytes,
        max_pixels,
        deadline,
        download_timeout,
        drain,
        max_waiting,
        threads,
        allowed_private_hosts,
        api_keys,
        url_keys,
        cache_seconds,
        cors_origins,
        removebg,
        model,
        model_file,
    )
}


@pytest.mark.sampled
@pytest.mark.parametrize(
    "setting",
    Settings.model_fields,
    ids=[PREFIX + name.upper() for name in Settings.model_fields],
)
def test_every_setting_changes_what_the_service_does(setting: str, services: Services) -> None:
    EFFECTS[setting](services)
