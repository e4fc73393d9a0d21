"""The memory that decoding needs, known from the header."""

import io
from typing import Any

import pytest
from PIL import Image

from pipeline.errors import ImageTooLarge
from pipeline.image import jpeg_planes
from pipeline.image.decode import decode
from pipeline.image.price import Price, price_of
from tests.support.images import MAX_PIXELS, encoded, quadrants, records_into

SIZE = (400, 200)
PIXELS = SIZE[0] * SIZE[1]

PROGRESSIVE: dict[str, Any] = {"progressive": True}
LZW: dict[str, Any] = {"compression": "tiff_lzw"}
ROWS_PER_STRIP, ORIENTATION = 278, 274

# A kind, a mode, the options of its encoder, and the bytes per pixel at the peak and kept.
PRICES: list[tuple[str, str, dict[str, Any], float, float]] = [
    ("JPEG", "RGB", {}, 4, 4),
    ("JPEG", "RGB", {**PROGRESSIVE, "subsampling": "4:2:0"}, 7, 4),
    ("JPEG", "RGB", {**PROGRESSIVE, "subsampling": "4:4:4"}, 10, 4),
    ("JPEG", "CMYK", {**PROGRESSIVE, "subsampling": "4:4:4"}, 12, 4),
    ("JPEG", "L", PROGRESSIVE, 6, 4),
    ("PNG", "RGBA", {}, 5, 5),
    ("GIF", "P", {}, 4, 4),
    ("BMP", "RGB", {}, 4, 4),
    ("WEBP", "RGB", {}, 8, 4),
    ("AVIF", "RGB", {"subsampling": "4:2:0"}, 9.5, 4),
    ("AVIF", "RGB", {"subsampling": "4:4:4"}, 11, 4),
    ("AVIF", "RGBA", {"subsampling": "4:4:4"}, 12, 5),
    ("TIFF", "RGB", {}, 4, 4),
    ("TIFF", "RGB", {"tiffinfo": {ORIENTATION: 6}}, 8, 4),
    ("TIFF", "RGB", {**LZW, "tiffinfo": {ROWS_PER_STRIP: 200}}, 7, 4),
    ("TIFF", "RGB", {**LZW, "tiffinfo": {ROWS_PER_STRIP: 20}}, 4.3, 4),
    ("TIFF", "RGB", {**LZW, "tiffinfo": {ROWS_PER_STRIP: 20, ORIENTATION: 6}}, 8, 4),
    ("TIFF", "CMYK", {}, 4, 4),
    ("TIFF", "CMYK", {**LZW, "tiffinfo": {ROWS_PER_STRIP: 200}}, 8, 4),
    ("TIFF", "CMYK", {**LZW, "tiffinfo": {ROWS_PER_STRIP: 20}}, 4.4, 4),
]


def image_of(kind: str, mode: str, options: dict[str, Any]) -> bytes:
    image = quadrants().resize(SIZE).convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(SIZE))
    return encoded(image, kind, **options)


@pytest.mark.parametrize(("kind", "mode", "options", "peak", "kept"), PRICES)
def test_the_price_of_a_kind(
    kind: str, mode: str, options: dict[str, Any], peak: float, kept: float
) -> None:
    data = image_of(kind, mode, options)
    is_rotated = ORIENTATION in options.get("tiffinfo", {})
    with Image.open(io.BytesIO(data)) as image:
        assert price_of(image, kind, data, is_rotated, in_planes=False) == (peak, kept)


@pytest.mark.parametrize(("kind", "mode", "options", "peak", "kept"), PRICES)
def test_memory_is_announced(
    kind: str, mode: str, options: dict[str, Any], peak: float, kept: float
) -> None:
    announced: list[int] = []
    decode(image_of(kind, mode, options), MAX_PIXELS, records_into(announced))
    assert announced == [PIXELS * peak]


@pytest.mark.parametrize(("options", "peak"), [({}, 2.5), (PROGRESSIVE, 4.5)])
def test_the_price_of_planes(
    options: dict[str, Any], peak: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1.5 samples are a pixel. Each coefficient takes 2 bytes."""
    monkeypatch.setattr(jpeg_planes, "MIN_PIXELS", 0)
    data = image_of("JPEG", "RGB", {**options, "subsampling": "4:2:0"})
    announced: list[int] = []
    decode(data, MAX_PIXELS, records_into(announced))
    assert announced == [PIXELS * peak]


@pytest.mark.parametrize(
    ("peak", "kept", "megapixels"),
    [
        (2.5, 1.5, 50),  # JPEG in 4:2:0
        (4.5, 1.5, 50),  # progressive
        (4, 4, 40),  # any RGB image
        (5, 5, 32),  # with alpha
        (7, 4, 35),  # progressive JPEG in 4:2:0, where planes cannot be used
        (8, 4, 31),  # WebP; progressive JPEG in 4:2:2; compressed TIFF in CMYK of one strip
        (10, 4, 25),  # progressive JPEG in 4:4:4
        (12, 4, 20),  # progressive JPEG in CMYK
    ],
)
def test_a_costly_kind_may_have_fewer_pixels(peak: float, kept: float, megapixels: int) -> None:
    assert Price(peak, kept).most_pixels(MAX_PIXELS) // 1_000_000 == megapixels
    assert Price(peak, kept).most_pixels(1_000_000) == 1_000_000


@pytest.mark.parametrize(("kind", "mode", "options", "peak", "kept"), PRICES)
def test_an_image_over_the_limit_of_its_kind_is_refused(
    kind: str,
    mode: str,
    options: dict[str, Any],
    peak: float,
    kept: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The error tells how many pixels this kind may have."""
    data = image_of(kind, mode, options)
    for name, bytes_per_pixel in (("PEAK_BYTES", peak), ("KEPT_BYTES", kept)):
        with monkeypatch.context() as patch:
            patch.setattr(f"pipeline.image.price.{name}", int(PIXELS * bytes_per_pixel) + 1)
            assert sorted(decode(data, MAX_PIXELS).size) == sorted(SIZE)
            patch.setattr(f"pipeline.image.price.{name}", int((PIXELS - 1) * bytes_per_pixel) + 1)
            with pytest.raises(ImageTooLarge, match="79,999 pixels"):
                decode(data, MAX_PIXELS)
