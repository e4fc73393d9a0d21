"""The queue and its executor: order, capacity, cancellation, draining."""

import asyncio
import contextlib
import functools
import gc
import threading
import time
import weakref
from collections.abc import Callable
from typing import TypeVar

import pytest

from pipeline.errors import FormatUnsupported
from serving.admission import SHARE_FROM, AdmissionQueue
from serving.errors import Busy, ShuttingDown
from serving.memory_budget import CAPACITY, MemoryBudget

T = TypeVar("T")


def queue_of(capacity: int) -> AdmissionQueue:
    return AdmissionQueue(capacity, MemoryBudget())


class Request:
    """A request, as the queue sees it."""

    holds_place = True

    def __init__(self) -> None:
        self.told = asyncio.Event()

    def shut_down(self) -> None:
        self.told.set()


async def run(queue: AdmissionQueue, work: Callable[[], T]) -> T:
    async with queue.turn(contextlib.nullcontext()) as turn:
        return await turn.run(work)


def test_a_full_queue_refuses_a_request_until_another_leaves() -> None:
    queue, active = queue_of(2), [Request(), Request()]
    for request in active:
        queue.admit(request)
    assert queue.is_full
    with pytest.raises(Busy):
        queue.admit(Request())
    assert queue.active == 2
    queue.leave(active[0])
    assert not queue.is_full
    queue.admit(Request())


def test_a_request_that_was_never_admitted_cannot_leave() -> None:
    queue = queue_of(1)
    queue.admit(Request())
    queue.leave(Request())
    with pytest.raises(Busy):
        queue.admit(Request())


async def test_one_request_is_processed_at_a_time_in_order() -> None:
    queue, running, most, order = queue_of(9), 0, 0, []

    def work(number: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        time.sleep(0.01)
        order.append(number)
        running -= 1
        return number

    turns = [run(queue, functools.partial(work, number)) for number in range(8)]
    assert await asyncio.gather(*turns) == list(range(8))
    assert (most, order) == (1, list(range(8)))


async def most_at_once(slots: int, count: int) -> tuple[int, list[bool]]:
    """Return how many of so many requests run at once, and whether each shares the processors."""
    queue, running, most, shared = AdmissionQueue(99, MemoryBudget(), slots), 0, 0, list[bool]()

    def work() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        time.sleep(0.02)
        running -= 1

    async def respond() -> None:
        async with queue.turn(contextlib.nullcontext()) as turn:
            shared.append(turn.is_shared)
            await turn.run(work)

    blocking = asyncio.create_task(run(queue, lambda: time.sleep(0.05)))
    await asyncio.sleep(0)
    await asyncio.gather(blocking, *(respond() for _ in range(count)))
    return most, shared


@pytest.mark.parametrize(
    ("slots", "count", "expected"),
    [
        (1, 6, (1, [False] * 6)),
        (2, SHARE_FROM - 1, (1, [False] * (SHARE_FROM - 1))),
        (2, SHARE_FROM + 1, (2, [True] * (SHARE_FROM + 1))),
    ],
)
async def test_waiting_requests_share_the_processors_if_there_are_enough_of_them(
    slots: int, count: int, expected: tuple[int, list[bool]]
) -> None:
    assert await most_at_once(slots, count) == expected


async def test_an_exception_of_the_work_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        await run(queue_of(1), lambda: 1 // 0)


async def test_work_cancelled_while_it_waits_never_starts() -> None:
    queue, end, started = queue_of(9), threading.Event(), []
    first = asyncio.create_task(run(queue, end.wait))
    second = asyncio.create_task(run(queue, lambda: started.append(2)))
    await asyncio.sleep(0.05)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    end.set()
    await first
    await run(queue, lambda: None)
    assert started == []


async def test_work_cancelled_as_its_turn_comes_releases_the_executor() -> None:
    queue, end = queue_of(9), threading.Event()
    first = asyncio.create_task(run(queue, end.wait))
    second = asyncio.create_task(run(queue, lambda: None))
    await asyncio.sleep(0.05)
    end.set()
    while not first.done():
        await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    await asyncio.wait_for(run(queue, lambda: None), 1)


async def test_unread_responses_delay_work_which_can_still_be_cancelled() -> None:
    budget, order = MemoryBudget(), []
    queue = AdmissionQueue(9, budget)
    unread = budget.open(lambda: None)
    unread.begin_sending(CAPACITY)
    tasks = [asyncio.create_task(run(queue, lambda n=n: order.append(n))) for n in (1, 2)]  # type: ignore[misc]
    await asyncio.sleep(0.05)
    assert order == []
    tasks[0].cancel()
    await asyncio.gather(tasks[0], return_exceptions=True)
    unread.close()
    await asyncio.wait_for(tasks[1], 1)
    assert order == [2]


async def test_one_unread_response_does_not_delay_work() -> None:
    budget = MemoryBudget()
    budget.open(lambda: None).begin_sending(12_000_000)
    await asyncio.wait_for(run(AdmissionQueue(9, budget), lambda: None), 1)


async def test_work_starts_after_the_response_of_the_work_before_it_is_counted() -> None:
    budget = MemoryBudget()
    queue = AdmissionQueue(9, budget)

    async def respond() -> None:
        async with queue.turn(contextlib.nullcontext()) as turn:
            await turn.run(lambda: None)
            await asyncio.sleep(0.05)
            budget.open(lambda: None).begin_sending(CAPACITY)

    first = asyncio.create_task(respond())
    await asyncio.sleep(0)
    second = asyncio.create_task(run(queue, lambda: None))
    await first
    await asyncio.sleep(0.05)
    assert not second.done()
    second.cancel()


async def test_abandoned_work_keeps_its_place_until_it_ends() -> None:
    queue, end = queue_of(1), threading.Event()
    task = asyncio.create_task(run(queue, end.wait))
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    with pytest.raises(Busy):
        queue.admit(Request())
    end.set()
    await asyncio.sleep(0.1)
    queue.admit(Request())


@pytest.mark.parametrize("slots", [1, 2])
async def test_a_hundred_forced_deadlines_take_no_slot(slots: int) -> None:
    queue, running, most, done = AdmissionQueue(200, MemoryBudget(), slots), 0, 0, 0

    def work() -> None:
        nonlocal running, most, done
        running += 1
        most = max(most, running)
        time.sleep(0.01)
        running -= 1
        done += 1

    async def give_up(seconds: float) -> str:
        try:
            async with asyncio.timeout(seconds):
                await run(queue, work)
        except TimeoutError:
            return "gave up"
        return "done"

    ends = [await asyncio.gather(*(give_up(0.005) for _ in range(10))) for _ in range(10)]
    assert ends == [["gave up"] * 10] * 10
    await asyncio.gather(*(give_up(5) for _ in range(10)))
    assert most == slots
    assert 10 < done < 100


async def test_draining_waits_for_active_requests_and_refuses_new_ones() -> None:
    queue, request = queue_of(9), Request()
    queue.admit(request)
    draining = asyncio.create_task(queue.drain(grace=5))
    await asyncio.sleep(0)
    assert not queue.is_open
    with pytest.raises(ShuttingDown):
        queue.admit(Request())
    assert not draining.done()
    queue.leave(request)
    await asyncio.wait_for(draining, 1)
    assert not request.told.is_set()


async def test_draining_shuts_down_requests_after_the_grace_period() -> None:
    queue, request = queue_of(9), Request()
    queue.admit(request)
    await queue.drain(grace=0.05)
    assert request.told.is_set()


async def test_work_that_fails_leaves_no_image_behind() -> None:
    """Its image is freed without the garbage collector, which runs late if objects are few."""
    images: weakref.WeakSet[threading.Event] = weakref.WeakSet()

    def work() -> None:
        image = threading.Event()  # stands in for an image
        images.add(image)
        raise FormatUnsupported

    gc.disable()
    try:
        with contextlib.suppress(FormatUnsupported):
            await run(queue_of(1), work)
        end = time.monotonic() + 2
        while images and time.monotonic() < end:  # the thread may not have left its frame yet
            await asyncio.sleep(0.01)
        assert not images
    finally:
        gc.enable()
