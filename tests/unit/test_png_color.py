"""The chunks of color of a PNG."""

import pytest

from pipeline.image.headers.png_color import PngColor, read_color
from tests.support.color_files import (
    BT2020,
    P3,
    PQ,
    SRGB,
    SRGB_POINTS,
    chrm,
    cicp,
    gama,
    png_with,
)
from tests.support.image_files import chunk
from tests.support.images import encoded, quadrants

IMAGE = quadrants()
POINTS = ((0.3127, 0.329), (0.64, 0.33), (0.3, 0.6), (0.15, 0.06))


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([], PngColor()),
        ([gama(45_455)], PngColor(gamma=0.45455)),
        ([chrm(SRGB_POINTS)], PngColor(points=POINTS)),
        ([chunk(b"sRGB", b"\0")], PngColor(is_srgb=True)),
        ([cicp(BT2020, PQ)], PngColor(codes=(BT2020, PQ))),
        (
            [cicp(P3, SRGB), chunk(b"sRGB", b"\0"), gama(1), chrm(SRGB_POINTS)],
            PngColor((P3, SRGB), True, 0.00001, POINTS),
        ),
        ([gama(45_455), gama(100_000)], PngColor(gamma=0.45455)),
        ([chunk(b"tEXt", b"gAMA"), chunk(b"tEXt", gama(45_455))], PngColor()),
    ],
)
def test_what_the_chunks_contain(chunks: list[bytes], expected: PngColor) -> None:
    assert read_color(png_with(IMAGE, *chunks)) == expected


@pytest.mark.parametrize(
    "ignored",
    [
        chunk(b"gAMA", b"\0\0\1"),
        chrm(SRGB_POINTS[:7]),
        chunk(b"cICP", b"\x09\x10\0"),
        cicp(P3, SRGB, matrix=1),
        cicp(P3, SRGB, is_full_range=0),
        chunk(b"gama", b"\0\0\1\0"),
    ],
)
def test_a_chunk_that_cannot_be_read_is_ignored(ignored: bytes) -> None:
    assert read_color(png_with(IMAGE, ignored)) == PngColor()


def test_a_chunk_behind_the_pixels_does_not_count() -> None:
    data = encoded(IMAGE)
    assert read_color(data[:-12] + gama(100_000) + data[-12:]) == PngColor()


def test_a_cut_file_and_one_of_too_many_chunks_declare_nothing() -> None:
    data = png_with(IMAGE, gama(45_455))
    assert read_color(data[: 33 + 11]) == PngColor()
    assert read_color(data[: 33 + 16]) == PngColor(gamma=0.45455)
    assert read_color(data[:8]) == PngColor()
    assert read_color(png_with(IMAGE, gama(45_455), *[chunk(b"tEXt")] * 1_000)) == PngColor()
