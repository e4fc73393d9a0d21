"""WebP by libwebp: the same pixels as by Pillow, in one buffer."""

import io
import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import ImageCorrupt
from pipeline.image.webp import decode_webp
from tests.support.images import encoded

SIZE = (51, 37)
NOISE = Image.fromarray(np.random.default_rng(9).integers(0, 256, (37, 51, 4), dtype=np.uint8))
# The encoder stores it as a frame smaller than the canvas.
SMALL = Image.new("RGBA", SIZE)
SMALL.paste(NOISE.crop((0, 0, 9, 7)), (20, 10))

STILL: list[dict[str, object]] = [
    {"quality": 70},
    {"lossless": True},
    {"lossless": True, "exact": True},
]


def assert_same_as_pillow(data: bytes) -> None:
    """Assert that every visible pixel and all alpha are Pillow's."""
    with Image.open(io.BytesIO(data)) as image:
        theirs = np.asarray(image.convert("RGBA"))
    ours = np.asarray(decode_webp(data, (theirs.shape[1], theirs.shape[0])))
    assert np.array_equal(ours[..., 3], theirs[..., 3])
    seen = theirs[..., 3] > 0
    assert np.array_equal(ours[seen], theirs[seen])


@pytest.mark.parametrize("options", STILL)
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_still_image_is_decoded(mode: str, options: dict[str, object]) -> None:
    data = encoded(NOISE.convert(mode), "WEBP", **options)
    assert_same_as_pillow(data)


@pytest.mark.parametrize(("first", "lossless"), itertools.product([NOISE, SMALL], [True, False]))
def test_the_first_frame_of_an_animation_is_decoded(first: Image.Image, lossless: bool) -> None:
    frames = {"save_all": True, "append_images": [NOISE]}
    data = encoded(first, "WEBP", lossless=lossless, **frames)
    assert_same_as_pillow(data)


WRONG = [
    b"",
    b"RIFF",
    b"RIFF\0\0\0\0WEBPVP8X",
    b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0" + bytes(6),
]


@pytest.mark.parametrize("data", WRONG)
def test_what_has_no_frame_is_corrupt(data: bytes) -> None:
    with pytest.raises(ImageCorrupt):
        decode_webp(data, (10, 10))


def test_a_frame_outside_its_canvas_is_corrupt() -> None:
    for size in ((50, 37), (51, 36)):
        with pytest.raises(ImageCorrupt):
            decode_webp(encoded(NOISE, "WEBP"), size)


def test_every_real_file_is_decoded_or_corrupt_as_for_pillow(data: Path) -> None:
    read = 0
    for folder in ("corpus", "awkward"):
        for file in (data / folder).rglob("*.webp"):
            content = file.read_bytes()
            try:
                with Image.open(io.BytesIO(content)) as image:
                    image.load()
            except Exception:
                with pytest.raises(ImageCorrupt):
                    decode_webp(content, (16, 16))
            else:
                assert_same_as_pillow(content)
                read += 1
    assert read > 10
