"""The budget alone, with peers whose time a test tells."""

import asyncio
from collections.abc import Callable

import pytest

from serving import memory_budget
from serving.memory_budget import FREE_BYTES, PATIENCE, STALL_SECONDS, MemoryBudget, Reservation

KB, MB = 1_000, 1_000_000


class RequestTimer:
    """The time, as a test sets it."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> RequestTimer:
    clock = RequestTimer()
    monkeypatch.setattr(memory_budget, "monotonic", clock)
    monkeypatch.setattr(memory_budget, "LOOK_SECONDS", 0.001)
    return clock


class Evictions(list[str]):
    """Who was evicted, in order."""

    def of(self, name: str) -> Callable[[], None]:
        return lambda: self.append(name)


async def settled() -> None:
    """Let everything happen that can happen now."""
    for _ in range(20):
        await asyncio.sleep(0.002)


def nobody() -> None:
    raise AssertionError("evicted")


async def filled(
    budget: MemoryBudget, size: int, evict: Callable[[], None] = nobody
) -> Reservation:
    """A reservation whose source of `size` bytes has arrived, and more of it is expected."""
    reservation = budget.open(evict)
    await reservation.grow(size)
    return reservation


async def test_bytes_are_reserved_as_they_arrive_not_as_they_are_declared() -> None:
    budget = MemoryBudget(20 * MB)
    silent, honest = budget.open(nobody), budget.open(nobody)
    await asyncio.wait_for(silent.grow(1), 1)  # of the 20 MB that it declares
    for _ in range(5):
        await asyncio.wait_for(honest.grow(MB), 1)
    assert budget.held == 5 * MB + 1


async def test_a_full_budget_makes_all_wait_but_one() -> None:
    budget = MemoryBudget(10 * MB)
    full = await filled(budget, 10 * MB)
    oldest, next_one = budget.open(nobody), budget.open(nobody)
    first = asyncio.create_task(oldest.grow(2 * MB))
    second = asyncio.create_task(next_one.grow(MB))
    await settled()
    assert first.done()  # the oldest may exceed, so that it can finish
    assert not second.done()
    await asyncio.wait_for(oldest.grow(3 * MB), 1)
    oldest.complete()
    await settled()
    assert not second.done()  # only within the capacity does another begin to exceed it
    full.close()
    await asyncio.wait_for(second, 1)
    assert budget.held == 6 * MB


async def test_room_goes_to_the_oldest_first() -> None:
    budget, order = MemoryBudget(10 * MB), []

    async def grow(reservation: Reservation, name: str) -> None:
        await reservation.grow(MB)
        order.append(name)

    full = await filled(budget, 10 * MB)
    exceeding = await filled(budget, MB)
    old, young = budget.open(nobody), budget.open(nobody)
    tasks = [asyncio.create_task(grow(young, "young")), asyncio.create_task(grow(old, "old"))]
    await settled()
    assert order == []
    exceeding.close()
    full.close()
    await asyncio.gather(*tasks)
    assert order == ["old", "young"]


async def test_a_large_source_is_not_starved_by_small_ones() -> None:
    """An endless stream of small ones fills the budget, and each that leaves is followed by another."""
    budget = MemoryBudget(10 * MB)
    small = [await filled(budget, 1500 * KB) for _ in range(6)]
    large = budget.open(nobody)
    for _ in range(20):
        await asyncio.wait_for(large.grow(MB), 1)
        small.pop(0).close()
        asyncio.get_running_loop().create_task(budget.open(nobody).grow(1500 * KB))
        small.append(budget.open(nobody))
    assert large.size == 20 * MB


async def test_the_first_bytes_never_wait() -> None:
    budget = MemoryBudget(MB)
    await filled(budget, MB)
    exceeding = await filled(budget, MB)
    for _ in range(16):
        await asyncio.wait_for(budget.open(nobody).grow(FREE_BYTES), 1)
    exceeding.close()


async def test_who_has_stalled_makes_room_at_once(clock: RequestTimer) -> None:
    budget, evicted = MemoryBudget(10 * MB), Evictions()
    stalled = await filled(budget, 8 * MB, evicted.of("stalled"))
    clock.pass_by(STALL_SECONDS)
    busy = await filled(
        budget, 4 * MB, evicted.of("busy")
    )  # it exceeds; nobody need leave for that
    assert evicted == []
    fresh = budget.open(evicted.of("fresh"))
    await asyncio.wait_for(fresh.grow(MB), 1)
    assert evicted == ["stalled"]
    assert budget.held == 5 * MB
    busy.close()
    assert stalled.size == 0


async def test_a_peer_that_waits_for_us_is_not_slow(clock: RequestTimer) -> None:
    budget, evicted = MemoryBudget(10 * MB), Evictions()
    await filled(budget, 10 * MB)
    await filled(budget, MB)
    waiting = budget.open(evicted.of("waiting"))
    await waiting.grow(FREE_BYTES)
    task = asyncio.create_task(waiting.grow(MB))
    await settled()
    assert waiting.transfer.seconds == 0
    clock.pass_by(100)
    assert waiting.transfer.seconds == 0
    assert not waiting.is_slow(patience_is_over=True)
    task.cancel()


async def test_a_source_that_is_complete_is_nobodys_fault(clock: RequestTimer) -> None:
    budget = MemoryBudget(10 * MB)
    complete = await filled(budget, 10 * MB)
    complete.complete()
    clock.pass_by(100)
    assert not complete.is_slow(patience_is_over=True)
    assert not budget.cut_off_slow_peer(100)


@pytest.mark.parametrize(("rate", "is_slow"), [(1 * KB, True), (100 * KB, False)])
async def test_the_rate_decides_who_has_stalled(
    rate: int, is_slow: bool, clock: RequestTimer
) -> None:
    reservation = await filled(MemoryBudget(), MB)
    for _ in range(100):
        clock.pass_by(0.1)
        await reservation.grow(rate // 10)
    assert reservation.is_slow(patience_is_over=False) == is_slow
    assert reservation.is_slow(
        patience_is_over=True
    )  # both are under the rate that others may ask for after a while


async def test_the_longest_under_way_is_cut_off_not_the_first_admitted(clock: RequestTimer) -> None:
    budget, evicted = MemoryBudget(10 * MB), Evictions()
    first = budget.open(evicted.of("admitted first"))
    second = budget.open(evicted.of("reading for longest"))
    second.begin_sending(6 * MB)
    clock.pass_by(PATIENCE)
    first.begin_sending(6 * MB)
    first.sent(MB)
    clock.pass_by(PATIENCE)
    assert budget.cut_off_slow_peer(waited=1)
    assert evicted == ["reading for longest"]


async def test_responses_leave_room_for_others_up_to_the_capacity() -> None:
    budget = MemoryBudget(24 * MB)
    one, other = budget.open(nobody), budget.open(nobody)
    one.begin_sending(12 * MB)
    assert budget.has_room_for_a_response
    other.begin_sending(12 * MB)
    assert not budget.has_room_for_a_response
    one.close()
    assert budget.has_room_for_a_response


async def test_who_gives_up_waiting_holds_nobody_up() -> None:
    budget = MemoryBudget(MB)
    full, exceeding = await filled(budget, MB), await filled(budget, MB)
    waiting, behind = budget.open(nobody), budget.open(nobody)
    given_up = asyncio.create_task(waiting.grow(MB))
    task = asyncio.create_task(behind.grow(100 * KB))
    await settled()
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    waiting.close()
    exceeding.close()
    full.close()
    await asyncio.wait_for(task, 1)
    assert budget.held == 100 * KB


async def test_two_fast_sources_never_wait_for_each_other() -> None:
    """The younger exceeds; the older, refused meanwhile, must not stand in its way, nor in that of a few bytes."""
    budget = MemoryBudget(10 * MB)
    older = await filled(budget, 5 * MB)
    younger = await filled(budget, 5 * MB)
    await younger.grow(MB)  # it exceeds
    refused = asyncio.create_task(older.grow(MB))
    await settled()
    assert not refused.done()
    await asyncio.wait_for(younger.grow(MB), 1)
    await asyncio.wait_for(budget.open(nobody).grow(100), 1)
    younger.complete()
    younger.close()
    await asyncio.wait_for(refused, 1)


async def test_who_waits_for_room_is_spared(clock: RequestTimer) -> None:
    """It was slow before; now it waits for us. Nor does it take the others with it."""
    budget, evicted = MemoryBudget(10 * MB), Evictions()
    slow = budget.open(evicted.of("slow"))
    await slow.grow(MB)
    other = budget.open(evicted.of("other"))
    await other.grow(9 * MB)
    exceeding = await filled(budget, MB)
    clock.pass_by(1.0)
    other.transfer.moved(MB)  # it is as fast as ever
    exceeding.transfer.moved(MB)
    clock.pass_by(1.5)
    waiting = asyncio.create_task(slow.grow(1_000))
    await settled()
    assert not waiting.done()
    assert evicted == []
    waiting.cancel()
