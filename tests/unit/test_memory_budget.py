"""The memory of requests, and which slow peer is evicted for others."""

import asyncio
from collections.abc import Callable

import pytest

from serving import memory_budget
from serving.memory_budget import FREE_BYTES, PATIENCE, STALL_SECONDS, MemoryBudget, Reservation

KB, MB = 1_000, 1_000_000


class Clock:
    """The time, as a test sets it."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(memory_budget, "monotonic", clock)
    monkeypatch.setattr(memory_budget, "CHECK_INTERVAL", 0.001)
    return clock


class Evictions(list[str]):
    """The names of the evicted requests, in order."""

    def of(self, name: str) -> Callable[[], None]:
        return lambda: self.append(name)


async def run_all() -> None:
    """Let every task run until it waits."""
    for _ in range(20):
        await asyncio.sleep(0.002)


def must_not_evict() -> None:
    raise AssertionError("evicted")


async def filled(
    budget: MemoryBudget, size: int, evict: Callable[[], None] = must_not_evict
) -> Reservation:
    """Return a reservation of which `size` bytes have arrived, and more are expected."""
    reservation = budget.open(evict)
    await reservation.grow(size)
    return reservation


async def test_bytes_are_reserved_as_they_arrive_not_as_declared() -> None:
    budget = MemoryBudget(20 * MB)
    silent, honest = budget.open(must_not_evict), budget.open(must_not_evict)
    await asyncio.wait_for(silent.grow(1), 1)  # of 20 MB that it declared
    for _ in range(5):
        await asyncio.wait_for(honest.grow(MB), 1)
    assert budget.held == 5 * MB + 1


async def test_a_full_budget_lets_one_request_exceed_it() -> None:
    budget = MemoryBudget(10 * MB)
    full = await filled(budget, 10 * MB)
    oldest, next_one = budget.open(must_not_evict), budget.open(must_not_evict)
    first = asyncio.create_task(oldest.grow(2 * MB))
    second = asyncio.create_task(next_one.grow(MB))
    await run_all()
    assert first.done()  # the oldest exceeds the capacity, so that it can finish
    assert not second.done()
    await asyncio.wait_for(oldest.grow(3 * MB), 1)
    oldest.complete()
    await run_all()
    assert not second.done()  # another may exceed it only after all fit again
    full.close()
    await asyncio.wait_for(second, 1)
    assert budget.held == 6 * MB


async def test_the_oldest_request_is_served_first() -> None:
    budget, order = MemoryBudget(10 * MB), []

    async def grow(reservation: Reservation, name: str) -> None:
        await reservation.grow(MB)
        order.append(name)

    full = await filled(budget, 10 * MB)
    exceeding = await filled(budget, MB)
    old, young = budget.open(must_not_evict), budget.open(must_not_evict)
    tasks = [asyncio.create_task(grow(young, "young")), asyncio.create_task(grow(old, "old"))]
    await run_all()
    assert order == []
    exceeding.close()
    full.close()
    await asyncio.gather(*tasks)
    assert order == ["old", "young"]


async def test_a_large_source_is_not_starved_by_small_ones() -> None:
    """Small sources fill the budget, and each that leaves is followed by another."""
    budget = MemoryBudget(10 * MB)
    small = [await filled(budget, 1500 * KB) for _ in range(6)]
    large = budget.open(must_not_evict)
    for _ in range(20):
        await asyncio.wait_for(large.grow(MB), 1)
        small.pop(0).close()
        asyncio.get_running_loop().create_task(budget.open(must_not_evict).grow(1500 * KB))
        small.append(budget.open(must_not_evict))
    assert large.size == 20 * MB


async def test_the_first_64_kb_of_a_request_never_wait() -> None:
    budget = MemoryBudget(MB)
    await filled(budget, MB)
    exceeding = await filled(budget, MB)
    for _ in range(16):
        await asyncio.wait_for(budget.open(must_not_evict).grow(FREE_BYTES), 1)
    exceeding.close()


async def test_a_stalled_peer_is_evicted_at_once(clock: Clock) -> None:
    budget, evicted = MemoryBudget(10 * MB), Evictions()
    stalled = await filled(budget, 8 * MB, evicted.of("stalled"))
    clock.pass_by(STALL_SECONDS)
    # The first to exceed the capacity needs no eviction.
    busy = await filled(budget, 4 * MB, evicted.of("busy"))
    assert evicted == []
    fresh = budget.open(evicted.of("fresh"))
    await asyncio.wait_for(fresh.grow(MB), 1)
    assert evicted == ["stalled"]
    assert budget.held == 5 * MB
    busy.close()
    assert stalled.size == 0


async def test_a_peer_that_waits_for_the_service_is_not_slow(clock: Clock) -> None:
    budget, evicted = MemoryBudget(10 * MB), Evictions()
    await filled(budget, 10 * MB)
    await filled(budget, MB)
    waiting = budget.open(evicted.of("waiting"))
    await waiting.grow(FREE_BYTES)
    task = asyncio.create_task(waiting.grow(MB))
    await run_all()
    assert waiting.transfer.seconds == 0
    clock.pass_by(100)
    assert waiting.transfer.seconds == 0
    assert not waiting.is_slow(patience_is_over=True)
    task.cancel()


async def test_a_complete_source_is_not_evicted(clock: Clock) -> None:
    budget = MemoryBudget(10 * MB)
    complete = await filled(budget, 10 * MB)
    complete.complete()
    clock.pass_by(100)
    assert not complete.is_slow(patience_is_over=True)
    assert not budget.has_slow_peer
    assert not budget.evict_slowest_peer(100)


@pytest.mark.parametrize(("rate", "is_slow"), [(1 * KB, True), (100 * KB, False)])
async def test_the_rate_decides_whether_a_peer_has_stalled(
    rate: int, is_slow: bool, clock: Clock
) -> None:
    reservation = await filled(MemoryBudget(), MB)
    for _ in range(100):
        clock.pass_by(0.1)
        await reservation.grow(rate // 10)
    assert reservation.is_slow(patience_is_over=False) == is_slow
    # Both are below the rate that is required after PATIENCE seconds.
    assert reservation.is_slow(patience_is_over=True)


async def test_the_longest_transfer_is_evicted_not_the_oldest_request(clock: Clock) -> None:
    budget, evicted = MemoryBudget(10 * MB), Evictions()
    first = budget.open(evicted.of("admitted first"))
    second = budget.open(evicted.of("reading for longest"))
    second.begin_sending(6 * MB)
    clock.pass_by(PATIENCE)
    first.begin_sending(6 * MB)
    first.sent(MB)
    clock.pass_by(PATIENCE)
    assert budget.has_slow_peer
    assert budget.evict_slowest_peer(waited=1)
    assert evicted == ["reading for longest"]


async def test_there_is_room_for_a_response_up_to_the_capacity() -> None:
    budget = MemoryBudget(24 * MB)
    one, other = budget.open(must_not_evict), budget.open(must_not_evict)
    one.begin_sending(12 * MB)
    assert budget.has_room_for_a_response
    other.begin_sending(12 * MB)
    assert not budget.has_room_for_a_response
    one.close()
    assert budget.has_room_for_a_response


async def test_a_cancelled_wait_does_not_delay_others() -> None:
    budget = MemoryBudget(MB)
    full, exceeding = await filled(budget, MB), await filled(budget, MB)
    waiting, behind = budget.open(must_not_evict), budget.open(must_not_evict)
    given_up = asyncio.create_task(waiting.grow(MB))
    task = asyncio.create_task(behind.grow(100 * KB))
    await run_all()
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    waiting.close()
    exceeding.close()
    full.close()
    await asyncio.wait_for(task, 1)
    assert budget.held == 100 * KB


async def test_two_fast_sources_never_wait_for_each_other() -> None:
    """The younger exceeds the capacity; the older, which is refused, must not block it."""
    budget = MemoryBudget(10 * MB)
    older = await filled(budget, 5 * MB)
    younger = await filled(budget, 5 * MB)
    await younger.grow(MB)  # it exceeds the capacity
    refused = asyncio.create_task(older.grow(MB))
    await run_all()
    assert not refused.done()
    await asyncio.wait_for(younger.grow(MB), 1)
    await asyncio.wait_for(budget.open(must_not_evict).grow(100), 1)
    younger.complete()
    younger.close()
    await asyncio.wait_for(refused, 1)


async def test_a_request_that_waits_for_memory_is_not_evicted(clock: Clock) -> None:
    """It was slow before; now it waits for the service. Faster requests stay too."""
    budget, evicted = MemoryBudget(10 * MB), Evictions()
    slow = budget.open(evicted.of("slow"))
    await slow.grow(MB)
    other = budget.open(evicted.of("other"))
    await other.grow(9 * MB)
    exceeding = await filled(budget, MB)
    clock.pass_by(1.0)
    other.transfer.moved(MB)
    exceeding.transfer.moved(MB)
    clock.pass_by(1.5)
    waiting = asyncio.create_task(slow.grow(1_000))
    await run_all()
    assert not waiting.done()
    assert evicted == []
    waiting.cancel()
