"""Strips cover an image once, in order, in threads."""

import threading

import pytest

from pipeline.image import strips
from pipeline.image.strips import SERIAL, Strips


@pytest.mark.parametrize("threads", [1, 3])
def test_strips_cover_every_line_once_and_in_order(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strips, "_STRIP_PIXELS", 100)
    for lines, pixels in ((1, 1), (1, 1000), (7, 30), (1000, 9)):
        covered = list(Strips(threads).map(lambda first, end: (first, end), lines, pixels))
        assert [first for first, _ in covered] == [0, *(end for _, end in covered[:-1])]
        assert covered[-1][1] == lines
        assert all(end > first for first, end in covered)


@pytest.mark.parametrize("pixels_per_line", [1, 3, 200])
def test_strips_are_a_multiple_of_lines_except_the_last(
    pixels_per_line: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strips, "_STRIP_PIXELS", 100)
    heights = list(SERIAL.map(lambda first, end: end - first, 165, pixels_per_line, multiple=16))
    assert sum(heights) == 165
    assert {height % 16 for height in heights[:-1]} == {0}
    assert len(set(heights[:-1])) == 1


def test_smaller_strips_have_a_share_of_the_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strips, "_STRIP_PIXELS", 120)
    threads = Strips(2)

    def heights(of: Strips) -> list[int]:
        return list(of.map(lambda first, end: end - first, 60, 2))

    assert heights(threads) == [60]
    assert heights(threads.smaller(2)) == [30, 30]
    assert heights(threads.smaller(2).smaller(1.5)) == [20, 20, 20]
    assert heights(threads.smaller(1000)) == [1] * 60


def test_a_single_strip_runs_in_the_calling_thread() -> None:
    assert list(Strips(2).map(lambda *_: threading.current_thread(), 10, 10)) == [
        threading.current_thread()
    ]


def test_two_strips_run_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strips, "_STRIP_PIXELS", 1)
    both = threading.Barrier(2)
    assert sorted(Strips(2).map(lambda *_: both.wait(5), 2, 1)) == [0, 1]


def test_two_functions_run_at_the_same_time() -> None:
    both = threading.Barrier(2)
    assert sorted(Strips(2).both(lambda: both.wait(5), lambda: both.wait(5))) == [0, 1]


@pytest.mark.parametrize("of", [SERIAL, Strips(2)])
def test_two_functions_return_their_results_or_raise(of: Strips) -> None:
    assert of.both(lambda: 1, lambda: "two") == (1, "two")
    for functions in ((lambda: 1 // 0, lambda: 1), (lambda: 1, lambda: 1 // 0)):
        with pytest.raises(ZeroDivisionError):
            of.both(*functions)


@pytest.mark.parametrize("of", [SERIAL, Strips(2)])
def test_an_exception_in_a_strip_is_raised(of: Strips, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strips, "_STRIP_PIXELS", 1)

    def fail(first: int, end: int) -> None:
        if first == 3:
            raise MemoryError

    with pytest.raises(MemoryError):
        of.for_each(fail, 10, 1)
