"""How a request ends: normally, or early for the first of several reasons."""

import asyncio
import gc
import weakref

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from serving import lifecycle
from serving.end_reasons import ENDINGS, EndReason
from serving.errors import Busy, RequestTooLarge, ShuttingDown, Unauthorized
from serving.lifecycle import RequestLifecycle
from serving.parsing import UPLOAD_ENDPOINT
from serving.responses import STATUSES
from serving.runtime import Runtime
from tests.unit.asgi import Blocked, Connection, Endpoint, post, read_and_respond, read_and_wait

# The reasons that are answered with an error.
WITH_ERROR = [reason for reason, ending in ENDINGS.items() if ending.error is not None]


@pytest.mark.parametrize("reason", WITH_ERROR)
async def test_the_first_reason_is_the_response_and_the_log_code(reason: EndReason) -> None:
    runtime, connection, endpoint = Runtime({}), Connection([b"0"]), Endpoint(read_and_wait)
    task = asyncio.create_task(post(endpoint, connection, runtime))
    request = await endpoint.active()
    assert runtime.queue.active == 1
    request.end(reason)
    request.end(EndReason.CLIENT_LEFT)
    await asyncio.wait_for(task, 5)
    ending = ENDINGS[reason]
    assert ending.error is not None
    assert (connection.status, connection.code) == (STATUSES[ending.error], ending.error.code)
    assert (request.reason, request.code) == (reason, ending.code)
    assert (runtime.queue.active, runtime.budget.held) == (0, 0)


async def test_a_client_that_leaves_ends_the_request() -> None:
    connection, endpoint = Connection([b"0"]), Endpoint(read_and_wait)
    task = asyncio.create_task(post(endpoint, connection))
    request = await endpoint.active()
    connection.has_left.set()
    await asyncio.wait_for(task, 5)
    assert (request.code, request.response.status, connection.status) == ("client_left", 499, 499)


async def test_the_deadline_ends_the_request() -> None:
    connection, endpoint = Connection([b"0"]), Endpoint(read_and_wait)
    await asyncio.wait_for(post(endpoint, connection, Runtime({"BGR_DEADLINE": "0.05"})), 5)
    assert (connection.status, connection.code) == (504, "deadline_exceeded")
    assert endpoint.requests[0].reason is EndReason.DEADLINE


async def test_the_deadline_and_the_shutdown_may_come_at_the_same_moment() -> None:
    runtime = Runtime({"BGR_DEADLINE": "0.05"})
    connection, endpoint = Connection([b"0"]), Endpoint(read_and_wait)
    task = asyncio.create_task(post(endpoint, connection, runtime))
    request = await endpoint.active()

    def at_the_same_moment() -> None:
        request.end(EndReason.DEADLINE)
        request.shut_down()

    asyncio.get_running_loop().call_later(0.05, at_the_same_moment)
    await asyncio.gather(task, runtime.queue.drain(0.05))
    assert connection.status == 504
    request.shut_down()  # it has ended already
    assert connection.status == 504


async def test_draining_ends_a_request_that_takes_too_long() -> None:
    runtime, connection, endpoint = Runtime({}), Connection([b"0"]), Endpoint(read_and_wait)
    task = asyncio.create_task(post(endpoint, connection, runtime))
    await endpoint.active()
    await runtime.queue.drain(0.05)
    await asyncio.wait_for(task, 5)
    assert (connection.status, connection.code) == (503, "shutting_down")


async def test_a_complete_response_is_not_ended_by_a_later_reason() -> None:
    connection, endpoint = Connection([b"0"]), Endpoint(read_and_respond)
    await post(endpoint, connection)
    (request,) = endpoint.requests
    request.end(EndReason.DEADLINE)
    assert (connection.status, request.code, request.reason) == (200, "ok", None)


async def test_a_client_that_never_reads_is_cut_off(
    aborted: list[Scope], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "WRITE_TIMEOUT", 0.05)
    runtime, endpoint = Runtime({}), Endpoint(read_and_respond)
    await asyncio.wait_for(post(endpoint, Blocked([b"0"], takes=0), runtime), 5)
    (request,) = endpoint.requests
    assert (request.reason, request.code) == (EndReason.SLOW_READER, "client_too_slow")
    assert (runtime.queue.active, len(aborted)) == (0, 1)


async def test_a_response_whose_last_part_has_not_left_is_aborted(aborted: list[Scope]) -> None:
    endpoint = Endpoint(read_and_respond)
    task = asyncio.create_task(post(endpoint, Blocked([b"0"], takes=1)))
    request = await endpoint.active()
    await asyncio.sleep(0.01)
    request.evict()
    await asyncio.wait_for(task, 5)
    assert (request.reason, request.code) == (EndReason.SLOW_READER, "client_too_slow")
    assert len(aborted) == 1


@pytest.mark.parametrize(
    ("respond", "is_whole", "reason"),
    [
        (read_and_wait, True, EndReason.SLOW_SOURCE),
        (read_and_wait, False, EndReason.SLOW_SENDER),
    ],
)
async def test_an_eviction_blames_the_peer_that_is_waited_for(
    respond: object, is_whole: bool, reason: EndReason
) -> None:
    runtime, endpoint = Runtime({}), Endpoint(respond)  # type: ignore[arg-type]
    task = asyncio.create_task(post(endpoint, Connection([b"0"], is_whole=is_whole), runtime))
    await asyncio.sleep(0.01)
    (request,) = endpoint.requests
    request.evict()
    assert runtime.queue.active == 0  # at once: another request takes its place
    await asyncio.wait_for(task, 5)
    assert request.reason is reason


@pytest.mark.parametrize("reason", WITH_ERROR)
async def test_an_ended_request_is_freed_without_the_garbage_collector(reason: EndReason) -> None:
    """A timer that outlives its request would keep it, and so would a cycle of references."""
    endpoint = Endpoint(read_and_wait)
    task = asyncio.create_task(post(endpoint, Connection([b"0"])))
    left = weakref.ref(request := await endpoint.active())
    gc.disable()
    try:
        request.end(reason)
        del request
        endpoint.requests.clear()
        await asyncio.wait_for(task, 5)
        del task
        for _ in range(10):
            await asyncio.sleep(0)
        assert left() is None
    finally:
        gc.enable()


async def test_an_app_that_is_cancelled_gives_its_place_back() -> None:
    runtime = Runtime({})

    async def cancelled(request: Request) -> Response:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await post(Endpoint(cancelled), Connection([b"0"]), runtime)
    assert runtime.queue.active == 0


def lifecycle_of(runtime: Runtime, **headers: bytes) -> RequestLifecycle:
    """Return a request before its admission."""
    raw = [(name.encode().replace(b"_", b"-"), value) for name, value in headers.items()]
    connection = Connection([])
    return RequestLifecycle({"headers": raw}, connection.receive, connection.send, runtime)


async def test_an_admission_has_a_deadline_and_holds_a_place() -> None:
    runtime = Runtime({"BGR_DEADLINE": "7"})
    request = lifecycle_of(runtime)
    admission = request.admit(UPLOAD_ENDPOINT, 10)
    assert admission.timer.deadline == request.started + 7
    assert (runtime.queue.active, request.endpoint) == (1, UPLOAD_ENDPOINT)


async def test_what_is_refused_at_admission_holds_no_place() -> None:
    runtime = Runtime({"BGR_API_KEYS": "key", "BGR_MAX_WAITING": "1"})
    with pytest.raises(Unauthorized):
        lifecycle_of(runtime, x_api_key=b"ke").admit(UPLOAD_ENDPOINT, 10)
    with pytest.raises(RequestTooLarge, match="10 bytes"):
        lifecycle_of(runtime, x_api_key=b"key", content_length=b"11").admit(UPLOAD_ENDPOINT, 10)
    assert runtime.queue.active == 0
    lifecycle_of(runtime, x_api_key=b"key", content_length=b"10").admit(UPLOAD_ENDPOINT, 10)
    with pytest.raises(Busy):
        lifecycle_of(runtime, x_api_key=b"key").admit(UPLOAD_ENDPOINT, 10)
    await runtime.queue.drain(0)
    with pytest.raises(ShuttingDown):
        lifecycle_of(runtime, x_api_key=b"key").admit(UPLOAD_ENDPOINT, 10)
