"""Equal requests share one run: who starts it, who may leave, and what it holds meanwhile."""

import asyncio
import contextlib
from collections.abc import Callable

import pytest

from pipeline.errors import NoSubjectFound, SourceTimeout
from pipeline.request_timer import RequestTimer
from serving.errors import Busy, InternalError, ShuttingDown
from serving.lifecycle import Admission
from serving.links import single_flight
from serving.links.single_flight import SingleFlight
from serving.runtime import Runtime


class Pilot:
    """Flies when it is told to. Counts its flights."""

    def __init__(self) -> None:
        self.flights: list[Admission] = []
        self.go = asyncio.Event()
        self.error: Exception | None = None
        self.cancelled = 0

    async def fly(self, admission: Admission) -> bytes:
        self.flights.append(admission)
        try:
            with admission.timer.step("decode"):
                await admission.reservation.grow(100)
                await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error
        admission.reservation.begin_sending(3)
        return b"PNG"


class Worker:
    """The flights of a worker, whose clients read as long as `reading` is not set."""

    def __init__(self, **settings: str) -> None:
        self.runtime = Runtime(settings)
        self.flights: SingleFlight[bytes] = SingleFlight(self.runtime)
        self.pilot = Pilot()
        self.read = asyncio.Event()
        self.read.set()

    def client(
        self,
        key: str = "a",
        deadline: float = float("inf"),
        evict: Callable[[], None] = lambda: None,
    ) -> asyncio.Task[bytes]:
        """Start a client."""
        admission = Admission(RequestTimer(deadline), self.runtime.budget.open(evict))

        async def ask() -> bytes:
            try:
                with self.flights.join(key, admission, self.pilot.fly) as flight:
                    result = await flight.result()
                    await self.read.wait()
                    return result
            finally:
                admission.reservation.close()

        return asyncio.create_task(ask())

    @property
    def is_idle(self) -> bool:
        """Whether nothing is held any more."""
        queue, budget = self.runtime.queue, self.runtime.budget
        return (queue.active, budget.held, self.flights._flights) == (0, 0, {})


async def settled() -> None:
    """Let all tasks run as far as they can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def leave(client: asyncio.Task[bytes]) -> None:
    client.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await client
    await settled()


async def test_equal_requests_are_run_once_and_hold_one_place() -> None:
    worker = Worker()
    clients = [worker.client() for _ in range(50)]
    other = worker.client("b")
    await settled()
    assert (len(worker.pilot.flights), worker.runtime.queue.active) == (2, 2)
    assert worker.runtime.budget.held == 200
    worker.pilot.go.set()
    assert await asyncio.gather(*clients, other) == [b"PNG"] * 51
    await settled()
    assert worker.is_idle


async def test_the_first_client_may_leave() -> None:
    worker = Worker()
    first, second = worker.client(), worker.client()
    await settled()
    await leave(first)
    worker.pilot.go.set()
    assert await second == b"PNG"
    assert len(worker.pilot.flights) == 1


async def test_the_flight_ends_with_its_last_client() -> None:
    worker = Worker()
    clients = [worker.client(), worker.client()]
    await settled()
    await leave(clients[0])
    assert worker.pilot.cancelled == 0
    await leave(clients[1])
    assert worker.pilot.cancelled == 1
    assert worker.is_idle
    again = worker.client()
    await settled()
    assert len(worker.pilot.flights) == 2
    await leave(again)


async def test_a_flight_may_take_as_long_as_its_last_client() -> None:
    worker = Worker()
    clients = [worker.client(deadline=deadline) for deadline in (1e9, 3e9, 2e9)]
    await settled()
    assert worker.pilot.flights[0].timer.deadline == 3e9
    for client in clients:
        await leave(client)


@pytest.mark.parametrize(
    ("error", "expected"), [(NoSubjectFound(), NoSubjectFound), (TypeError(), InternalError)]
)
async def test_all_clients_get_the_error_and_the_next_request_tries_again(
    error: Exception, expected: type[Exception]
) -> None:
    worker = Worker()
    worker.pilot.error = error
    worker.read.clear()
    clients = [worker.client(), worker.client()]
    worker.pilot.go.set()
    results = await asyncio.gather(*clients, return_exceptions=True)
    assert [type(result) for result in results] == [expected] * 2
    worker.pilot.error = None
    worker.read.set()
    assert await worker.client() == b"PNG"
    await settled()
    assert worker.is_idle


async def test_a_landed_flight_is_joined_while_others_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worker = Worker()
    worker.read.clear()
    worker.pilot.go.set()
    clients = [worker.client(), worker.client()]
    await settled()
    clients.append(worker.client())
    await settled()
    assert len(worker.pilot.flights) == 1
    monkeypatch.setattr(single_flight, "JOIN_SECONDS", 0)
    clients.append(worker.client())
    await settled()
    assert len(worker.pilot.flights) == 2
    worker.read.set()
    assert await asyncio.gather(*clients) == [b"PNG"] * 4
    assert worker.is_idle


async def test_the_result_is_counted_once_until_the_last_client_has_read_it() -> None:
    worker = Worker()
    worker.read.clear()
    worker.pilot.go.set()
    clients = [worker.client() for _ in range(3)]
    await settled()
    assert (worker.runtime.budget.held, worker.runtime.queue.active) == (3, 0)
    for client in clients[:2]:
        await leave(client)
        assert worker.runtime.budget.held == 3
    await leave(clients[2])
    assert worker.is_idle


async def test_a_flight_needs_a_place() -> None:
    worker = Worker(BGR_MAX_WAITING="1")
    first = worker.client()
    await settled()
    with pytest.raises(Busy):
        await worker.client("b")
    worker.pilot.go.set()
    second = worker.client()
    assert (await first, await second) == (b"PNG", b"PNG")


async def test_clients_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(single_flight, "MAX_CLIENTS", 2)
    worker = Worker()
    clients = [worker.client(), worker.client("b")]
    await settled()
    with pytest.raises(Busy):
        await worker.client()
    await leave(clients.pop())
    clients.append(worker.client())
    worker.pilot.go.set()
    assert await asyncio.gather(*clients) == [b"PNG"] * 2


async def test_a_slow_source_is_evicted_for_all() -> None:
    worker = Worker()
    clients = [worker.client(), worker.client()]
    await settled()
    assert worker.runtime.queue.active == 1
    worker.pilot.flights[0].reservation.evict()
    assert worker.runtime.queue.active == 0
    results = await asyncio.gather(*clients, return_exceptions=True)
    assert [type(result) for result in results] == [SourceTimeout] * 2
    assert worker.is_idle


async def test_draining_ends_what_is_left() -> None:
    worker = Worker()
    client = worker.client()
    await settled()
    await worker.runtime.queue.drain(0.01)
    with pytest.raises(ShuttingDown):
        await client
    with pytest.raises(ShuttingDown):
        await worker.client()
    assert worker.is_idle
