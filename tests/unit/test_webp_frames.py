"""The canvas and the first frame of a WebP, from its chunks."""

import io
from itertools import product

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import ImageCorrupt
from pipeline.image.headers.webp_frames import first_frame, read_canvas_size
from tests.support.images import encoded

SIZE = (51, 37)
NOISE = Image.fromarray(np.random.default_rng(9).integers(0, 256, (37, 51, 4), dtype=np.uint8))
# The encoder stores it as a frame smaller than the canvas.
SMALL = Image.new("RGBA", SIZE)
SMALL.paste(NOISE.crop((0, 0, 9, 7)), (20, 10))


def animation(first: Image.Image, **options: object) -> bytes:
    return encoded(first, "WEBP", save_all=True, append_images=[NOISE], **options)


@pytest.mark.parametrize(("mode", "lossless"), product(["RGB", "RGBA"], [True, False]))
def test_a_still_image_is_its_own_frame(mode: str, lossless: bool) -> None:
    data = encoded(NOISE.convert(mode), "WEBP", lossless=lossless)
    assert read_canvas_size(data) == SIZE
    assert first_frame(data) == (0, 0, data)


@pytest.mark.parametrize("lossless", [True, False])
def test_the_first_frame_has_its_place_on_the_canvas(lossless: bool) -> None:
    data = animation(SMALL, lossless=lossless)
    assert read_canvas_size(data) == SIZE
    left, top, frame = first_frame(data)
    assert (left, top) == (20, 10)
    with Image.open(io.BytesIO(frame)) as image:
        assert image.n_frames == 1  # type: ignore[attr-defined]
        assert image.size == (9, 7)


@pytest.mark.parametrize("data", [b"", b"RIFF\0\0\0\0WEBPVP8L", b"RIFF\0\0\0\0WEBPVP8 ", b"x" * 99])
def test_a_canvas_without_a_size_is_corrupt(data: bytes) -> None:
    with pytest.raises(ImageCorrupt):
        read_canvas_size(data)


def test_an_animation_without_a_frame_is_corrupt() -> None:
    data = animation(SMALL)
    with pytest.raises(ImageCorrupt):
        first_frame(data[: data.index(b"ANMF")])


def test_empty_chunks_before_the_frame_are_counted() -> None:
    data = animation(SMALL)
    at = data.index(b"ANMF")
    empty = b"JUNK\0\0\0\0"
    assert first_frame(data[:at] + 900 * empty + data[at:])[:2] == (20, 10)
    with pytest.raises(ImageCorrupt):
        first_frame(data[:at] + 1_100 * empty + data[at:])
