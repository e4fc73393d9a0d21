"""What AV1 headers make their decoder allocate, on bitstreams written bit by bit."""

import io

import pytest
from PIL import Image

from pipeline.errors import ImageCorrupt
from pipeline.image.headers.av1 import bytes_per_pixel, read_stream
from tests.support.avif_files import payload

FRAME, REDUNDANT_FRAME_HEADER, TEMPORAL_DELIMITER = 6, 7, 2

# Not shown before, a key frame, shown, with its own tables, without screen content.
KEY_FRAME = "0" + "00" + "1" + "0" + "0"
SWITCH_FRAME = "0" + "11" + "1" + "0" + "0"
SHOWN_AGAIN = "1000"


def unit(kind: int, content: str) -> bytes:
    """Return an open bitstream unit with these bits."""
    size = -(-len(content) // 8)
    return bytes([kind << 3 | 2, size]) + int(content.ljust(size * 8, "0"), 2).to_bytes(size, "big")


def sequence(
    width: int, height: int, size_bits: int = 16, is_reduced: bool = False, deep: bool = False
) -> bytes:
    """Return a sequence header of profile 0 in 4:2:0, without timing or order hints."""
    if is_reduced:
        start, tools = "000" + "11" + "00000", "000"
    else:
        start = "000" + "00" + "0" + "0" + "00000" + "0" * 12 + "00000"
        tools = "0" + "000" + "0000" + "0" + "1" + "1"
    size = f"{size_bits - 1:04b}" * 2 + f"{width - 1:0{size_bits}b}" + f"{height - 1:0{size_bits}b}"
    colors = ("1" if deep else "0") + "0" + "0" + "0" + "00" + "0"
    grain = "0"
    return unit(1, start + size + tools + "000" + colors + grain + "1")


SMALL, LARGE_AND_DEEP = sequence(16, 16), sequence(500, 400, deep=True)
ONE_FRAME = unit(FRAME, KEY_FRAME + "0")


@pytest.mark.parametrize(
    ("depth", "is_gray", "across", "down", "expected"),
    [
        (8, True, 1, 1, 1),
        (8, False, 2, 2, 1.5),
        (8, False, 2, 1, 2),
        (8, False, 1, 1, 3),
        (10, False, 2, 2, 3),
        (12, False, 1, 1, 6),
    ],
)
def test_the_planes_of_a_pixel(
    depth: int, is_gray: bool, across: int, down: int, expected: float
) -> None:
    assert bytes_per_pixel(depth, is_gray, across, down) == expected


@pytest.mark.parametrize(
    ("subsampling", "expected"), [("4:0:0", 1), ("4:2:0", 1.5), ("4:2:2", 2), ("4:4:4", 3)]
)
def test_a_real_bitstream(subsampling: str, expected: float) -> None:
    stream = read_stream(payload(Image.new("RGB", (48, 32)), subsampling=subsampling))
    assert (stream.pixels, stream.bytes_per_pixel, stream.frames) == (48 * 32, expected, 1)


def test_a_frame_may_be_larger_than_its_sequence_says() -> None:
    """The decoder obeys a frame's own size, which only the width of its fields bounds."""
    header = sequence(16, 16, size_bits=12)
    assert read_stream(header + unit(FRAME, KEY_FRAME + "0")).pixels == 16**2
    assert read_stream(header + unit(FRAME, KEY_FRAME + "1")).pixels == 4096**2
    assert read_stream(header + unit(FRAME, SWITCH_FRAME)).pixels == 4096**2
    reduced = sequence(16, 16, is_reduced=True)
    assert read_stream(reduced + unit(FRAME, "1" * 8)).pixels == 16**2


def test_every_sequence_header_counts() -> None:
    assert read_stream(SMALL + ONE_FRAME).pixels == 256
    assert read_stream(SMALL + ONE_FRAME + LARGE_AND_DEEP).pixels == 200_000
    assert read_stream(SMALL, configuration=LARGE_AND_DEEP).pixels == 200_000
    assert read_stream(SMALL).bytes_per_pixel == 1.5
    assert read_stream(SMALL + LARGE_AND_DEEP).bytes_per_pixel == 3


def test_every_frame_counts_but_one_that_is_shown_again() -> None:
    assert read_stream(SMALL).frames == 1
    assert read_stream(SMALL + 5 * ONE_FRAME).frames == 5
    assert (
        read_stream(SMALL + ONE_FRAME + unit(REDUNDANT_FRAME_HEADER, KEY_FRAME + "0")).frames == 2
    )
    assert read_stream(SMALL + ONE_FRAME + unit(3, SHOWN_AGAIN)).frames == 1
    assert read_stream(SMALL + 32 * ONE_FRAME).frames == 32


@pytest.mark.parametrize(
    "data",
    [
        b"",
        ONE_FRAME,
        SMALL[:-8],
        SMALL + 33 * ONE_FRAME,
        SMALL + unit(TEMPORAL_DELIMITER, "0") * 1_001,
        b"\x0a\xff\xff",
    ],
)
def test_a_stream_that_cannot_be_read_is_corrupt(data: bytes) -> None:
    with pytest.raises(ImageCorrupt):
        read_stream(data)


def test_film_grain_takes_one_more_frame() -> None:
    photo = io.BytesIO()
    Image.effect_noise((64, 64), 60).save(
        photo, "AVIF", codec="aom", advanced={"film-grain-test": "1"}
    )
    data = photo.getvalue()
    assert read_stream(data[data.index(b"mdat") + 4 :]).frames == 2
