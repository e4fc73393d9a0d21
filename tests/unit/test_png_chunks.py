"""PNGs with an animation, and PNGs without an end."""

import zlib

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import ImageCorrupt
from pipeline.image.decode import decode
from pipeline.image.headers.png_chunks import still_png
from tests.support.images import BLUE, MAX_PIXELS, encoded, quadrants


def test_a_png_that_ends_behind_its_pixels_is_shown() -> None:
    """As browsers do: without IEND, or with a text behind the pixels that is cut."""
    whole = encoded(quadrants())
    text = b"\0\0\0\x20tEXtauthor\0" + b"x" * 25 + bytes(4)
    with_text, animated = (
        whole[:-12] + text + whole[-12:],
        encoded(quadrants(), save_all=True, append_images=[Image.new("RGB", (40, 20), BLUE)]),
    )
    for data, most in ((whole, 16), (with_text, 16 + len(text)), (animated, 40)):
        for cut in range(most + 1):
            assert (
                decode(data[: len(data) - cut], MAX_PIXELS).rgb().tobytes() == quadrants().tobytes()
            ), cut
    noise = encoded(
        Image.fromarray(np.random.default_rng(5).integers(0, 256, (40, 40, 3), dtype=np.uint8))
    )
    for cut in (30, 100, 2000):
        with pytest.raises(ImageCorrupt):
            decode(noise[: len(noise) - cut], MAX_PIXELS)


def test_a_png_is_not_copied_without_need() -> None:
    whole = encoded(quadrants())
    assert still_png(whole) is whole
    assert still_png(whole[:-12]) == whole[:-12]
    animated = encoded(quadrants(), save_all=True, append_images=[quadrants()])
    assert b"acTL" not in still_png(animated)


def test_letters_in_a_text_make_no_animation() -> None:
    text = b"acTL fcTL fdAT IDAT IEND"
    chunk = len(text).to_bytes(4, "big") + b"tEXt" + text
    whole = encoded(quadrants())
    data = whole[:33] + chunk + zlib.crc32(chunk[4:]).to_bytes(4, "big") + whole[33:]
    assert still_png(data) is data
    assert decode(data, MAX_PIXELS).rgb().tobytes() == quadrants().tobytes()
