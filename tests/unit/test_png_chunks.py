"""PNGs with an animation, and PNGs that end early."""

import zlib

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import ImageCorrupt
from pipeline.image.decode import decode
from pipeline.image.headers.png_chunks import still_png
from tests.support.images import BLUE, MAX_PIXELS, encoded, quadrants

STILL = encoded(quadrants())
ANIMATED = encoded(quadrants(), save_all=True, append_images=[Image.new("RGB", (40, 20), BLUE)])
END = 12  # the bytes of an IEND chunk


def chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(name + content).to_bytes(4, "big")
    return len(content).to_bytes(4, "big") + name + content + checksum


def shows_quadrants(data: bytes) -> bool:
    return decode(data, MAX_PIXELS).rgb().tobytes() == quadrants().tobytes()


@pytest.mark.parametrize("name", [b"acTL", b"fcTL", b"fdAT"])
@pytest.mark.parametrize("fault", ["content", "checksum"])
def test_a_broken_animation_does_not_break_the_still_image(name: bytes, fault: str) -> None:
    assert shows_quadrants(ANIMATED)
    at = ANIMATED.rindex(name)
    length = int.from_bytes(ANIMATED[at - 4 : at], "big")
    broken = bytearray(ANIMATED)
    broken[at + 4 + (length if fault == "checksum" else 0)] ^= 0xFF
    assert shows_quadrants(bytes(broken))


def test_a_frame_that_claims_more_than_the_file_holds_is_dropped() -> None:
    at = ANIMATED.rindex(b"fdAT") - 4
    assert shows_quadrants(ANIMATED[:at] + b"\x7f\xff\xff\xff" + ANIMATED[at + 4 :])


@pytest.mark.parametrize("cut", range(END + 5))
def test_a_png_may_end_behind_its_pixels(cut: int) -> None:
    """Browsers show it too. The last four bytes before IEND are the checksum of the pixels."""
    assert shows_quadrants(STILL[: len(STILL) - cut])


def test_a_text_or_a_frame_behind_the_pixels_may_be_cut() -> None:
    text = chunk(b"tEXt", b"author\0" + b"x" * 25)
    with_text = STILL[:-END] + text + STILL[-END:]
    for data, most in ((with_text, END + len(text)), (ANIMATED, 40)):
        for cut in range(most + 1):
            assert shows_quadrants(data[: len(data) - cut]), cut


@pytest.mark.parametrize("cut", [30, 100, 2000])
def test_pixels_may_not_be_cut(cut: int) -> None:
    noise = np.random.default_rng(5).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise))
    with pytest.raises(ImageCorrupt):
        decode(data[: len(data) - cut], MAX_PIXELS)


def test_a_still_png_is_not_copied() -> None:
    assert still_png(STILL) is STILL
    without_end = STILL[:-END]
    assert still_png(without_end) is without_end


def test_an_animation_is_removed_and_nothing_else() -> None:
    still = still_png(ANIMATED)
    assert not any(name in still for name in (b"acTL", b"fcTL", b"fdAT"))
    assert shows_quadrants(still)
    assert len(ANIMATED) - len(still) == sum(
        12 + int.from_bytes(ANIMATED[at - 4 : at], "big")
        for at in range(len(ANIMATED))
        if ANIMATED[at : at + 4] in (b"acTL", b"fcTL", b"fdAT")
    )


def test_letters_in_a_text_are_not_an_animation() -> None:
    data = STILL[:33] + chunk(b"tEXt", b"acTL fcTL fdAT IDAT IEND") + STILL[33:]
    assert still_png(data) is data
    assert shows_quadrants(data)


def test_a_png_may_have_50000_chunks() -> None:
    most = 50_000 - STILL.count(b"IDAT") - 2  # without IHDR and IEND
    empty = chunk(b"teXt", b"")
    assert still_png(STILL[:33] + empty * most + STILL[33:])
    with pytest.raises(ImageCorrupt):
        still_png(STILL[:33] + empty * (most + 1) + STILL[33:])
