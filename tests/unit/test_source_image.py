"""An image converted region by region is the one converted at once."""

import itertools

import numpy as np
import pytest
from PIL import Image

from pipeline.image.box import Box
from pipeline.image.decode import decode
from pipeline.image.source_image import ORIENTATIONS, SourceImage
from pipeline.image.strips import Strips
from tests.support.images import MAX_PIXELS, encoded

NOISE = np.random.default_rng(3).integers(0, 256, (300, 200, 4), dtype=np.uint8)
REGION = (17, 40, 160, 111)

# Each mode that a file may store, and a format that stores it.
MODES = {
    "RGB": "PNG",
    "L": "PNG",
    "CMYK": "JPEG",
    "RGBA": "PNG",
    "P": "PNG",
    "LAB": "TIFF",
    "I;16": "PNG",
    "1": "PNG",
}
WITH_PROFILE = ("RGB", "RGBA", "P")


def image_of(mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(NOISE[..., 0].astype(np.uint16) * 200)
    if mode == "RGBA":
        return Image.fromarray(NOISE)
    image = Image.fromarray(NOISE[..., :3].copy())
    return Image.merge("LAB", image.split()) if mode == "LAB" else image.convert(mode)


@pytest.mark.parametrize(("mode", "orientation"), itertools.product(MODES, range(1, 9)))
def test_a_large_image_is_converted_like_a_small_one(
    mode: str, orientation: int, wide_gamut: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small image is converted as a whole, a large one region by region."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    profile = wide_gamut if mode in WITH_PROFILE else None
    data = encoded(image_of(mode), MODES[mode], exif=exif, icc_profile=profile)
    small = decode(data, MAX_PIXELS)
    whole = np.asarray(small.rgb())
    small_reduced = np.asarray(small.reduced((32, 32))).astype(int)
    monkeypatch.setattr("pipeline.image.source_image._SMALL_PIXELS", 0)
    monkeypatch.setattr("pipeline.image.strips._STRIP_PIXELS", 5000)
    large = decode(data, MAX_PIXELS, claim=lambda _: Strips(2))
    assert large.size == small.size
    assert np.array_equal(np.asarray(large.rgb()), whole)
    left, top, right, bottom = REGION
    assert np.array_equal(np.asarray(large.rgb(REGION)), whole[top:bottom, left:right])
    assert np.abs(np.asarray(large.reduced((32, 32))) - small_reduced).max() <= 4


LARGE = [(2100, 2000), (2400, 3300), (4000, 1001), (3000, 4000), (5000, 5000)]
NARROW = [(1500, 9000), (20000, 500)]


@pytest.mark.parametrize("size", LARGE + NARROW)
@pytest.mark.parametrize("exact", [True, False])
def test_a_large_image_is_reduced_as_by_pillow(size: tuple[int, int], exact: bool) -> None:
    coarse = np.random.default_rng(5).integers(0, 256, (size[1] // 50, size[0] // 50, 3))
    image = Image.fromarray(coarse.astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    whole = np.asarray(image.resize((320, 320), Image.Resampling.LANCZOS)).astype(int)
    differences = np.abs(np.asarray(SourceImage(image).reduced((320, 320), exact)) - whole)
    is_exact = exact and size[0] * size[1] < 8_000_000
    assert differences.max() <= (0 if is_exact else 2)
    assert differences.mean() < 0.2


@pytest.mark.parametrize("orientation", [None, *ORIENTATIONS.values()])
def test_a_region_is_a_crop_of_the_upright_image(orientation: Image.Transpose | None) -> None:
    stored = Image.fromarray(NOISE[:30, :50, :3].copy())
    upright = stored if orientation is None else stored.transpose(orientation)
    image = SourceImage(stored, orientation=orientation)
    assert image.size == upright.size
    corner = (0, 29, 1, 30) if upright.height == 30 else (29, 0, 30, 1)
    for corners in ((0, 0, *upright.size), (3, 5, 20, 11), corner):
        assert image.rgb(corners).tobytes() == upright.crop(corners).tobytes()


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("orientation", [None, *ORIENTATIONS.values()])
def test_a_part_is_reduced_like_a_crop(
    orientation: Image.Transpose | None, exact: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.image.strips._STRIP_PIXELS", 5000)
    image = SourceImage(Image.fromarray(NOISE[..., :3].copy()), orientation=orientation)
    left, top, right, bottom = REGION
    crop = SourceImage(image.rgb(REGION))
    part = image.reduced((32, 32), exact, Box.between(left, top, right, bottom))
    difference = np.abs(np.asarray(part).astype(int) - np.asarray(crop.reduced((32, 32), exact)))
    # Noise is clipped after the first pass. Unless `exact`, that is the pass of the stored rows.
    assert difference.max() <= (1 if exact or orientation is None else 4)
    assert difference.mean() < 0.4
