"""Workers that die, hang and refuse, and their replacement."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from batch.cutters import Cutter, CutterPool
from batch.errors import ImageFailed
from pipeline.errors import StartupError
from tests.support.batch import NO_MODEL, OBEDIENT, OBEDIENT_WORKER
from tests.support.waiting import wait_until


@pytest.fixture
def pool() -> Iterator[CutterPool]:
    """One worker whose images do as they are told."""
    with closing(CutterPool(1, NO_MODEL, 0.5, OBEDIENT_WORKER)) as pool:
        yield pool


def test_a_worker_serves_many_images(pool: CutterPool) -> None:
    assert pool.pids() == []
    results = [pool.run("cut", image) for image in (b"a", b"b")]
    assert [result.content for result in results] == [b"A", b"B"]
    assert [result.fields["count"] for result in results] == [1, 2]
    assert [result.attempts for result in results] == [1, 1]


def test_an_error_of_the_contract_is_not_tried_again(pool: CutterPool) -> None:
    with pytest.raises(ImageFailed, match="Nothing there") as caught:
        pool.run("cut", b"refuse")
    assert caught.value.code == "no_subject_found"
    assert pool.run("cut", b"a").fields["count"] == 2


@pytest.mark.parametrize(
    ("image", "code", "sentence"),
    [
        (b"die", "worker_died", r"\(signal 9\), 2 times"),
        (b"hang", "timeout", "more than 0.5 s"),
    ],
)
def test_an_image_that_kills_or_hangs_costs_one_failure(
    pool: CutterPool, image: bytes, code: str, sentence: str
) -> None:
    pool.run("cut", b"a")
    (first,) = pool.pids()
    with pytest.raises(ImageFailed, match=sentence) as caught:
        pool.run("cut", image)
    assert caught.value.code == code
    assert not psutil.pid_exists(first)
    assert pool.run("cut", b"b").content == b"B"


def test_a_worker_that_is_killed_is_replaced_and_the_image_tried_again(pool: CutterPool) -> None:
    pool.run("cut", b"a")
    (worker,) = pool.pids()
    os.kill(worker, signal.SIGKILL)
    result = pool.run("cut", b"b")
    assert (result.content, result.attempts) == (b"B", 2)


def test_a_worker_that_cannot_start_is_a_defect_of_the_setup() -> None:
    for script, sentence in (
        ("raise SystemExit(3)", "ended while it started"),
        (
            "import sys; from multiprocessing.connection import Connection\n"
            "from batch.protocol import send\n"
            "send(Connection(int(sys.argv[1])), {'code': 'startup', 'message': 'No model.'})",
            "No model",
        ),
    ):
        cutter = Cutter(NO_MODEL, 1, (sys.executable, "-c", script))
        with pytest.raises(StartupError, match=sentence):
            cutter.ask("cut", b"a")
        cutter.kill()


def test_a_replacement_that_cannot_start_costs_only_the_image(tmp_path: Path) -> None:
    start_once = f"open({str(tmp_path / 'started')!r}, 'x')\n"
    command = (sys.executable, "-c", start_once + OBEDIENT)
    with closing(CutterPool(1, NO_MODEL, 5, command)) as pool:
        assert pool.run("cut", b"a").content == b"A"
        with pytest.raises(ImageFailed) as caught:
            pool.run("cut", b"die")
        assert caught.value.code == "worker_died"
        (tmp_path / "started").unlink()
        assert pool.run("cut", b"b").content == b"B"


def test_closing_ends_a_worker_that_hangs() -> None:
    pool = CutterPool(1, NO_MODEL, 60, OBEDIENT_WORKER)
    pool.run("cut", b"a")
    (worker,) = pool.pids()
    started = time.monotonic()
    pool.close()
    assert wait_until(lambda: not psutil.pid_exists(worker), 5)
    assert time.monotonic() - started < 5
