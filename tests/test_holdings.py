import asyncio

import pytest

from serving import holdings
from serving.holdings import HELD_BYTES, Holding, Holdings


async def reserved(all_held: Holdings, size: int, until: asyncio.Event) -> None:
    with all_held.open(asyncio.timeout(None)) as holding:
        await holding.reserve(size)
        await until.wait()


async def test_sources_wait_for_room_and_small_ones_pass_large_ones() -> None:
    all_held, first_end, end = Holdings(), asyncio.Event(), asyncio.Event()
    first = asyncio.create_task(reserved(all_held, HELD_BYTES - 10, first_end))
    await asyncio.sleep(0)
    others = [asyncio.create_task(reserved(all_held, size, end)) for size in (11, 10)]
    await asyncio.sleep(0)
    assert all_held.held == HELD_BYTES
    first_end.set()
    await first
    await asyncio.sleep(0.01)
    assert all_held.held == 21
    end.set()
    await asyncio.gather(*others)
    assert all_held.held == 0


async def test_alone_a_request_may_hold_any_size() -> None:
    all_held, end = Holdings(), asyncio.Event()
    task = asyncio.create_task(reserved(all_held, 3 * HELD_BYTES, end))
    await asyncio.sleep(0)
    assert all_held.held == 3 * HELD_BYTES
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert all_held.held == 0


async def answered(all_held: Holdings, size: int, seconds: float) -> str:
    expiry = asyncio.timeout(None)
    with all_held.open(expiry) as holding:
        try:
            async with expiry:
                holding.hold(5)
                holding.answer(size)
                await asyncio.sleep(seconds)
        except TimeoutError:
            return "cut off"
    return "read"


async def test_new_work_waits_for_answers_to_be_read() -> None:
    all_held = Holdings()
    await asyncio.wait_for(all_held.room_for_an_answer(), 0.1)
    reader = asyncio.create_task(answered(all_held, HELD_BYTES, 0.3))
    await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(all_held.room_for_an_answer(), 0.1)
    await asyncio.wait_for(all_held.room_for_an_answer(), 1)
    assert await reader == "read"


async def test_the_slowest_reader_makes_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holdings, "_PATIENCE", 0.2)
    all_held = Holdings()
    slow = asyncio.create_task(answered(all_held, HELD_BYTES, 60))
    await asyncio.wait_for(asyncio.sleep(0.3), 1)
    fresh = asyncio.create_task(answered(all_held, 10, 1.5))
    await asyncio.wait_for(all_held.room_for_an_answer(), 3)
    assert await slow == "cut off"
    assert await fresh == "read"


async def test_who_has_no_answer_never_makes_way() -> None:
    expiry = asyncio.timeout(None)
    async with expiry:
        assert not Holding(Holdings(), expiry).make_way()
