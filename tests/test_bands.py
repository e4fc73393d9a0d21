import threading

import pytest

from pipeline import bands


def test_bands_cover_every_line_once_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bands, "_BAND_PIXELS", 100)
    for lines, pixels in ((1, 1), (1, 1000), (7, 30), (1000, 9)):
        covered = list(bands.over_bands(lambda first, end: (first, end), lines, pixels))
        assert [first for first, _ in covered] == [0, *(end for _, end in covered[:-1])]
        assert covered[-1][1] == lines
        assert all(end > first for first, end in covered)


def test_one_band_stays_in_its_thread() -> None:
    assert list(bands.over_bands(lambda *_: threading.current_thread(), 10, 10)) == [threading.current_thread()]


def test_a_failure_reaches_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bands, "_BAND_PIXELS", 1)

    def fail(first: int, end: int) -> None:
        if first == 3:
            raise MemoryError

    with pytest.raises(MemoryError):
        list(bands.over_bands(fail, 10, 1))
