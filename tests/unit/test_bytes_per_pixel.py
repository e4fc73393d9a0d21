"""The memory that decoding needs, known from the header."""

import io
from typing import Any

import pytest
from PIL import Image

from pipeline.errors import ImageTooLarge
from pipeline.image.bytes_per_pixel import bytes_per_pixel
from pipeline.image.decode import decode
from tests.support.images import MAX_PIXELS, encoded, quadrants, records_into

SIZE = (400, 200)
PIXELS = SIZE[0] * SIZE[1]

PROGRESSIVE: dict[str, Any] = {"progressive": True}
LZW: dict[str, Any] = {"compression": "tiff_lzw"}
ROWS_PER_STRIP, ORIENTATION = 278, 274

COSTS: list[tuple[str, str, dict[str, Any], float]] = [
    ("JPEG", "RGB", {}, 4),
    ("JPEG", "RGB", {**PROGRESSIVE, "subsampling": "4:2:0"}, 7),
    ("JPEG", "RGB", {**PROGRESSIVE, "subsampling": "4:4:4"}, 10),
    ("JPEG", "CMYK", {**PROGRESSIVE, "subsampling": "4:4:4"}, 12),
    ("JPEG", "L", PROGRESSIVE, 6),
    ("PNG", "RGBA", {}, 4),
    ("GIF", "P", {}, 4),
    ("BMP", "RGB", {}, 4),
    ("WEBP", "RGB", {}, 8),
    ("AVIF", "RGB", {"subsampling": "4:2:0"}, 9.5),
    ("AVIF", "RGB", {"subsampling": "4:4:4"}, 11),
    ("AVIF", "RGBA", {"subsampling": "4:4:4"}, 12),
    ("TIFF", "RGB", {}, 4),
    ("TIFF", "RGB", {"tiffinfo": {ORIENTATION: 6}}, 8),
    ("TIFF", "RGB", {**LZW, "tiffinfo": {ROWS_PER_STRIP: 200}}, 7),
    ("TIFF", "RGB", {**LZW, "tiffinfo": {ROWS_PER_STRIP: 20}}, 4.3),
    ("TIFF", "RGB", {**LZW, "tiffinfo": {ROWS_PER_STRIP: 20, ORIENTATION: 6}}, 8),
]


def image_of(kind: str, mode: str, options: dict[str, Any]) -> bytes:
    image = quadrants().resize(SIZE).convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(SIZE))
    return encoded(image, kind, **options)


@pytest.mark.parametrize(("kind", "mode", "options", "cost"), COSTS)
def test_the_cost_of_a_format(kind: str, mode: str, options: dict[str, Any], cost: float) -> None:
    data = image_of(kind, mode, options)
    is_turned = ORIENTATION in options.get("tiffinfo", {})
    with Image.open(io.BytesIO(data)) as image:
        assert bytes_per_pixel(image, kind, data, is_turned) == cost


@pytest.mark.parametrize(("kind", "mode", "options", "cost"), COSTS)
def test_memory_is_announced_and_a_costly_format_may_have_fewer_pixels(
    kind: str, mode: str, options: dict[str, Any], cost: float
) -> None:
    data = image_of(kind, mode, options)
    announced: list[int] = []
    decode(data, MAX_PIXELS, records_into(announced))
    assert announced == [PIXELS * cost]
    # The limit is for 10 bytes per pixel.
    least = int(PIXELS * max(1, cost / 10)) + 1
    assert sorted(decode(data, least).size) == sorted(SIZE)
    with pytest.raises(ImageTooLarge):
        decode(data, int(least * 0.97))
