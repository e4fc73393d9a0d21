"""GET and HEAD /remove-background without a server: what a link is answered with."""

import asyncio
import time

import pytest
from starlette.applications import Starlette

from pipeline.errors import NoSubjectFound, SourceTimeout
from pipeline.image.box import Box
from pipeline.remove_background import Cutout
from serving.lifecycle import Admission
from serving.links.endpoint import LinkRoute, LinksAPI
from serving.parsing import URL_ENDPOINT, URLRequest
from serving.runtime import Runtime
from tests.support.link_mutations import KEY, signed_query
from tests.unit.asgi import Connection, post

CUTOUT = Cutout(b"PNG", "image/png", 3, 4, Box(1, 2, 3, 4), 0.5, parts=1, source_pixels=12)
FIELDS = {"image_url": "http://a.com/x.jpg", "margin": "5", "crop": "false"}


class Worker:
    """The route, whose pipeline is a few lines."""

    def __init__(self, **settings: str) -> None:
        self.runtime = Runtime(
            {"BGR_URL_KEYS": KEY.decode(), "BGR_CACHE_SECONDS": "600"} | settings
        )
        api = LinksAPI(self.runtime)
        api.start(self.cut_out)
        self.app = Starlette(routes=[LinkRoute(api)])
        self.asked: list[URLRequest] = []
        self.error: Exception | None = None
        self.go = asyncio.Event()
        self.go.set()

    async def cut_out(self, fields: URLRequest, admission: Admission) -> Cutout:
        self.asked.append(fields)
        await self.go.wait()
        if self.error is not None:
            raise self.error
        with admission.timer.step("decode"):
            admission.reservation.begin_sending(len(CUTOUT.content))
        return CUTOUT

    async def ask(
        self, query: str, method: str = "GET", connection: Connection | None = None, **headers: str
    ) -> Connection:
        """Send a request without a body."""
        connection = connection or Connection([b""])
        raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        scope = {"query_string": query.encode(), "method": method, "headers": raw}
        await asyncio.wait_for(post(self.app, connection, self.runtime, URL_ENDPOINT, **scope), 5)
        return connection

    async def open(self, **fields: str) -> Connection:
        """GET the link of a request."""
        return await self.ask(signed_query(FIELDS | fields))


async def test_a_link_is_answered_with_the_image_and_what_caches_need() -> None:
    worker = Worker()
    connection = await worker.open()
    assert (connection.status, connection.body) == (200, b"PNG")
    assert worker.asked == [URLRequest(image_url="http://a.com/x.jpg", margin=5, crop=False)]
    headers = {name.decode(): value.decode() for name, value in connection.headers.items()}
    assert headers["cache-control"].startswith("public, max-age=600, ")
    assert headers["content-disposition"] == 'inline; filename="x.png"'
    assert headers["cross-origin-resource-policy"] == "cross-origin"
    assert headers["content-type"] == "image/png"
    assert (headers["x-width"], headers["x-subject-confidence"]) == ("3", "0.5000")
    assert headers["server-timing"].startswith("decode;dur=")
    assert "vary" not in headers
    assert (worker.runtime.queue.active, worker.runtime.budget.held) == (0, 0)


async def test_a_client_that_has_the_image_gets_304() -> None:
    worker = Worker()
    tag = (await worker.open()).headers[b"etag"].decode()
    assert not tag.startswith("W/")
    connection = await worker.ask(signed_query(FIELDS), if_none_match=f'"x", {tag}')
    assert (connection.status, connection.body) == (304, b"")
    assert connection.headers[b"etag"].decode() == tag
    assert b"cache-control" in connection.headers
    assert (await worker.ask(signed_query(FIELDS), if_none_match='"x"')).status == 200


async def test_no_cache_keeps_it_past_its_expiry() -> None:
    connection = await Worker().open(expires=str(int(time.time()) + 60))
    assert connection.headers[b"cache-control"] in (b"public, max-age=59", b"public, max-age=60")


@pytest.mark.parametrize(
    ("error", "code", "caching"),
    [
        (NoSubjectFound(), "no_subject_found", b"public, max-age=60"),
        (SourceTimeout(), "source_timeout", b"no-store"),
        (TypeError(), "internal_error", b"no-store"),
    ],
)
async def test_errors_of_the_source_are_cached_briefly(
    error: Exception, code: str, caching: bytes
) -> None:
    worker = Worker()
    worker.error = error
    connection = await worker.open()
    assert (connection.code, connection.headers[b"cache-control"]) == (code, caching)


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("", 403, "invalid_signature"),
        (signed_query(FIELDS) + "&crop=true", 403, "invalid_signature"),
        (signed_query(FIELDS | {"expires": "1"}), 403, "expired_signature"),
        (signed_query(FIELDS | {"expires": "soon"}), 400, "invalid_request"),
        (signed_query(FIELDS | {"margin": "501"}), 400, "invalid_request"),
        (signed_query(FIELDS | {"unknown": "1"}), 400, "invalid_request"),
        (signed_query({"margin": "5"}), 400, "invalid_request"),
    ],
)
async def test_what_is_refused_is_neither_fetched_nor_stored(
    query: str, status: int, code: str
) -> None:
    worker = Worker()
    connection = await worker.ask(query)
    assert (connection.status, connection.code, worker.asked) == (status, code, [])
    assert connection.headers[b"cache-control"] == b"no-store"
    assert worker.runtime.queue.active == 0


async def test_a_link_needs_no_api_key() -> None:
    assert (await Worker(BGR_API_KEYS="a-key").open()).status == 200


async def test_a_stopping_service_refuses_links() -> None:
    worker = Worker()
    await worker.runtime.queue.drain(0)
    connection = await worker.open()
    assert (connection.code, connection.headers[b"cache-control"]) == ("shutting_down", b"no-store")


async def test_equal_links_hold_one_place() -> None:
    worker = Worker(BGR_MAX_WAITING="1")
    connections = await asyncio.gather(*(worker.open() for _ in range(5)))
    assert [connection.status for connection in connections] == [200] * 5
    assert len(worker.asked) == 1


async def test_each_client_has_its_own_deadline() -> None:
    worker = Worker(BGR_DEADLINE="0.2")
    worker.go.clear()
    first = asyncio.create_task(worker.open())
    await asyncio.sleep(0.1)
    second = asyncio.create_task(worker.open())
    late = await first
    assert (late.code, late.headers[b"cache-control"]) == ("deadline_exceeded", b"no-store")
    worker.go.set()
    assert (await second).status == 200
    assert len(worker.asked) == 1


async def test_the_first_client_may_disconnect() -> None:
    worker = Worker()
    worker.go.clear()
    leaving = Connection([b""])
    first = asyncio.create_task(worker.ask(signed_query(FIELDS), connection=leaving))
    second = asyncio.create_task(worker.open())
    await asyncio.sleep(0.05)
    leaving.has_left.set()
    assert (await first).status == 499
    worker.go.set()
    assert (await second).status == 200
    assert len(worker.asked) == 1


async def test_the_route_does_not_exist_without_keys() -> None:
    worker = Worker(BGR_URL_KEYS="")
    assert (await worker.open()).code == "not_found"


async def test_other_methods_are_told_which_there_are() -> None:
    connection = await Worker().ask(signed_query(FIELDS), method="PUT")
    assert (connection.status, connection.headers[b"allow"]) == (405, b"GET, HEAD, POST")
