"""The decoder's process, as the worker sees it: it answers, dies or hangs."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from PIL import Image

from pipeline.image.heif import child
from pipeline.image.heif.process import ChildError, HeifProcess
from tests.support.heif_files import heic
from tests.support.images import quadrants
from tests.support.waiting import wait_until

FILE = heic(quadrants())


@pytest.fixture
def process() -> Iterator[HeifProcess]:
    """A running process."""
    started = HeifProcess(100_000_000)
    yield started
    started.kill()


def ask(process: HeifProcess, data: bytes, seconds: float = 20) -> tuple[int, int]:
    """Send a file; return the width and height of the reply, and read its pixels."""
    process.request(data, False, 60_000_000, 5, time.monotonic() + seconds)
    width, height, *_ = child.REPLY.unpack(process.read(child.REPLY.size))
    process.read(3 * width * height)
    return width, height


def test_one_process_answers_one_file_after_the_other(process: HeifProcess) -> None:
    assert [ask(process, data) for data in (FILE, b"", FILE[:80], FILE)] == [
        (40, 20),
        (0, 0),
        (0, 0),
        (40, 20),
    ]
    assert process.is_usable


def test_a_process_keeps_nothing_of_an_image(process: HeifProcess) -> None:
    """The six megapixels are 18 MB, and 9 MB before their conversion."""
    large = heic(Image.new("RGB", (3_000, 2_000)))
    ask(process, FILE)
    before = psutil.Process(process.pid).memory_info().rss
    ask(process, large)
    assert wait_until(
        lambda: psutil.Process(process.pid).memory_info().rss - before < 6_000_000,
        child.IDLE_SECONDS / 2,
    )


def test_a_process_that_dies_is_an_error(process: HeifProcess) -> None:
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(ChildError):
        ask(process, FILE)
    process.kill()
    assert not process.is_usable


def test_a_process_that_hangs_is_an_error_at_the_deadline(process: HeifProcess) -> None:
    """Whether it does not read (over what a pipe holds) or does not answer."""
    os.kill(process.pid, signal.SIGSTOP)
    pool = ThreadPoolExecutor(1)  # a thread that hangs ends when the process is killed
    for data in (FILE, bytes(1_000_000)):
        asking = pool.submit(ask, process, data, seconds=0.1)
        with pytest.raises(ChildError):
            asking.result(5)


def test_an_idle_process_is_not_used_again(
    process: HeifProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may end before the request arrives."""
    assert process.is_usable
    monkeypatch.setattr(child, "IDLE_SECONDS", 0)
    assert not process.is_usable


def test_the_process_knows_no_variable(process: HeifProcess) -> None:
    ask(process, FILE)
    with open(f"/proc/{process.pid}/environ") as variables:
        assert not variables.read().replace("GLIBC_TUNABLES=glibc.malloc.arena_max=1\0", "")
