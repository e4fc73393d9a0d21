import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import ImageCorrupt
from pipeline.image.webp import decode_webp
from tests.support.images import encoded

NOISE = Image.fromarray(np.random.default_rng(9).integers(0, 256, (37, 51, 4), dtype=np.uint8))


@pytest.mark.parametrize(
    "options", [{"quality": 70}, {"lossless": True}, {"lossless": True, "exact": True}]
)
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_still_pictures_are_pillows(mode: str, options: dict[str, object]) -> None:
    same_as_pillow(encoded(NOISE.convert(mode), "WEBP", **options))


def test_the_first_frame_of_an_animation_is_pillows() -> None:
    small = Image.new("RGBA", NOISE.size)
    small.paste(
        NOISE.crop((0, 0, 9, 7)), (20, 10)
    )  # the encoder stores it as a frame smaller than the canvas
    for first in (NOISE, small):
        for lossless in (True, False):
            same_as_pillow(
                encoded(first, "WEBP", save_all=True, append_images=[NOISE], lossless=lossless)
            )


def same_as_pillow(data: bytes) -> None:
    with Image.open(io.BytesIO(data)) as image:
        theirs = np.asarray(image.convert("RGBA"))
    ours = np.asarray(decode_webp(data, (theirs.shape[1], theirs.shape[0])))
    assert np.array_equal(ours[..., 3], theirs[..., 3])
    seen = theirs[..., 3] > 0
    assert np.array_equal(ours[seen], theirs[seen])


@pytest.mark.parametrize(
    "data",
    [b"", b"RIFF", b"RIFF\0\0\0\0WEBPVP8X", b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0" + bytes(6)],
)
def test_what_is_no_picture(data: bytes) -> None:
    with pytest.raises(ImageCorrupt):
        decode_webp(data, (10, 10))


def test_a_frame_outside_its_canvas() -> None:
    with pytest.raises(ImageCorrupt):
        decode_webp(encoded(NOISE, "WEBP"), (50, 37))


def test_every_real_file(data: Path) -> None:
    files = [file for folder in ("corpus", "awkward") for file in (data / folder).rglob("*.webp")]
    read = 0
    for file in files:
        content = file.read_bytes()
        try:
            with Image.open(io.BytesIO(content)) as image:
                image.load()
        except Exception:
            with pytest.raises(ImageCorrupt):
                decode_webp(content, (16, 16))
        else:
            same_as_pillow(content)
            read += 1
    assert read > 10
