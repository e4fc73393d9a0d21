"""The durations of steps and the deadline, with a clock that the test sets."""

import pytest

from pipeline import request_timer
from pipeline.errors import DeadlineExceeded
from pipeline.request_timer import RequestTimer


class Clock:
    """Stands in for the `time` module."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(request_timer, "time", clock)
    return clock


def test_each_step_has_its_duration(clock: Clock) -> None:
    timer = RequestTimer(deadline=2_000)
    for name, seconds in (("decode", 0.25), ("segment", 0.5)):
        with timer.step(name):
            clock.now += seconds
        clock.now += 10  # between two steps
    assert timer.milliseconds == {"decode": 250, "segment": 500}


def test_the_times_of_a_step_that_runs_twice_are_added(clock: Clock) -> None:
    recorded: list[tuple[str, float, float]] = []
    timer = RequestTimer(2_000, lambda *step: recorded.append(step))
    for seconds in (0.25, 0.5):
        with timer.step("decode"):
            clock.now += seconds
    assert timer.milliseconds == {"decode": 750}
    assert [end - start for _, start, end in recorded] == [0.25, 0.5]


def test_a_step_is_recorded_when_it_ends(clock: Clock) -> None:
    recorded: list[tuple[str, float, float]] = []
    timer = RequestTimer(2_000, lambda *step: recorded.append(step))
    with timer.step("decode"):
        clock.now += 0.5
        assert not recorded
    assert recorded == [("decode", 1_000, 1_000.5)]


def test_a_step_that_fails_is_recorded_too(clock: Clock) -> None:
    recorded: list[tuple[str, float, float]] = []
    timer = RequestTimer(2_000, lambda *step: recorded.append(step))

    def fail() -> None:
        clock.now += 0.5
        raise KeyError

    with pytest.raises(KeyError), timer.step("decode"):
        fail()
    assert recorded == [("decode", 1_000, 1_000.5)]
    assert timer.milliseconds == {"decode": 500}


@pytest.mark.parametrize(("late", "starts"), [(-0.001, True), (0, False), (0.001, False)])
def test_no_step_starts_at_or_after_the_deadline(clock: Clock, late: float, starts: bool) -> None:
    timer, has_started = RequestTimer(deadline=2_000), False
    clock.now = 2_000 + late
    try:
        with timer.step("encode"):
            has_started = True
    except DeadlineExceeded:
        assert not timer.milliseconds
    assert has_started == starts


def test_a_step_that_outlasts_the_deadline_ends_normally(clock: Clock) -> None:
    timer = RequestTimer(deadline=1_001)
    with timer.step("segment"):
        clock.now += 5
    assert timer.milliseconds == {"segment": 5_000}
