"""remove.bg's routes without a server: what they read, hold and answer."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.errors import NoSubjectFound, SourceTimeout
from pipeline.image.box import Box
from pipeline.request_timer import RequestTimer
from pipeline.weights import SAMPLE
from serving.early_refusal import EarlyRefusal
from serving.errors import NotFound
from serving.removebg import routes
from serving.removebg.routes import RemovebgAPI, Work
from serving.runtime import REMOVEBG_ENDPOINT, Runtime
from tests.unit.asgi import Connection, Place, post

pytestmark = pytest.mark.usefixtures("composed")

JSON = b"application/json"
URL = {"image_url": "http://a.com/x"}


class Worker:
    """The routes, whose downloads and pipeline are a few lines."""

    def __init__(self, **settings: str) -> None:
        self.runtime = Runtime(settings)
        self.api = RemovebgAPI(self.runtime)
        self.api.start(self, self)  # type: ignore[arg-type]
        self.downloaded: list[str] = []
        self.sizes = {"http://a.com/x": 100_000, "http://a.com/b": 50_000}
        self.held = 0

    async def download(self, url: str, reserve: Any) -> bytes:
        self.downloaded.append(url)
        if url not in self.sizes:
            raise SourceTimeout
        for _ in range(10):
            await reserve(self.sizes[url] // 10)
        return bytes(self.sizes[url])

    def run(self, work: Callable[[Any], Any], is_shared: bool) -> Any:
        self.held = self.runtime.budget.held
        return work("a slot")

    async def request(
        self, body: bytes = b"", path: str = "/removebg", **headers: str
    ) -> Connection:
        """Send a request below /v1.0: a POST with a JSON body, or a GET without one."""
        connection = Connection([body])
        fields = {"content-type": JSON.decode(), "transfer-encoding": "chunked"} | headers
        raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()]
        method = "POST" if body else "GET"
        sending = post(self.api, connection, self.runtime, path, headers=raw, method=method)
        await asyncio.wait_for(sending, 5)
        return connection

    async def ask(self, *, accept: str = "*/*", **fields: object) -> Connection:
        """POST /v1.0/removebg."""
        return await self.request(json.dumps(fields).encode(), accept=accept)


def code_of(connection: Connection) -> str:
    """Return the code of an error, which has the headers of every response."""
    assert {b"x-ratelimit-limit", b"x-ratelimit-remaining", b"x-ratelimit-reset"} <= {
        *connection.headers
    }
    (error,) = json.loads(connection.body)["errors"]
    code: str = error["code"]
    return code


@pytest.fixture
def composed(monkeypatch: pytest.MonkeyPatch) -> list[Work]:
    """Replace the pipeline; return the work that it was given."""
    from pipeline.canvas.compose_image import Composed

    works: list[Work] = []

    def compose(work: Work, max_pixels: int, timer: RequestTimer, slot: Any) -> Composed:
        assert (max_pixels, slot) == (25_000_000, "a slot")
        works.append(work)
        if work.parameters.size == "hd":
            raise NoSubjectFound
        return Composed(b"PNG", "image/png", 3, 4, Box(1, 2, 3, 4), (5, 6))

    monkeypatch.setattr(routes, "_compose", compose)
    return works


async def test_an_image_at_a_url_is_downloaded_and_composed(composed: list[Work]) -> None:
    worker = Worker()
    connection = await worker.ask(**URL, crop=True)
    assert (connection.status, connection.body) == (200, b"PNG")
    assert connection.headers[b"x-credits-charged"] == b"0"
    assert connection.headers[b"x-ratelimit-remaining"] == b"15"
    ((work),) = composed
    assert (work.image, work.backdrop, work.parameters.crop) == (bytes(100_000), None, True)
    assert worker.held == 100_000  # the download, and the body no more
    assert (worker.runtime.queue.active, worker.runtime.budget.held) == (0, 0)


async def test_json_is_sent_to_who_accepts_nothing_else() -> None:
    connection = await Worker().ask(accept="application/json", **URL)
    assert json.loads(connection.body)["data"]["result_b64"] == "UE5H"


async def test_a_background_is_downloaded_by_the_same_guard(composed: list[Work]) -> None:
    worker = Worker()
    await worker.ask(**URL, bg_image_url="http://a.com/b")
    assert worker.downloaded == ["http://a.com/x", "http://a.com/b"]
    assert composed[0].backdrop == bytes(50_000)
    assert worker.held == 150_000


async def test_both_downloads_share_the_limit_of_a_source() -> None:
    worker = Worker(BGR_MAX_SOURCE_BYTES="149999")
    connection = await worker.ask(**URL, bg_image_url="http://a.com/b")
    assert (connection.status, code_of(connection)) == (400, "file_too_large")
    assert "background" in json.loads(connection.body)["errors"][0]["title"]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "missing_source"),
        ({**URL, "image_file_b64": "AAAA"}, "multiple_sources"),
        ({**URL, "size": "x"}, "invalid_size"),
        ({**URL, "bg_color": "red", "bg_image_url": "http://a.com/b"}, "multiple_bg_sources"),
        ({**URL, "bg_image_url": "http://a.com/lost"}, "failed_bg_download"),
        ({"image_url": "http://a.com/lost"}, "failed_image_download"),
        ({**URL, "size": "hd"}, "unknown_foreground"),
    ],
)
async def test_errors(fields: dict[str, Any], code: str) -> None:
    worker = Worker()
    connection = await worker.ask(**fields)
    assert (connection.status, code_of(connection)) == (400, code)
    assert worker.runtime.queue.active == 0


async def test_a_transparent_color_is_no_second_background() -> None:
    connection = await Worker().ask(**URL, bg_color="fff0", bg_image_url="http://a.com/b")
    assert connection.status == 200


async def test_a_key_is_needed_if_keys_are_set() -> None:
    worker = Worker(BGR_API_KEYS="key")
    for path, body in (("/removebg", b"{}"), ("/account", b"")):
        connection = await worker.request(body, path)
        assert (connection.status, code_of(connection)) == (403, "auth_failed")
    assert (await worker.request(b"", "/account", x_api_key="key")).status == 200


async def test_the_account_has_no_credits() -> None:
    connection = await Worker().request(b"", "/account")
    attributes = json.loads(connection.body)["data"]["attributes"]
    assert attributes["credits"] == {"total": 0, "subscription": 0, "payg": 0, "enterprise": 0}
    assert attributes["api"] == {"free_calls": 0, "sizes": "all"}
    assert connection.headers[b"x-ratelimit-limit"] == b"16"


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/improve", b"{}", 404, "not_found"),
        ("/removebg", b"", 405, "method_not_allowed"),
        ("/account", b"{}", 405, "method_not_allowed"),
    ],
)
async def test_other_paths_and_methods(path: str, body: bytes, status: int, code: str) -> None:
    connection = await Worker().request(body, path)
    assert (connection.status, code_of(connection)) == (status, code)
    assert (b"allow" in connection.headers) == (status == 405)


async def test_a_full_or_closing_queue_answers_in_their_shape() -> None:
    worker = Worker()
    for _ in range(worker.runtime.settings.max_waiting):
        worker.runtime.queue.admit(_Guest())
    connection = await worker.ask(**URL)
    assert (connection.status, code_of(connection)) == (429, "rate_limit_exceeded")
    assert connection.headers[b"retry-after"] == b"1"
    assert connection.headers[b"x-ratelimit-remaining"] == b"0"
    await worker.runtime.queue.drain(0)
    connection = await worker.ask(**URL)
    assert (connection.status, code_of(connection)) == (503, "shutting_down")


class _Guest:
    """A request that stays."""

    holds_place = True

    def shut_down(self) -> None: ...


async def test_a_body_over_its_limit_is_a_file_that_is_too_large() -> None:
    worker = Worker(BGR_MAX_SOURCE_BYTES="10")
    connection = await worker.ask(image_file_b64="A" * 100_000)
    assert (connection.status, code_of(connection)) == (400, "file_too_large")


async def test_a_defect_is_an_error_in_their_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "_compose", None)
    connection = await Worker().ask(**URL)
    assert (connection.status, code_of(connection)) == (500, "internal_error")


async def test_a_refusal_before_the_routes_has_their_shape_of_errors() -> None:
    runtime = Runtime({"BGR_MAX_WAITING": "1", "BGR_API_KEYS": "key"})
    refusal = EarlyRefusal(runtime, {REMOVEBG_ENDPOINT: RemovebgAPI(runtime).admit})
    runtime.queue.admit(Place())
    scope = {"type": "http", "method": "POST", "path": REMOVEBG_ENDPOINT}
    assert refusal.takes(scope)
    for headers, code in (([], "auth_failed"), ([(b"x-api-key", b"key")], "rate_limit_exceeded")):
        connection = Connection([b"{}"])
        await refusal({**scope, "headers": headers}, connection.receive, connection.send)
        assert code_of(connection) == code


def test_a_full_queue_does_not_show_routes_that_are_off() -> None:
    with pytest.raises(NotFound):
        RemovebgAPI(Runtime({"BGR_REMOVEBG": "off"})).admit(None)  # type: ignore[arg-type]


async def test_the_routes_can_be_switched_off() -> None:
    worker = Worker(BGR_REMOVEBG="off")
    for path, body in (("/removebg", b"{}"), ("/account", b"")):
        connection = await worker.request(body, path)
        assert (connection.status, connection.code) == (404, "not_found")


def test_a_background_that_cannot_be_decoded_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    from pipeline.engine import Slot
    from pipeline.request_timer import RequestTimer
    from serving.removebg.errors import BackdropFailed
    from serving.removebg.parameters import parse_parameters

    slot = Slot(None)  # type: ignore[arg-type]
    timer = RequestTimer(deadline=float("inf"))
    image = SAMPLE.read_bytes()
    for backdrop, code in ((b"no image", "invalid_file_type"), (image[:900], None)):
        work = Work(parse_parameters({}), image, backdrop, False)
        with pytest.raises(BackdropFailed) as caught:
            routes._compose(work, 25_000_000, timer, slot)
        assert caught.value.answer.code == (code or "failed_to_read_image")
        assert "background" in caught.value.answer.title
    assert list(timer.milliseconds) == ["backdrop"]
