"""The middleware and the request's lifecycle alone, between a server and an app that are both a few lines."""

import asyncio
import gc
import json
import weakref
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from compat.uvicorn import Connections
from serving import lifecycle, request_body
from serving.end_reasons import EndReason
from serving.lifecycle import RequestLifecycle, request_context
from serving.middleware import RequestMiddleware
from serving.parsing import UPLOAD_ENDPOINT
from serving.runtime import Runtime

LIMIT = 1_000


class Connection:
    """A server's side of one request: what the client sends, how much of it was read, and what was sent back."""

    def __init__(self, parts: Iterable[bytes], is_whole: bool = True) -> None:
        self._parts = [*parts]
        self._is_whole = is_whole
        self.has_left = asyncio.Event()
        self.read = 0
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        if not self._parts:
            await self.has_left.wait()
            return {"type": "http.disconnect"}
        self.read += 1
        body = self._parts.pop(0)
        return {
            "type": "http.request",
            "body": body,
            "more_body": bool(self._parts) or not self._is_whole,
        }

    async def send(self, message: Message) -> None:
        self.sent.append({**message, "read": self.read})

    @property
    def status(self) -> int:
        status: int = self.sent[0]["status"]
        return status

    @property
    def code(self) -> str:
        code: str = json.loads(b"".join(message.get("body", b"") for message in self.sent[1:]))[
            "code"
        ]
        return code


async def nothing_there(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that answers 404 without reading."""
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"Not Found"})


def endpoint(respond: Callable[[Request], Awaitable[Response]]) -> ASGIApp:
    """An app of one endpoint, which admits each request and then does as it is told."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = request_context.get()
        request.admit(UPLOAD_ENDPOINT, LIMIT)
        try:
            response = await respond(Request(scope, receive))
        except ClientDisconnect:
            response = Response(status_code=499)
        request.code = "ok"
        await response(scope, receive, send)

    return app


async def read_and_respond(request: Request) -> Response:
    return JSONResponse(len(await request.body()))


async def read_and_wait(request: Request) -> Response:
    await request.body()
    await asyncio.Event().wait()
    raise AssertionError


async def post(
    app: ASGIApp,
    connection: Connection,
    runtime: Runtime | None = None,
    path: str = UPLOAD_ENDPOINT,
    **scope: Any,
) -> None:
    headers = [(b"transfer-encoding", b"chunked")]
    whole: Scope = {"type": "http", "method": "POST", "path": path, "headers": headers} | scope
    await RequestMiddleware(app, runtime or Runtime({}))(whole, connection.receive, connection.send)


def current(runtime: Runtime) -> RequestLifecycle:
    """The only request that is active."""
    (request,) = runtime.queue._requests
    assert isinstance(request, RequestLifecycle)
    return request


async def active(runtime: Runtime) -> RequestLifecycle:
    """The same, once it is."""
    async with asyncio.timeout(5):
        while not runtime.queue.active:
            await asyncio.sleep(0)
        for _ in range(10):
            await asyncio.sleep(0)
    return current(runtime)


async def test_a_body_that_begins_with_an_empty_part_is_read() -> None:
    connection = Connection([b"", b"0" * 100, b"", b"0" * 100])
    await asyncio.wait_for(post(endpoint(read_and_respond), connection), 5)
    assert connection.status == 200


async def test_a_response_before_the_bodys_end_is_whole_at_once_and_ends_after_it() -> None:
    connection = Connection([b"0" * 100] * 5)
    await post(nothing_there, connection, path="/nothing")
    start, body, end = connection.sent
    headers = dict(start["headers"])
    assert (start["status"], start["read"], headers[b"connection"]) == (404, 0, b"close")
    assert (len(body["body"]), body["read"], body["more_body"]) == (
        int(headers[b"content-length"]),
        0,
        True,
    )
    assert (end["body"], end["read"], end.get("more_body", False)) == (b"", 5, False)


async def test_a_refusal_keeps_no_place() -> None:
    runtime = Runtime({"BGR_MAX_WAITING": "1"})
    holding = asyncio.create_task(post(endpoint(read_and_wait), Connection([b"0"]), runtime))
    await active(runtime)
    for _ in range(3):
        refused = Connection([b"0"])
        await post(endpoint(read_and_respond), refused, runtime)
        assert (refused.status, refused.code) == (429, "busy")
    assert runtime.queue.active == 1
    holding.cancel()


async def test_what_is_dropped_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_body, "_LINGER_BYTES", 1000)
    endless = Connection([b"0" * 400] * 100)
    await post(nothing_there, endless)
    assert endless.read == 3
    assert not endless.sent[-1].get("more_body", False)


async def test_so_is_the_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_body, "_LINGER_SECONDS", 0.05)
    silent = Connection([b"0"], is_whole=False)
    async with asyncio.timeout(5):
        await post(nothing_there, silent)
    assert not silent.sent[-1].get("more_body", False)


@pytest.mark.parametrize("path", ["/nothing", UPLOAD_ENDPOINT, "/prefix" + UPLOAD_ENDPOINT])
async def test_what_no_endpoint_has_admitted_cannot_send_a_body(path: str) -> None:
    async def reads_all(scope: Scope, receive: Receive, send: Send) -> None:
        await Request(scope, receive).body()
        await JSONResponse("read")(scope, receive, send)

    connection = Connection([b"0"])
    await post(reads_all, connection, path=path)
    assert (connection.status, connection.code) == (413, "request_too_large")


@pytest.mark.parametrize("path", [UPLOAD_ENDPOINT, "/prefix" + UPLOAD_ENDPOINT])
async def test_the_limits_belong_to_the_endpoint_whatever_the_path(path: str) -> None:
    large = Connection([b"0" * 600] * 2)
    await post(endpoint(read_and_respond), large, path=path, root_path="/prefix")
    assert (large.status, large.code) == (413, "request_too_large")
    stranger = Connection([b"0"])
    await post(endpoint(read_and_respond), stranger, Runtime({"BGR_API_KEYS": "key"}), path=path)
    assert (stranger.status, stranger.code) == (401, "unauthorized")


ENDINGS = {
    EndReason.DEADLINE: (504, "deadline_exceeded", "deadline_exceeded"),
    EndReason.SHUTTING_DOWN: (503, "shutting_down", "shutting_down"),
    EndReason.SLOW_SENDER: (429, "busy", "client_too_slow"),
    EndReason.SLOW_SOURCE: (504, "source_timeout", "source_timeout"),
    EndReason.BODY_TOO_LARGE: (413, "request_too_large", "request_too_large"),
}


@pytest.mark.parametrize("reason", ENDINGS)
async def test_a_reason_ends_the_request_and_is_told(
    reason: EndReason, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime, connection = Runtime({}), Connection([b"0"])
    task = asyncio.create_task(post(endpoint(read_and_wait), connection, runtime))
    request = await active(runtime)
    request.end(reason)
    request.end(EndReason.CLIENT_LEFT)  # the first reason counts
    await asyncio.wait_for(task, 5)
    status, code, logged = ENDINGS[reason]
    assert (connection.status, connection.code, request.code) == (status, code, logged)
    assert (runtime.queue.active, runtime.budget.held) == (0, 0)


async def test_a_client_that_leaves_ends_the_request() -> None:
    runtime, connection = Runtime({}), Connection([b"0"])
    task = asyncio.create_task(post(endpoint(read_and_wait), connection, runtime))
    request = await active(runtime)
    connection.has_left.set()
    await asyncio.wait_for(task, 5)
    assert (request.code, request.response.status, connection.status) == ("client_left", 499, 499)


async def test_a_deadline_and_the_end_of_the_process_may_come_at_the_same_moment() -> None:
    """The one that ends the process must not raise what belongs to the other, nor the request become a defect."""
    runtime, connection = Runtime({"BGR_DEADLINE": "0.05"}), Connection([b"0"])
    task = asyncio.create_task(post(endpoint(read_and_wait), connection, runtime))
    request = await active(runtime)

    def at_the_same_moment() -> None:
        request.end(EndReason.DEADLINE)
        request.shut_down()

    asyncio.get_running_loop().call_later(0.05, at_the_same_moment)
    await asyncio.gather(task, runtime.queue.drain(0.05))
    assert connection.status == 504
    request.shut_down()  # ended long ago
    assert connection.status == 504


async def test_a_response_is_not_ended_by_what_comes_after_it() -> None:
    runtime, connection = Runtime({}), Connection([b"0"])
    seen: list[RequestLifecycle] = []

    async def respond(request: Request) -> Response:
        seen.append(request_context.get())
        return await read_and_respond(request)

    await post(endpoint(respond), connection, runtime)
    seen[0].end(EndReason.DEADLINE)
    assert (connection.status, seen[0].code, seen[0].reason) == (200, "ok", None)


async def test_a_defect_is_told_and_logged_under_the_requests_id(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail(request: Request) -> Response:
        raise TypeError("ours")

    connection = Connection([b"0"])
    await post(endpoint(fail), connection)
    assert (connection.status, connection.code) == (500, "internal_error")


async def test_a_reader_that_never_reads_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "WRITE_TIMEOUT", 0.05)
    runtime, connection = Runtime({}), Connection([b"0"])
    monkeypatch.setattr(connection, "send", lambda message: asyncio.Event().wait())
    seen: list[RequestLifecycle] = []

    async def respond(request: Request) -> Response:
        seen.append(request_context.get())
        return await read_and_respond(request)

    await asyncio.wait_for(post(endpoint(respond), connection, runtime), 5)
    assert (seen[0].reason, seen[0].code) == (EndReason.SLOW_READER, "client_too_slow")
    assert runtime.queue.active == 0


@pytest.mark.parametrize("reason", ENDINGS)
async def test_an_ended_request_leaves_nothing_behind(reason: EndReason) -> None:
    """A timer that outlives its request keeps all of it until it strikes, and a cycle until Python looks for cycles."""
    runtime, connection = Runtime({}), Connection([b"0"])
    task = asyncio.create_task(post(endpoint(read_and_wait), connection, runtime))
    left = weakref.ref(request := await active(runtime))
    gc.disable()
    try:
        request.end(reason)
        del request
        await asyncio.wait_for(task, 5)
        del task
        for _ in range(10):
            await asyncio.sleep(0)
        assert left() is None
    finally:
        gc.enable()


class Blocked(Connection):
    """A client that takes `parts` parts of a response, its head among them, and no more."""

    def __init__(self, parts: Iterable[bytes], takes: int, **of: Any) -> None:
        super().__init__(parts, **of)
        self._takes = takes

    async def send(self, message: Message) -> None:
        if len(self.sent) >= self._takes:
            await asyncio.Event().wait()
        await super().send(message)


@pytest.fixture
def aborted(monkeypatch: pytest.MonkeyPatch) -> list[Scope]:
    """The requests whose connections were dropped."""
    scopes: list[Scope] = []
    monkeypatch.setattr(Connections, "abort", lambda _, scope: scopes.append(scope))
    return scopes


async def test_a_response_is_complete_only_once_its_last_part_has_left(
    aborted: list[Scope],
) -> None:
    runtime, blocked = Runtime({}), Blocked([b"0"], takes=1)
    task = asyncio.create_task(post(endpoint(read_and_respond), blocked, runtime))
    request = await active(runtime)
    request.evict()
    await asyncio.wait_for(task, 5)
    assert (request.reason, request.code, len(aborted)) == (
        EndReason.SLOW_READER,
        "client_too_slow",
        1,
    )


@pytest.mark.parametrize(
    "reason", [EndReason.DEADLINE, EndReason.BODY_TOO_LARGE, EndReason.SHUTTING_DOWN]
)
async def test_an_error_that_nobody_reads_holds_nothing(
    reason: EndReason, aborted: list[Scope], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "ERROR_WRITE_TIMEOUT", 0.1)
    runtime, blocked = Runtime({"BGR_MAX_WAITING": "1"}), Blocked([b"0"], takes=0)
    task = asyncio.create_task(post(endpoint(read_and_wait), blocked, runtime))
    request = await active(runtime)
    request.end(reason)
    await asyncio.sleep(0.01)
    assert (runtime.queue.active, runtime.budget.held) == (
        0,
        0,
    )  # its place is free before its error is read
    await asyncio.wait_for(task, 5)
    assert len(aborted) == 1


async def test_no_response_takes_for_ever(
    aborted: list[Scope], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor one of a request that was never admitted: a page, a metric, a refusal."""
    monkeypatch.setattr(lifecycle, "WRITE_TIMEOUT", 0.05)

    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(b"x" * 1_000_000)(scope, receive, send)

    await asyncio.wait_for(post(page, Blocked([], takes=2), method="GET", headers=[]), 5)
    assert len(aborted) == 1


async def test_a_refusal_that_is_held_open_ends(
    aborted: list[Scope], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_body, "_LINGER_SECONDS", 0.05)
    monkeypatch.setattr(lifecycle, "ERROR_WRITE_TIMEOUT", 0.05)
    await asyncio.wait_for(post(nothing_there, Blocked([b"0"], takes=2, is_whole=False)), 5)
    assert len(aborted) == 1


async def test_an_app_that_is_cancelled_by_others_gives_its_place_back() -> None:
    runtime = Runtime({})

    async def cancelled(request: Request) -> Response:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await post(endpoint(cancelled), Connection([b"0"]), runtime)
    assert runtime.queue.active == 0


async def test_a_web_socket_is_refused() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    await RequestMiddleware(nothing_there, Runtime({}))(
        {"type": "websocket", "path": "/"}, receive, send
    )
    assert [message["type"] for message in sent] == ["websocket.close"]


async def test_an_empty_body_is_whole() -> None:
    connection = Connection([b""])
    await post(nothing_there, connection, headers=[(b"content-length", b"0")])
    assert b"connection" not in dict(connection.sent[0]["headers"])
