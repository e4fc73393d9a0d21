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
from serving.admission import AdmissionQueue
from serving.errors import Busy, ShuttingDown
from serving.memory_budget import CAPACITY, MemoryBudget

T = TypeVar("T")


def queue_of(capacity: int) -> AdmissionQueue:
    return AdmissionQueue(capacity, MemoryBudget())


class Request:
    """What the queue knows of one."""

    holds_place = True

    def __init__(self) -> None:
        self.told = asyncio.Event()

    def shut_down(self) -> None:
        self.told.set()


async def run(queue: AdmissionQueue, work: Callable[[], T]) -> T:
    async with queue.turn(contextlib.nullcontext()) as turn:
        return await turn.run(work)


def test_the_queue_is_full() -> None:
    queue, inside = queue_of(2), [Request(), Request()]
    for request in inside:
        queue.admit(request)
    with pytest.raises(Busy):
        queue.admit(Request())
    assert queue.active == 2
    queue.leave(inside[0])
    queue.admit(Request())


def test_a_place_that_was_never_given_cannot_be_taken_back() -> None:
    queue = queue_of(1)
    queue.admit(Request())
    queue.leave(Request())
    with pytest.raises(Busy):
        queue.admit(Request())


async def test_one_work_at_a_time_in_order() -> None:
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


async def test_errors_of_the_work_arrive() -> None:
    with pytest.raises(ZeroDivisionError):
        await run(queue_of(1), lambda: 1 // 0)


async def test_work_that_waits_and_is_cancelled_never_starts() -> None:
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


async def test_one_cancelled_as_its_turn_comes_holds_nobody_up() -> None:
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


async def test_unread_responses_keep_work_from_beginning_and_nobody_from_asking() -> None:
    budget, order = MemoryBudget(), []
    queue = AdmissionQueue(9, budget)
    unread = budget.open(lambda: None)
    unread.begin_sending(CAPACITY)
    tasks = [asyncio.create_task(run(queue, lambda n=n: order.append(n))) for n in (1, 2)]  # type: ignore[misc]
    await asyncio.sleep(0.05)
    assert order == []
    tasks[0].cancel()  # it can still leave: it holds no lock
    await asyncio.gather(tasks[0], return_exceptions=True)
    unread.close()
    await asyncio.wait_for(tasks[1], 1)
    assert order == [2]


async def test_one_unread_response_does_not_hold_work_up() -> None:
    budget = MemoryBudget()
    budget.open(lambda: None).begin_sending(12_000_000)
    await asyncio.wait_for(run(AdmissionQueue(9, budget), lambda: None), 1)


async def test_the_next_work_begins_only_when_the_last_ones_response_counts() -> None:
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


async def test_abandoned_work_keeps_its_place_until_its_thread_has_ended() -> None:
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


async def test_after_a_hundred_forced_deadlines_never_more_than_one_works() -> None:
    queue, running, most, done = queue_of(200), 0, 0, 0

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
    assert most == 1
    assert 10 < done < 100


async def test_draining_waits_for_the_active_and_refuses_the_rest() -> None:
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


async def test_draining_shuts_down_who_stays_too_long() -> None:
    queue, request = queue_of(9), Request()
    queue.admit(request)
    await queue.drain(grace=0.05)
    assert request.told.is_set()


async def test_work_that_fails_leaves_no_image_behind() -> None:
    """Without the help of the collector of cycles, which comes late where few objects are large."""
    images: weakref.WeakSet[threading.Event] = weakref.WeakSet()

    def work() -> None:
        image = threading.Event()  # any object will do
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
