"""What a full queue refuses never reaches BentoML, and gets the same response as elsewhere."""

import pytest
from starlette.types import Receive, Scope, Send

from serving.early_refusal import EarlyRefusal
from serving.lifecycle import Admission, RequestLifecycle, request_context
from serving.parsing import UPLOAD_ENDPOINT
from serving.runtime import Runtime
from tests.unit.asgi import BODY_LIMIT, Connection, Place, post


def admit(request: RequestLifecycle) -> Admission:
    return request.admit(UPLOAD_ENDPOINT, BODY_LIMIT)


def full(**environment: str) -> tuple[Runtime, EarlyRefusal]:
    """Return a runtime whose only place is taken, and what refuses its requests."""
    runtime = Runtime({"BGR_MAX_WAITING": "1", **environment})
    runtime.queue.admit(Place())
    return runtime, EarlyRefusal(runtime, {UPLOAD_ENDPOINT: admit})


def request(**changed: object) -> Scope:
    headers = [(b"transfer-encoding", b"chunked")]
    return {
        "type": "http",
        "method": "POST",
        "path": UPLOAD_ENDPOINT,
        "headers": headers,
        **changed,
    }


async def refused(refusal: EarlyRefusal, scope: Scope) -> Connection:
    connection = Connection([b"the body"])
    await refusal(scope, connection.receive, connection.send)
    return connection


async def test_only_requests_for_a_place_are_taken_and_only_while_there_is_none() -> None:
    runtime, refusal = full()
    assert refusal.takes(request())
    for other in ({"type": "lifespan"}, {"method": "GET"}, {"path": "/metrics"}):
        assert not refusal.takes(request(**other))
    [place] = runtime.queue._requests
    runtime.queue.leave(place)
    assert not refusal.takes(request())
    await runtime.queue.drain(0)
    assert refusal.takes(request())


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, "unauthorized"),
        ({b"x-api-key": b"key", b"content-length": b"1001"}, 413, "request_too_large"),
        ({b"x-api-key": b"key", b"content-length": b"1000"}, 429, "busy"),
    ],
)
async def test_the_errors_are_those_of_the_endpoint_in_its_order(
    headers: dict[bytes, bytes],
    status: int,
    code: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    runtime, refusal = full(BGR_API_KEYS="key")
    with caplog.at_level("INFO"):
        connection = await refused(refusal, request(headers=[*headers.items()]))
    assert (connection.status, connection.code) == (status, code)
    [line] = [record.fields for record in caplog.records if hasattr(record, "fields")]
    assert (line["status"], line["code"]) == (status, code)
    assert runtime.queue.active == 1


async def test_the_whole_response_is_that_of_the_full_app() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        admit(request_context.get())

    runtime, refusal = full()
    early, late = await refused(refusal, request()), Connection([b"the body"])
    await post(app, late, runtime)
    ours, theirs = dict(early.headers), dict(late.headers)
    for headers in (ours, theirs):
        assert len(headers.pop(b"x-bentoml-request-id")) == 16
    assert (early.status, ours, early.body) == (late.status, theirs, late.body)
    assert ours[b"retry-after"] == b"1"


async def test_pages_of_allowed_origins_can_read_it() -> None:
    _, refusal = full(BGR_CORS_ORIGINS="https://app.stylespire.com")
    headers = [(b"origin", b"https://app.stylespire.com")]
    connection = await refused(refusal, request(headers=headers))
    assert connection.headers[b"access-control-allow-origin"] == b"https://app.stylespire.com"
