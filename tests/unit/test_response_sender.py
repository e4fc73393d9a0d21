"""Responses on their way to the client: headers, parts, and the errors of other frameworks."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from serving.errors import InvalidRequest
from serving.parsing import UPLOAD_ENDPOINT
from serving.response_sender import ResponseSender
from serving.responses import error_response
from tests.unit.asgi import Connection, Endpoint, post

PART = 64 * 1024


def bare(status: int, **headers: str) -> Response:
    """Return a response as BentoML or Starlette send it."""
    return Response("bare", status, headers=headers)


async def sent(response: Response) -> Connection:
    """Send a response through the middleware."""
    connection = Connection([])
    await post(response, connection, method="GET", headers=[])
    return connection


@pytest.mark.parametrize(
    ("status", "sent_status", "code"),
    [
        (404, 404, "not_found"),
        (405, 405, "method_not_allowed"),
        (415, 415, "unsupported_media_type"),
        (416, 400, "invalid_request"),
        (400, 400, "invalid_request"),
        (500, 500, "internal_error"),
        (502, 500, "internal_error"),
        (503, 503, "shutting_down"),
    ],
)
async def test_a_bare_error_is_replaced(status: int, sent_status: int, code: str) -> None:
    connection = await sent(bare(status))
    assert (connection.status, connection.code) == (sent_status, code)
    assert connection.headers[b"content-type"] == b"application/json"
    assert int(connection.headers[b"content-length"]) == len(connection.body)
    assert b"bare" not in connection.body


@pytest.mark.parametrize(
    ("headers", "allow"), [({"Allow": "GET, HEAD"}, b"GET, HEAD"), ({}, b"POST")]
)
async def test_a_405_lists_the_allowed_methods(headers: dict[str, str], allow: bytes) -> None:
    assert (await sent(bare(405, **headers))).headers[b"allow"] == allow


async def test_an_error_of_our_own_is_sent_as_it_is() -> None:
    async def refuse(request: Request) -> Response:
        await request.body()
        return error_response(InvalidRequest("margin: too large."))

    connection = Connection([b"0"])
    await post(Endpoint(refuse), connection)
    assert json.loads(connection.body)["error"] == "margin: too large."


async def test_every_response_has_the_requests_id() -> None:
    for response in (bare(200), bare(404)):
        assert len((await sent(response)).headers[b"x-bentoml-request-id"]) == 16
    own = bare(200, **{"X-BentoML-Request-ID": "0123456789abcdef"})
    assert (await sent(own)).headers[b"x-bentoml-request-id"] == b"0123456789abcdef"


@pytest.mark.parametrize("size", [0, 1, PART, PART + 1, 3 * PART, 3 * PART + 5])
async def test_a_body_is_sent_in_parts_of_64_kb(size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    connection = await sent(Response(content[:size]))
    assert connection.body == content[:size]
    sizes = [len(message["body"]) for message in connection.sent[1:]]
    assert sizes == [PART] * ((size - 1) // PART if size else 0) + [
        (size - 1) % PART + 1 if size else 0
    ]
    assert [message["more_body"] for message in connection.sent[1:-1]] == [True] * (len(sizes) - 1)
    assert connection.is_ended


async def test_a_streamed_response_ends_with_its_last_part() -> None:
    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await send({"type": "http.response.body", "body": b"b", "more_body": True})
        await send({"type": "http.response.body"})

    connection = Connection([])
    await post(stream, connection, path=UPLOAD_ENDPOINT, method="GET", headers=[])
    assert [message.get("more_body", False) for message in connection.sent[1:]] == [
        True,
        True,
        False,
    ]
    assert connection.body == b"ab"


@pytest.mark.parametrize("has_begun", [False, True])
async def test_the_response_to_a_disconnected_client_has_status_499_in_the_log(
    has_begun: bool,
) -> None:
    """The outer middleware of BentoML requires a response, but no second one."""
    request: Any = SimpleNamespace(reason=None, code="ok", request_id="0" * 16)
    request.body = SimpleNamespace(is_whole=True)
    request.begin_response = request.sent = lambda *_: None
    connection = Connection([])
    sender = ResponseSender(connection.send, request)
    if has_begun:
        await sender.send({"type": "http.response.start", "status": 200, "headers": []})
    await sender.end_disconnected()
    starts = [message for message in connection.sent if message["type"] == "http.response.start"]
    assert [message["status"] for message in starts] == [200 if has_begun else 499]
    assert sender.status == 499
