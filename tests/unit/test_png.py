"""PNG files, read back by a reader that shares no code with the writer."""

import struct
import zlib
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from pipeline.image import strips as strips_module
from pipeline.image.png import write_png
from pipeline.image.strips import SERIAL, Strips

TWO_THREADS = Strips(2)
COLOR_TYPES = {1: 0, 3: 2, 4: 6}

Pixels = NDArray[np.uint8]


def noise(width: int, height: int, channels: int, seed: int = 1) -> Pixels:
    values = np.random.default_rng(seed).integers(0, 256, (height, width, channels))
    return values.astype(np.uint8)


def write(pixels: Pixels, strips: Strips = SERIAL) -> bytes:
    height, width, channels = pixels.shape
    return write_png(lambda top, bottom: pixels[top:bottom], width, height, channels, strips)


def chunks(png: bytes) -> list[tuple[bytes, bytes]]:
    """Return the kind and the content of each chunk, whose checksums are right."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    found, at = [], 8
    while at < len(png):
        (size,) = struct.unpack_from(">I", png, at)
        kind, content = png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        assert struct.unpack_from(">I", png, at + 8 + size) == (zlib.crc32(kind + content),)
        found.append((kind, content))
        at += 12 + size
    return found


def read(png: bytes) -> Pixels:
    """Inflate a PNG and undo the filters. zlib checks the Adler-32."""
    (_, header), *parts = chunks(png)
    width, height, depth, color_type, *rest = struct.unpack(">IIBBBBB", header)
    assert (depth, rest) == (8, [0, 0, 0])
    channels = {value: key for key, value in COLOR_TYPES.items()}[color_type]
    lines = np.frombuffer(
        zlib.decompress(b"".join(content for kind, content in parts if kind == b"IDAT")), np.uint8
    ).reshape(height, 1 + width * channels)
    assert set(lines[:, 0]) <= {0, 2}  # filter types None, and Up: each row less the row above
    assert lines[0, 0] == 0
    pixels = lines[:, 1:].copy()
    for row in range(1, height):
        if lines[row, 0] == 2:
            pixels[row] += pixels[row - 1]
    return pixels.reshape(height, width, channels)


def test_a_file_is_a_header_then_pixels_then_the_end() -> None:
    (first, header), *parts, last = chunks(write(noise(5, 3, 4)))
    assert (first, header) == (b"IHDR", struct.pack(">IIBBBBB", 5, 3, 8, 6, 0, 0, 0))
    assert {kind for kind, _ in parts} == {b"IDAT"}
    assert last == (b"IEND", b"")


@given(
    width=st.integers(1, 60),
    height=st.integers(1, 60),
    channels=st.sampled_from([1, 3, 4]),
    strip_pixels=st.sampled_from([1, 100, 1 << 18]),
    threads=st.sampled_from([SERIAL, TWO_THREADS]),
    seed=st.integers(0, 9),
)
def test_every_pixel_is_read_back_whatever_the_strips(
    width: int, height: int, channels: int, strip_pixels: int, threads: Strips, seed: int
) -> None:
    pixels = noise(width, height, channels, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strips_module, "_STRIP_PIXELS", strip_pixels)
        png = write(pixels, threads)
    assert np.array_equal(read(png), pixels)


def test_each_strip_can_be_inflated_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in a strip refers to the strips before it, so that they can be deflated at once."""
    monkeypatch.setattr(strips_module, "_STRIP_PIXELS", 10 * 40)
    pixels = np.repeat(noise(40, 1, 3), 100, axis=0)  # rows that compress best by what is above
    _, (_, zlib_header), *parts, (_, trailer), _ = chunks(write(pixels))
    assert len(parts) == 10
    assert (zlib_header, trailer[:2]) == (b"\x78\x01", b"\x03\x00")
    lines = b""
    for _, content in parts:
        strip = zlib.decompressobj(-15).decompress(content)
        assert len(strip) == 10 * (1 + 40 * 3)
        lines += strip
    assert int.from_bytes(trailer[2:], "big") == zlib.adler32(lines)


def test_every_row_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strips_module, "_STRIP_PIXELS", 4 * 10)
    pixels, asked = noise(10, 10, 1), []

    def rows(top: int, bottom: int) -> Pixels:
        asked.append((top, bottom))
        return pixels[top:bottom]

    write_png(rows, 10, 10, 1)
    assert asked == [(0, 4), (4, 8), (8, 10)]


def test_flat_pixels_become_small() -> None:
    assert len(write(np.full((1_000, 1_000, 4), 7, np.uint8))) < 30_000


def mask_with_edges() -> Pixels:
    """Return a mask of 3000 × 400 pixels: flat areas, and soft edges with some noise."""
    random = np.random.default_rng(2)
    coarse = ndimage.gaussian_filter(random.normal(0, 1, (320, 320)), 20)
    levels = np.clip(coarse / coarse.std() * 40 + 128, 0, 255).astype(np.uint8)
    distance = np.asarray(Image.fromarray(levels).resize((3000, 3000), Image.Resampling.BICUBIC))
    distance = distance[1500:1900].astype(float) - 128
    noise = random.normal(0, 40, distance.shape) * (abs(distance) < 3)
    return np.clip(distance * 20 + noise + 128, 0, 255).astype(np.uint8)[..., np.newaxis]


def test_the_same_pixels_give_the_same_bytes_wherever_memory_lies() -> None:
    mask = mask_with_edges()
    first, random, held = write(mask), Random(4), []
    different = 0
    for _ in range(2_500):
        held.append(bytearray(random.randrange(16, 120_000)))  # moves what is allocated next
        different += write(mask) != first
    assert different == 0
