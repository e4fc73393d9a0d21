import asyncio
import contextlib
import gc
import threading
import time
import weakref

import pytest

from pipeline.errors import Busy, FormatUnsupported, ShuttingDown
from serving.line import Line


async def at_once() -> None:
    pass


async def hold(line: Line, event: asyncio.Event) -> str:
    expiry = asyncio.timeout(10)
    with line.admit(expiry):
        try:
            async with expiry:
                await event.wait()
        except TimeoutError:
            return "told to go"
    return "done"


async def test_the_line_is_full() -> None:
    line, end = Line(2), asyncio.Event()
    inside = [asyncio.create_task(hold(line, end)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Busy), line.admit(asyncio.timeout(1)):
        pass
    end.set()
    assert await asyncio.gather(*inside) == ["done", "done"]
    with line.admit(asyncio.timeout(1)):
        pass


async def test_one_work_at_a_time_in_order() -> None:
    line, running, most, order = Line(9), 0, 0, []

    def work(number: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        time.sleep(0.01)
        order.append(number)
        running -= 1
        return number

    assert await asyncio.gather(*(line.run(lambda n=n: work(n), at_once) for n in range(8))) == list(range(8))  # type: ignore[misc]
    assert (most, order) == (1, list(range(8)))


async def test_errors_of_the_work_arrive() -> None:
    with pytest.raises(ZeroDivisionError):
        await Line(1).run(lambda: 1 // 0, at_once)


async def test_work_that_waits_and_is_cancelled_never_starts() -> None:
    line, end, started = Line(9), threading.Event(), []
    first = asyncio.create_task(line.run(end.wait, at_once))
    second = asyncio.create_task(line.run(lambda: started.append(2), at_once))
    await asyncio.sleep(0.05)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    end.set()
    await first
    await line.run(lambda: None, at_once)
    assert started == []


async def test_work_starts_when_there_is_room_and_nothing_overtakes_it() -> None:
    line, room, order = Line(9), asyncio.Event(), []

    async def wait() -> None:
        await room.wait()

    first = asyncio.create_task(line.run(lambda: order.append(1), wait))
    second = asyncio.create_task(line.run(lambda: order.append(2), at_once))
    await asyncio.sleep(0.05)
    assert order == []
    room.set()
    await asyncio.gather(first, second)
    assert order == [1, 2]


async def test_abandoned_work_keeps_its_place_until_its_thread_has_ended() -> None:
    line, end = Line(1), threading.Event()
    task = asyncio.create_task(line.run(end.wait, at_once))
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    with pytest.raises(Busy), line.admit(asyncio.timeout(1)):
        pass
    end.set()
    await asyncio.sleep(0.1)
    with line.admit(asyncio.timeout(1)):
        pass


async def test_after_a_hundred_forced_deadlines_never_more_than_one_works() -> None:
    line, running, most, done = Line(200), 0, 0, 0

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
                await line.run(work, at_once)
        except TimeoutError:
            return "gave up"
        return "done"

    ends = [await asyncio.gather(*(give_up(0.005) for _ in range(10))) for _ in range(10)]
    assert ends == [["gave up"] * 10] * 10
    await asyncio.gather(*(give_up(5) for _ in range(10)))
    assert most == 1
    assert 10 < done < 100


async def test_closing_waits_for_who_is_inside_and_refuses_the_rest() -> None:
    line, end = Line(9), asyncio.Event()
    inside = asyncio.create_task(hold(line, end))
    await asyncio.sleep(0)
    closing = asyncio.create_task(line.close(grace=5))
    await asyncio.sleep(0)
    assert not line.is_open
    with pytest.raises(ShuttingDown), line.admit(asyncio.timeout(1)):
        pass
    assert not closing.done()
    end.set()
    await asyncio.wait_for(closing, 1)
    assert await inside == "done"


async def test_closing_tells_who_stays_too_long_to_go() -> None:
    line = Line(9)
    inside = asyncio.create_task(hold(line, asyncio.Event()))
    await asyncio.sleep(0)
    await line.close(grace=0.05)
    assert await asyncio.wait_for(inside, 1) == "told to go"


async def test_work_that_fails_leaves_no_picture_behind() -> None:
    """Without the help of the collector of cycles, which comes late where few objects are large."""
    pictures: weakref.WeakSet[threading.Event] = weakref.WeakSet()

    def work() -> None:
        picture = threading.Event()  # any object will do
        pictures.add(picture)
        raise FormatUnsupported

    gc.disable()
    try:
        with contextlib.suppress(FormatUnsupported):
            await Line(1).run(work, at_once)
        end = time.monotonic() + 2
        while pictures and time.monotonic() < end:  # the thread may not have left its frame yet
            await asyncio.sleep(0.01)
        assert not pictures
    finally:
        gc.enable()
