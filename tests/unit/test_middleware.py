"""The middleware as a whole: log lines, metrics, CORS, and what holds no place."""

import asyncio
import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from serving import lifecycle
from serving.end_reasons import EndReason
from serving.logging import LOGGER, JSONFormatter
from serving.middleware import RequestMiddleware, create_middleware
from serving.parsing import UPLOAD_ENDPOINT
from serving.runtime import Runtime
from tests.unit.asgi import (
    Blocked,
    Connection,
    Endpoint,
    post,
    read_and_respond,
    read_and_wait,
    respond_404,
)

ORIGIN = "https://app.example.com"


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """The lines of the log, parsed."""
    lines: list[dict[str, Any]] = []

    class Recorder(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(json.loads(JSONFormatter().format(record)))

    monkeypatch.setattr(LOGGER, "handlers", [Recorder()])
    level = LOGGER.level
    LOGGER.setLevel(logging.INFO)
    yield lines
    LOGGER.setLevel(level)


async def test_a_request_has_one_log_line(log: list[dict[str, Any]]) -> None:
    await post(Endpoint(read_and_respond), Connection([b"0"]))
    (line,) = log
    assert (line["method"], line["path"], line["status"]) == ("POST", UPLOAD_ENDPOINT, 200)
    assert (line["message"], line["code"], line["timings"]) == ("request", "ok", {})
    assert line["milliseconds"] >= 0
    assert len(line["request_id"]) == 16


@pytest.mark.parametrize("path", ["/health", "/healthz", "/livez", "/readyz", "/metrics"])
async def test_a_probe_is_logged_only_if_it_fails(path: str, log: list[dict[str, Any]]) -> None:
    get: dict[str, Any] = {"path": path, "method": "GET", "headers": []}
    await post(Response("fine"), Connection([]), **get)
    assert log == []
    await post(respond_404, Connection([]), **get)
    assert [line["status"] for line in log] == [404]


async def test_a_defect_is_a_500_and_logged_with_its_traceback(log: list[dict[str, Any]]) -> None:
    async def fail(request: Request) -> Response:
        raise TypeError("ours")

    connection = Connection([b"0"])
    await post(Endpoint(fail), connection)
    assert (connection.status, connection.code) == (500, "internal_error")
    defect, request = log
    assert (defect["level"], request["code"]) == ("error", "internal_error")
    assert "TypeError: ours" in defect["traceback"]
    assert defect["request_id"] == request["request_id"]


async def test_a_request_is_counted_by_its_endpoint_and_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runtime, counted = Runtime({}), []
    monkeypatch.setattr(runtime.metrics, "count_request", lambda *labels: counted.append(labels))
    await post(Endpoint(read_and_respond), Connection([b"0"]), runtime)
    await post(Endpoint(read_and_respond), Connection([b"0" * 2_000]), runtime)
    await post(respond_404, Connection([b"0"]), runtime)  # no endpoint admits it
    assert counted == [(UPLOAD_ENDPOINT, "ok"), (UPLOAD_ENDPOINT, "request_too_large")]


async def test_a_refused_request_keeps_no_place() -> None:
    runtime, endpoint = Runtime({"BGR_MAX_WAITING": "1"}), Endpoint(read_and_wait)
    holding = asyncio.create_task(post(endpoint, Connection([b"0"]), runtime))
    await endpoint.active()
    for _ in range(3):
        refused = Connection([b"0"])
        await post(Endpoint(read_and_respond), refused, runtime)
        assert (refused.status, refused.code) == (429, "busy")
    assert runtime.queue.active == 1
    holding.cancel()


@pytest.mark.parametrize("path", [UPLOAD_ENDPOINT, "/prefix" + UPLOAD_ENDPOINT])
async def test_limits_belong_to_the_endpoint_whatever_the_path(path: str) -> None:
    large = Connection([b"0" * 600] * 2)
    await post(Endpoint(read_and_respond), large, path=path, root_path="/prefix")
    assert (large.status, large.code) == (413, "request_too_large")
    stranger = Connection([b"0"])
    runtime = Runtime({"BGR_API_KEYS": "key"})
    await post(Endpoint(read_and_respond), stranger, runtime, path=path)
    assert (stranger.status, stranger.code) == (401, "unauthorized")


@pytest.mark.parametrize(
    "reason", [EndReason.DEADLINE, EndReason.BODY_TOO_LARGE, EndReason.SHUTTING_DOWN]
)
async def test_an_error_that_nobody_reads_holds_no_place_and_no_memory(
    reason: EndReason, aborted: list[Scope], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "ERROR_WRITE_TIMEOUT", 0.1)
    runtime, endpoint = Runtime({"BGR_MAX_WAITING": "1"}), Endpoint(read_and_wait)
    task = asyncio.create_task(post(endpoint, Blocked([b"0"], takes=0), runtime))
    request = await endpoint.active()
    request.end(reason)
    await asyncio.sleep(0.01)
    assert (runtime.queue.active, runtime.budget.held, task.done()) == (0, 0, False)
    await asyncio.wait_for(task, 5)
    assert len(aborted) == 1


async def test_no_response_takes_for_ever_admitted_or_not(
    aborted: list[Scope], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "WRITE_TIMEOUT", 0.05)
    page = Response(b"x" * 1_000_000)
    await asyncio.wait_for(post(page, Blocked([], takes=2), method="GET", headers=[]), 5)
    assert len(aborted) == 1


async def test_a_web_socket_is_closed() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    await RequestMiddleware(respond_404, Runtime({}))(
        {"type": "websocket", "path": "/"}, receive, send
    )
    assert [message["type"] for message in sent] == ["websocket.close"]


async def test_the_start_and_the_stop_reach_the_app() -> None:
    reached: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append(scope["type"])

    connection = Connection([])
    await RequestMiddleware(app, Runtime({}))(
        {"type": "lifespan"}, connection.receive, connection.send
    )
    assert reached == ["lifespan"]


async def preflight(runtime: Runtime) -> httpx.Response:
    transport = httpx.ASGITransport(create_middleware(respond_404, runtime))
    headers = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        return await client.options(UPLOAD_ENDPOINT, headers=headers)


async def test_a_configured_origin_may_call_from_a_page() -> None:
    response = await preflight(Runtime({"BGR_CORS_ORIGINS": ORIGIN}))
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN


@pytest.mark.parametrize("origins", ["", "https://another.example.com"])
async def test_any_other_origin_may_not(origins: str) -> None:
    response = await preflight(Runtime({"BGR_CORS_ORIGINS": origins}))
    assert response.status_code >= 400
    assert "Access-Control-Allow-Origin" not in response.headers
