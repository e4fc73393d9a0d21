"""The BentoML service without a server: what it declares, and a request through its methods."""

import asyncio
import json
import signal
from typing import Any

import bentoml
import pytest
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

import service
from pipeline.errors import NoSubjectFound
from pipeline.image.box import Box
from pipeline.memory import WORKER_ENVIRONMENT
from pipeline.options import Options
from pipeline.remove_background import Cutout
from pipeline.request_timer import RequestTimer
from serving.runtime import Runtime
from tests.unit.asgi import Connection, post

CUTOUT = Cutout(b"PNG", "image/png", 3, 4, Box(1, 2, 3, 4), 0.5, parts=1, source_pixels=12)
HEAD = b"--b\r\nContent-Disposition: form-data; "
FORM = HEAD + b'name="margin"\r\n\r\n5\r\n'
FORM += HEAD + b'name="image"; filename="a"\r\n\r\nan image\r\n--b--\r\n'


class Worker:
    """The methods of a worker whose pipeline and downloads are a few lines."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.worked: list[tuple[bytes, Options]] = []
        self.downloaded: list[str] = []
        self.error: Exception | None = None
        self.held = 0
        inner: Any = service.BackgroundRemover.inner  # type: ignore[attr-defined]
        self.methods = object.__new__(inner)
        self.methods._process = self._process
        self.methods._downloader = self

    async def download(self, url: str, reserve: Any) -> bytes:
        self.downloaded.append(url)
        await reserve(100_000)
        return b"downloaded"

    def _process(self, source: service.Source, timer: RequestTimer, is_shared: bool) -> Cutout:
        self.worked.append(source)
        self.held = self.runtime.budget.held
        if self.error is not None:
            raise self.error
        with timer.step("decode"):
            return CUTOUT

    async def respond(self, method: str, content_type: bytes, *body: bytes) -> Connection:
        """Send a request to one of the methods."""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            response = await getattr(self.methods, method)(Request(scope, receive))
            await response(scope, receive, send)

        connection = Connection(body)
        headers = [(b"content-type", content_type), (b"transfer-encoding", b"chunked")]
        await asyncio.wait_for(post(app, connection, self.runtime, headers=headers), 5)
        return connection

    async def upload(self) -> Connection:
        """Send a form."""
        content_type = b"multipart/form-data; boundary=b"
        return await self.respond("remove_background_upload", content_type, FORM)


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    """A worker with the default settings."""
    runtime = Runtime({"BGR_DRAIN": "0.05"})
    monkeypatch.setattr(service, "runtime", runtime)
    return Worker(runtime)


async def test_an_upload_is_cut_out(worker: Worker) -> None:
    connection = await worker.upload()
    assert (connection.status, connection.body) == (200, b"PNG")
    assert worker.worked == [(b"an image", Options(margin=5))]
    timings = connection.headers[b"server-timing"].decode().split(", ")
    assert [step.partition(";")[0] for step in timings] == ["receive", "wait", "decode"]
    assert (worker.runtime.queue.active, worker.runtime.budget.held) == (0, 0)


async def test_an_image_at_a_url_is_downloaded_and_cut_out(worker: Worker) -> None:
    body = b'{"image_url": "http://a.com/x", "margin": 5}'
    connection = await worker.respond("remove_background", b"application/json", body)
    assert (connection.status, connection.body) == (200, b"PNG")
    assert worker.downloaded == ["http://a.com/x"]
    ((image, options),) = worker.worked
    assert (image, options.margin) == (b"downloaded", 5)
    assert worker.held == 100_000  # the download, and the body no more


async def test_an_error_of_the_work_is_the_response(worker: Worker) -> None:
    worker.error = NoSubjectFound()
    assert ((await worker.upload()).status, (await worker.upload()).code) == (
        422,
        "no_subject_found",
    )
    worker.error = TypeError("ours")
    assert (await worker.upload()).code == "internal_error"
    assert worker.runtime.queue.active == 0


async def test_an_image_that_was_cut_out_is_counted(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[int] = []
    monkeypatch.setattr(worker.runtime.metrics, "count_image", counted.append)
    await worker.upload()
    worker.error = NoSubjectFound()
    await worker.upload()
    assert counted == [12]


async def test_the_service_is_ready_until_sigterm(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    methods, ended = worker.methods, []
    monkeypatch.setattr(signal, "getsignal", lambda _: lambda *arguments: ended.append(arguments))
    await methods.watch()
    assert await methods.__is_ready__()
    signal.raise_signal(signal.SIGTERM)
    await asyncio.sleep(0.2)
    assert not await methods.__is_ready__()
    assert ended == [(signal.SIGTERM, None)]
    assert (await worker.upload()).code == "shutting_down"
    methods._sweeping.cancel()
    asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)


async def test_the_gauges_are_added_to_bentomls_metrics(worker: Worker) -> None:
    text = await worker.methods.__metrics__("theirs\n")
    assert text.startswith("theirs\n")
    assert "background_remover_requests_active 0.0" in text


async def test_health_is_ok() -> None:
    response = await service.health(Request({"type": "http"}))
    assert json.loads(bytes(response.body)) == {"status": "ok"}


async def test_the_documents_paths_are_the_ones_that_are_counted() -> None:
    response = await service.docs(Request({"type": "http"}))
    document = json.loads(bytes(response.body))
    assert {"/remove-background", "/remove-background/upload"} < document["paths"].keys()
    assert document["paths"].keys() <= service._COUNTED_PATHS


def test_the_worker_has_glibcs_settings() -> None:
    declared = service.BackgroundRemover.envs  # type: ignore[attr-defined]
    assert {variable.name: variable.value for variable in declared} == WORKER_ENVIRONMENT


def test_a_model_that_is_not_stored_stops_the_start() -> None:
    with pytest.raises(bentoml.exceptions.BentoMLException, match=r"u2netp:none .*make setup"):
        service.StoredModel("u2netp:none").resolve()


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"BGR_DEADLINE": "soon"}, "The setting BGR_DEADLINE is wrong"),
        pytest.param(
            {"BGR_MODEL": "rembg:nothing"}, "no local model of rembg", marks=pytest.mark.slow
        ),
    ],
)
def test_what_is_wrong_before_the_start_is_one_sentence(
    environment: dict[str, str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "configure_logging", lambda: None)
    monkeypatch.setattr(service, "runtime", Runtime(environment))
    with pytest.raises(bentoml.exceptions.BentoMLException, match=sentence):
        service.BackgroundRemover.inner.check()  # type: ignore[attr-defined]
