"""JPEG files from strips: the same pixels as of one whole file by Pillow."""

import io

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import FormatUnsupported
from pipeline.image import strips as strips_module
from pipeline.image.jpeg_writer import MAX_SIDE, QUALITY, write_jpeg
from pipeline.image.strips import SERIAL, Strips
from tests.support.images import encoded

TWO_THREADS = Strips(2)

Pixels = NDArray[np.uint8]


def smooth(width: int, height: int, channels: int, seed: int = 1) -> Pixels:
    """Return large shapes with some noise in all channels."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (5, 5, 3), dtype=np.uint8)
    image = np.asarray(Image.fromarray(coarse).resize((width, height))).astype(int)
    noisy = np.clip(image + random.integers(-20, 21, image.shape), 0, 255)
    return noisy[..., :channels].astype(np.uint8)


def write(pixels: Pixels, strips: Strips = SERIAL) -> bytes:
    height, width, channels = pixels.shape
    return write_jpeg(lambda top, bottom: pixels[top:bottom], width, height, channels, strips)


def whole(pixels: Pixels) -> bytes:
    image = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0])
    return encoded(image, "JPEG", quality=QUALITY, subsampling="4:2:0")


@given(
    width=st.integers(1, 70),
    height=st.integers(1, 300),
    channels=st.sampled_from([1, 3]),
    strip_pixels=st.sampled_from([1, 1000, 1 << 18]),
    threads=st.sampled_from([SERIAL, TWO_THREADS]),
    seed=st.integers(0, 9),
)
def test_strips_decode_to_the_pixels_of_one_whole_file(
    width: int, height: int, channels: int, strip_pixels: int, threads: Strips, seed: int
) -> None:
    """Not even seams differ: the coefficients are the same, and the decoder sees one image."""
    pixels = smooth(width, height, channels, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strips_module, "_STRIP_PIXELS", strip_pixels)
        data = write(pixels, threads)
    image = Image.open(io.BytesIO(data))
    assert (image.format, image.mode, image.size) == (
        "JPEG",
        {1: "L", 3: "RGB"}[channels],
        (width, height),
    )
    assert np.array_equal(np.asarray(image), np.asarray(Image.open(io.BytesIO(whole(pixels)))))


@pytest.mark.parametrize("channels", [1, 3])
def test_another_decoder_reads_it_alike(channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the restart markers' coefficients, OpenCV's own libjpeg would lose the rows below."""
    monkeypatch.setattr(strips_module, "_STRIP_PIXELS", 2000)
    pixels = smooth(100, 500, channels)
    data = write(pixels)
    assert sum(data.count(bytes((0xFF, 0xD0 + n))) for n in range(8)) > 10
    read = [
        cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_UNCHANGED)
        for file in (data, whole(pixels))
    ]
    assert read[0] is not None
    assert read[1] is not None
    assert np.array_equal(read[0], read[1])


def test_the_interval_of_restarts_is_the_mcus_of_a_strip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strips_module, "_STRIP_PIXELS", 33 * 40)
    data = write(smooth(33, 100, 3))
    at = data.index(b"\xff\xdd\0\4") + 4
    assert int.from_bytes(data[at : at + 2], "big") == 3 * 2  # 3 × 2 MCUs cover 33 × 32 pixels
    entropy_coded = data[data.index(b"\xff\xda") :]
    markers = [
        entropy_coded[i + 1]
        for i in range(2, len(entropy_coded) - 1)
        if entropy_coded[i] == 0xFF and entropy_coded[i + 1] != 0
    ]
    assert markers == [0xD0, 0xD1, 0xD2, 0xD9]


def test_restart_markers_come_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoders that resynchronize compare a marker's number with the one they expect."""
    monkeypatch.setattr(strips_module, "_STRIP_PIXELS", 1)
    pixels = smooth(8, 8 * 20, 1)
    data = write(pixels)
    entropy_coded = data[data.index(b"\xff\xda") :]
    found = [
        entropy_coded[i + 1] - 0xD0
        for i in range(len(entropy_coded) - 1)
        if entropy_coded[i] == 0xFF and 0xD0 <= entropy_coded[i + 1] < 0xD8
    ]
    assert found == [n % 8 for n in range(19)]


@pytest.mark.parametrize("size", [(MAX_SIDE, 1), (1, MAX_SIDE)])
def test_the_largest_side_is_written(size: tuple[int, int]) -> None:
    image = Image.open(io.BytesIO(write(np.full((size[1], size[0], 3), 200, np.uint8))))
    assert image.size == size
    assert np.abs(np.asarray(image).astype(int) - 200).max() <= 1


@pytest.mark.parametrize("size", [(MAX_SIDE + 1, 1), (1, MAX_SIDE + 1)])
def test_a_larger_side_is_refused_before_a_row_is_rendered(size: tuple[int, int]) -> None:
    def rows(top: int, bottom: int) -> Pixels:
        raise AssertionError("no row is needed")

    with pytest.raises(FormatUnsupported):
        write_jpeg(rows, *size, 3)
