"""JPEGs decoded at a fraction of their size: the same image, in fewer pixels."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import ImageCorrupt, ImageTooLarge
from pipeline.image.box import Box
from pipeline.image.decode import decode
from pipeline.image.scale import first_divisor
from pipeline.image.source_image import ORIENTATIONS, Reduction, SourceImage
from pipeline.mask.u2netp import U2netpSegmenter
from tests.support.images import MAX_PIXELS, encoded, records_into

SIZE = (333, 250)
MAX_SIDE = 65_535  # of which no JPEG has twice as many pixels


def shades(mode: str = "RGB") -> Image.Image:
    """Return an image that looks different in each corner, without fine detail."""
    noise = np.random.default_rng(8).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(SIZE, Image.Resampling.BICUBIC).convert(mode)


def decoded(data: bytes, divisor: int | None = None, **options: Any) -> SourceImage:
    choose = None if divisor is None else lambda size: divisor
    return decode(data, MAX_PIXELS, choose_divisor=choose, **options)


@pytest.mark.parametrize("divisor", [1, 2, 4, 8])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("mode", "options"),
    [("RGB", {}), ("L", {}), ("CMYK", {}), ("RGB", {"progressive": True}), ("RGB", {"icc": True})],
)
def test_a_jpeg_is_reduced(
    divisor: int, orientation: int, mode: str, options: dict[str, Any], wide_gamut: bytes
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    profile = wide_gamut if options.pop("icc", False) else None
    data = encoded(shades(mode), "JPEG", quality=95, exif=exif, icc_profile=profile, **options)
    full, reduced = decoded(data), decoded(data, divisor)
    assert reduced.scale.full_size == full.scale.full_size == full.size
    assert reduced.scale.divisor == divisor
    assert reduced.size == tuple(-(-side // divisor) for side in full.size)
    expected = np.asarray(full.reduced((40, 30))).astype(int)
    difference = np.abs(np.asarray(reduced.reduced((40, 30))) - expected)
    assert difference.mean() < 1.5
    assert difference.max() < 12


@pytest.mark.parametrize("orientation", [None, *ORIENTATIONS.values()])
@pytest.mark.parametrize("divisor", [1, 2, 4, 8])
def test_boxes_are_converted_to_the_source_and_back(
    divisor: int, orientation: Image.Transpose | None
) -> None:
    """Number the source's pixels, reduce the stored image, and find the least number of each."""
    stored = np.arange(13 * 9).reshape(9, 13)
    upright = turned(stored, orientation)
    scale = Reduction.of((13, 9), divisor, orientation)
    firsts = turned(stored[::divisor, ::divisor], orientation)
    assert scale.full_size == upright.shape[::-1]
    whole = Box(0, 0, firsts.shape[1], firsts.shape[0])
    assert scale.to_source(whole) == Box(0, 0, upright.shape[1], upright.shape[0])
    for top, left in np.ndindex(firsts.shape):
        box = Box(left, top, 1, 1)
        seen = scale.to_source(box)
        pixels = upright[seen.top : seen.top + seen.height, seen.left : seen.left + seen.width]
        assert pixels.size
        assert pixels.min() == firsts[top, left]
        corners = scale.to_decoded(seen)
        assert Box.around(corners) == box
        assert (corners[2] - corners[0]) * divisor == seen.width
        assert (corners[3] - corners[1]) * divisor == seen.height


def turned(pixels: np.ndarray, orientation: Image.Transpose | None) -> np.ndarray:
    image = Image.fromarray(pixels.astype(np.int32))
    return np.asarray(image if orientation is None else image.transpose(orientation))


def test_the_size_is_chosen_by_the_header() -> None:
    asked: list[tuple[int, int]] = []

    def choose(size: tuple[int, int]) -> int:
        asked.append(size)
        return 2

    assert decode(encoded(shades(), "JPEG"), MAX_PIXELS, choose_divisor=choose).size == (167, 125)
    assert asked == [SIZE]


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "GIF", "BMP", "AVIF"])
def test_other_formats_are_decoded_in_full(kind: str) -> None:
    image = decoded(encoded(shades(), kind), 4)
    assert (image.size, image.reduction) == (SIZE, None)


@pytest.mark.parametrize(("options", "kept"), [({}, 0), ({"progressive": True}, 3)])
def test_less_memory_is_announced(options: dict[str, Any], kept: float) -> None:
    """A progressive JPEG keeps all of its coefficients: 2 bytes each, 1.5 per pixel with 4:2:0."""
    data = encoded(shades(), "JPEG", **options)
    announced: list[int] = []
    decoded(data, 4, claim=records_into(announced))
    assert announced == [kept * SIZE[0] * SIZE[1] + 4 * 84 * 63]


def test_the_limits_are_those_of_the_full_size() -> None:
    data = encoded(shades(), "JPEG")
    pixels = SIZE[0] * SIZE[1]
    assert decode(data, pixels, choose_divisor=lambda size: 8).size == (42, 32)
    with pytest.raises(ImageTooLarge):
        decode(data, pixels - 1, choose_divisor=lambda size: 8)
    with pytest.raises(ImageCorrupt):
        decoded(data[: len(data) // 2], 8)


@pytest.mark.slow
def test_the_model_sees_nearly_the_same_image(data: Path, segmenter: U2netpSegmenter) -> None:
    """The mask changes where the model is unsure: by 2.5/255 on average, in 2 % of its area."""

    def mask_of(content: bytes, max_side: int) -> NDArray[np.int_]:
        def choose(size: tuple[int, int]) -> int:
            return first_divisor(size, max_side, segmenter.input_size)

        image = decode(content, MAX_PIXELS, choose_divisor=choose)
        return segmenter.predict(image.reduced(segmenter.input_size)).mask.astype(int)

    files = sorted((data / "photos" / "large").glob("*.jpg"))
    assert len(files) == 4
    for file in files:
        content = file.read_bytes()
        full, reduced = mask_of(content, MAX_SIDE), mask_of(content, 1000)
        assert np.abs(full - reduced).mean() < 2.5, file.name
        overlap = ((full > 127) & (reduced > 127)).sum() / ((full > 127) | (reduced > 127)).sum()
        assert overlap > 0.98, file.name
