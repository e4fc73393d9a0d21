"""The lock that several threads hold at once, until one of them asks to be alone."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.shared_lock import SharedLock

SOON = 5  # seconds


def test_two_threads_hold_it_at_once() -> None:
    lock, both = SharedLock(), threading.Barrier(2)

    def hold() -> None:
        with lock.held():
            both.wait(SOON)

    with ThreadPoolExecutor(2) as pool:
        for done in (pool.submit(hold), pool.submit(hold)):
            done.result(SOON)


def test_a_thread_that_asks_to_be_alone_waits_for_the_others_and_keeps_new_ones_out() -> None:
    lock, order = SharedLock(), list[str]()
    beside, asked, release = threading.Event(), threading.Event(), threading.Event()

    def hold_beside() -> None:
        with lock.held():
            beside.set()
            release.wait(SOON)
            order.append("beside")

    def hold_alone() -> None:
        with lock.held() as exclude_others:
            beside.wait(SOON)
            asked.set()
            exclude_others()
            exclude_others()  # it is alone already
            time.sleep(0.05)
            order.append("alone")

    def hold_later() -> None:
        asked.wait(SOON)
        time.sleep(0.05)
        with lock.held():
            order.append("later")

    with ThreadPoolExecutor(3) as pool:
        running = [pool.submit(work) for work in (hold_beside, hold_alone, hold_later)]
        asked.wait(SOON)
        time.sleep(0.1)
        assert order == []
        release.set()
        for one in running:
            one.result(SOON)
    assert order == ["beside", "alone", "later"]


def test_threads_that_all_ask_to_be_alone_take_turns() -> None:
    lock, all_hold, alone, most = SharedLock(), threading.Barrier(4), 0, 0

    def hold() -> None:
        nonlocal alone, most
        with lock.held() as exclude_others:
            all_hold.wait(SOON)
            exclude_others()
            alone += 1
            most = max(most, alone)
            time.sleep(0.01)
            alone -= 1

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(hold) for _ in range(4)]:
            done.result(SOON)
    assert most == 1


def test_it_tells_when_no_thread_holds_it() -> None:
    freed, both = list[str](), threading.Barrier(2)
    lock = SharedLock(lambda: freed.append("free"))

    def hold() -> None:
        with lock.held():
            both.wait(SOON)
            both.wait(SOON)

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(hold)
        with lock.held():
            both.wait(SOON)
        assert freed == []
        both.wait(SOON)
        other.result(SOON)
    assert freed == ["free"]
    with lock.held() as exclude_others:
        exclude_others()
        assert freed == ["free"] * 2
    assert freed == ["free"] * 3


@pytest.mark.parametrize("alone", [False, True])
def test_an_exception_of_on_free_leaves_the_lock_usable(alone: bool) -> None:
    failures = [ZeroDivisionError()]

    def on_free() -> None:
        if failures:
            raise failures.pop()

    lock = SharedLock(on_free)

    def hold() -> None:
        with lock.held() as exclude_others:
            if alone:
                exclude_others()

    with pytest.raises(ZeroDivisionError):
        hold()
    with ThreadPoolExecutor(2) as pool:
        for one in [pool.submit(hold) for _ in range(4)]:
            one.result(SOON)


@pytest.mark.parametrize("alone", [False, True])
def test_an_exception_releases_it(alone: bool) -> None:
    lock = SharedLock()

    def fail() -> None:
        with lock.held() as exclude_others:
            if alone:
                exclude_others()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: lock.held().__enter__()).result(SOON)
