"""The body of a request: its limit, its memory, and what is left of it after an early response."""

import asyncio

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from serving import lifecycle, request_body
from serving.parsing import UPLOAD_ENDPOINT
from serving.runtime import Runtime
from tests.unit import asgi
from tests.unit.asgi import (
    BODY_LIMIT,
    Blocked,
    Connection,
    Endpoint,
    post,
    read_and_respond,
    respond_404,
)


async def test_empty_parts_do_not_end_a_body() -> None:
    connection = Connection([b"", b"0" * 100, b"", b"0" * 100])
    await asyncio.wait_for(post(Endpoint(read_and_respond), connection), 5)
    assert (connection.status, connection.body) == (200, b"200")


@pytest.mark.parametrize(("size", "status"), [(BODY_LIMIT, 200), (BODY_LIMIT + 1, 413)])
async def test_the_limit_applies_to_all_parts_together(size: int, status: int) -> None:
    connection = Connection([b"0" * (size - 500), b"0" * 500])
    await post(Endpoint(read_and_respond), connection)
    assert connection.status == status


async def test_a_body_of_declared_size_over_the_limit_is_refused_unread() -> None:
    connection = Connection([b"0"])
    declared = [(b"content-length", str(BODY_LIMIT + 1).encode())]
    await post(Endpoint(read_and_respond), connection, headers=declared)
    assert (connection.status, connection.code) == (413, "request_too_large")
    assert connection.sent[0]["read"] == 0


@pytest.mark.parametrize("path", ["/nothing", UPLOAD_ENDPOINT, "/prefix" + UPLOAD_ENDPOINT])
async def test_a_request_that_no_endpoint_admits_cannot_send_a_body(path: str) -> None:
    async def read_all(scope: Scope, receive: Receive, send: Send) -> None:
        await Request(scope, receive).body()
        await JSONResponse("read")(scope, receive, send)

    connection = Connection([b"0"])
    await post(read_all, connection, path=path)
    assert (connection.status, connection.code) == (413, "request_too_large")


async def test_the_bytes_of_a_body_are_reserved() -> None:
    runtime, endpoint = Runtime({}), Endpoint(asgi.read_and_wait)
    task = asyncio.create_task(post(endpoint, Connection([b"0" * 300] * 3), runtime))
    await endpoint.active()
    assert runtime.budget.held == 900
    task.cancel()


async def test_an_early_response_is_sent_at_once_and_ended_after_the_body() -> None:
    connection = Connection([b"0" * 100] * 5)
    await post(respond_404, connection, path="/nothing")
    start, body, end = connection.sent
    assert (start["status"], start["read"], connection.headers[b"connection"]) == (404, 0, b"close")
    assert (body["read"], body["more_body"]) == (0, True)
    assert len(body["body"]) == int(connection.headers[b"content-length"])
    assert (end["body"], end["read"], end.get("more_body", False)) == (b"", 5, False)


async def test_a_bounded_number_of_bytes_is_discarded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_body, "_LINGER_BYTES", 1000)
    endless = Connection([b"0" * 400] * 100)
    await post(respond_404, endless)
    assert endless.read == 3
    assert endless.is_ended


async def test_the_rest_of_a_body_is_waited_for_a_bounded_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(request_body, "_LINGER_SECONDS", 0.05)
    silent = Connection([b"0"], is_whole=False)
    async with asyncio.timeout(5):
        await post(respond_404, silent)
    assert silent.is_ended


async def test_a_client_that_neither_sends_nor_reads_is_aborted(
    aborted: list[Scope], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_body, "_LINGER_SECONDS", 0.05)
    monkeypatch.setattr(lifecycle, "ERROR_WRITE_TIMEOUT", 0.05)
    await asyncio.wait_for(post(respond_404, Blocked([b"0"], takes=2, is_whole=False)), 5)
    assert len(aborted) == 1


@pytest.mark.parametrize(
    ("headers", "is_whole"),
    [
        ([], True),
        ([(b"content-length", b"0")], True),
        ([(b"content-length", b"1")], False),
        ([(b"transfer-encoding", b"chunked")], False),
    ],
)
async def test_a_request_has_a_body_if_a_header_says_so(
    headers: list[tuple[bytes, bytes]], is_whole: bool
) -> None:
    connection = Connection([b"0"])
    await post(respond_404, connection, headers=headers)
    assert (b"connection" not in connection.headers) == is_whole


async def test_a_client_that_disconnects_while_it_sends_ends_the_request() -> None:
    connection, endpoint = Connection([b"0"], is_whole=False), Endpoint(read_and_respond)
    connection.has_left.set()
    await asyncio.wait_for(post(endpoint, connection), 5)
    assert endpoint.requests[0].code == "client_left"


async def test_after_the_body_the_app_is_told_of_a_disconnect() -> None:
    async def read_twice(request: Request) -> Response:
        await request.body()
        return JSONResponse((await request.receive())["type"])

    connection = Connection([b"0"])
    await asyncio.wait_for(post(Endpoint(read_twice), connection), 5)
    assert connection.body == b'"http.disconnect"'
