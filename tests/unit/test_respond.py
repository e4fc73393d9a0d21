"""One request's way to its result and response, whatever the route."""

import asyncio
from dataclasses import dataclass

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from pipeline.errors import NoSubjectFound
from pipeline.request_timer import RequestTimer
from serving.lifecycle import Admission, request_context
from serving.parsing import UPLOAD_ENDPOINT
from serving.respond import process, respond
from serving.runtime import Runtime
from tests.unit.asgi import Connection, post


@dataclass(frozen=True)
class Result:
    """A result of 3 bytes."""

    content: bytes = b"PNG"
    source_pixels: int = 12


class Route:
    """A route whose work is a few lines. `error` is what the work raises."""

    def __init__(self) -> None:
        self.runtime = Runtime({})
        self.error: Exception | None = None
        self.held: list[int] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await respond(self._answer(Request(scope, receive)))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        admission = request_context.get().admit(UPLOAD_ENDPOINT, 1_000)

        async def read(admitted: Admission) -> bytes:
            assert admitted is admission
            return await request.body()

        result = await process(self.runtime, admission, read, self._work)
        self.held.append(self.runtime.budget.held)
        return Response(result.content)

    def _work(self, source: bytes, timer: RequestTimer, is_shared: bool) -> Result:
        assert (source, is_shared) == (b"source", False)
        self.held.append(self.runtime.budget.held)
        if self.error is not None:
            raise self.error
        with timer.step("decode"):
            return Result()

    async def ask(self) -> Connection:
        """Send a request to the route."""
        connection = Connection([b"source"])
        await asyncio.wait_for(post(self, connection, self.runtime), 5)
        return connection


async def test_a_result_is_the_response_and_its_memory_is_reserved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    route, counted = Route(), list[int]()
    monkeypatch.setattr(route.runtime.metrics, "count_image", counted.append)
    connection = await route.ask()
    assert (connection.status, connection.body) == (200, b"PNG")
    assert route.held == [len(b"source"), len(b"PNG")]
    assert counted == [12]
    assert (route.runtime.queue.active, route.runtime.budget.held) == (0, 0)


@pytest.mark.parametrize(
    ("error", "code"), [(NoSubjectFound(), "no_subject_found"), (TypeError(), "internal_error")]
)
async def test_an_error_becomes_the_response_and_nothing_is_counted(
    monkeypatch: pytest.MonkeyPatch, error: Exception, code: str
) -> None:
    route, counted = Route(), list[int]()
    monkeypatch.setattr(route.runtime.metrics, "count_image", counted.append)
    route.error = error
    assert (await route.ask()).code == code
    assert (counted, route.runtime.queue.active) == ([], 0)


async def test_the_route_shapes_its_errors() -> None:
    route = Route()
    route.error = NoSubjectFound()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        sender = request_context.get().response
        sender.render_error = lambda error, headers=None: PlainTextResponse(error.code)
        await route(scope, receive, send)

    connection = Connection([b"source"])
    await asyncio.wait_for(post(app, connection, route.runtime), 5)
    assert connection.body == b"no_subject_found"


async def test_no_error_is_sent_to_a_client_that_leaves() -> None:
    route, connection = Route(), Connection([b"sou"], is_whole=False)
    connection.has_left.set()
    await asyncio.wait_for(post(route, connection, route.runtime), 5)
    assert (connection.status, connection.body, route.held) == (499, b"", [])
