"""How many reads and scans a decoder may take of a file."""

import pytest

from pipeline.image.decoder_limits import LimitedFile

HEADER_READS, PIXEL_READS, SCANS = 4_096, 200_000, 100
SCAN = b"\xff\xda\0\x08"


def read_times(file: LimitedFile, times: int) -> None:
    for _ in range(times):
        file.seek(0)
        file.read(4)


def test_it_reads_like_any_file() -> None:
    file = LimitedFile(b"abcdef")
    assert (file.read(2), file.read(), file.read()) == (b"ab", b"cdef", b"")
    file.seek(1)
    assert file.read(None) == b"bcdef"


def test_the_header_may_take_4096_reads() -> None:
    file = LimitedFile(b"abcd")
    read_times(file, HEADER_READS)
    with pytest.raises(ValueError, match="parts"):
        file.read(1)


def test_the_pixels_may_take_200000_more() -> None:
    file = LimitedFile(b"abcd")
    read_times(file, HEADER_READS)
    file.begin_pixels(in_scans=False)
    read_times(file, PIXEL_READS)
    with pytest.raises(ValueError, match="parts"):
        file.read(1)


def test_an_image_in_scans_may_have_100() -> None:
    file = LimitedFile(SCAN * (SCANS + 1))
    file.begin_pixels(in_scans=True)
    assert file.read(4 * SCANS) == SCAN * SCANS
    with pytest.raises(ValueError, match="scans"):
        file.read(4)


def test_scans_are_not_counted_in_the_header_or_in_another_image() -> None:
    data = SCAN * 5 * SCANS
    file = LimitedFile(data)
    assert file.read() == data
    file.begin_pixels(in_scans=False)
    file.seek(0)
    assert file.read() == data
