"""Masks at full resolution, one region at a time."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.image.box import Box
from pipeline.mask.upsample import Upsampler

SIZES = [
    (640, 960),
    (301, 977),
    (320, 320),
    (2000, 330),
    (330, 2000),
    (290, 173),
    (900, 200),
    (100, 50),
    (1, 400),
    (7, 3),
]


def blob(rows: slice, columns: slice) -> NDArray[np.uint8]:
    """Return a mask of 320 × 320 with one rectangle, and a fainter one next to it."""
    mask = np.zeros((320, 320), np.uint8)
    mask[rows, columns] = 255
    mask[rows.start - 10 : rows.start, columns] = 90
    return mask


MASK = blob(slice(100, 180), slice(40, 300))


def by_pillow(mask: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.int_]:
    return np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.LANCZOS)).astype(int)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("exact", [True, False])
def test_a_region_is_a_crop_of_the_whole(size: tuple[int, int], exact: bool) -> None:
    whole = by_pillow(MASK, size)
    upsampler = Upsampler(MASK, Box(0, 0, *size), exact)
    width, height = size
    for left, top, right, bottom in (
        (0, 0, width, height),
        (width // 3, height // 4, width // 3 + 1, height // 4 + 1),
        (width // 5, height // 3, width, height),
    ):
        region = upsampler.region(Box.between(left, top, right, bottom))
        difference = np.abs(region.astype(int) - whole[top:bottom, left:right])
        assert difference.max(initial=0) <= 1
        if exact and width >= 320 and height >= 320:
            assert (difference > 0).mean() < 0.001


@pytest.mark.parametrize("size", SIZES)
def test_nothing_is_above_0_outside_the_touched_region(size: tuple[int, int]) -> None:
    upsampler = Upsampler(MASK, Box(0, 0, *size), exact=True)
    whole = upsampler.region(Box(0, 0, *size))
    left, top, right, bottom = upsampler.bounds().corners
    assert whole[top:bottom, left:right].any()
    whole[top:bottom, left:right] = 0
    assert not whole.any()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("least", [1, 10, 91])
def test_no_alpha_of_a_value_is_out_of_its_bounds(size: tuple[int, int], least: int) -> None:
    """Faint cells add up to more than each has."""
    mask = np.full((320, 320), least // 3, np.uint8)
    mask[::3, ::2] = least - 1
    mask[100:180, 40:300] = MASK[100:180, 40:300]
    upsampler = Upsampler(mask, Box(0, 0, *size), exact=True)
    whole = upsampler.region(Box(0, 0, *size))
    left, top, right, bottom = upsampler.bounds(least).corners
    whole[top:bottom, left:right] = 0
    assert whole.max() < least


def test_bounds_are_empty_where_nothing_is_as_strong() -> None:
    faint = Upsampler(MASK // 100, Box(0, 0, 640, 640), exact=True)
    assert faint.bounds(10) == Box(0, 0, 0, 0)


def test_a_subject_smaller_than_a_pixel_is_one_pixel() -> None:
    mask = np.zeros((320, 320), np.uint8)
    mask[310, 5] = 255
    upsampler = Upsampler(mask, Box(0, 0, 6, 6), exact=True)
    assert upsampler.peak == 255
    alpha = upsampler.region(Box(0, 0, 6, 6))
    assert alpha[5, 0] == 255
    assert alpha.sum() == 255


@pytest.mark.parametrize("exact", [True, False])
def test_a_window_is_upsampled_in_its_place(exact: bool) -> None:
    window = Box(50, 70, 400, 500)
    alone = Upsampler(MASK, Box(0, 0, 400, 500), exact)
    upsampler = Upsampler(MASK, window, exact)
    expected = np.zeros((700, 600), np.uint8)
    expected[70:570, 50:450] = alone.region(Box(0, 0, 400, 500))
    assert np.array_equal(upsampler.region(Box(0, 0, 600, 700)), expected)
    for box in (Box(0, 0, 120, 300), Box(100, 200, 30, 40), Box(440, 560, 60, 60)):
        left, top, right, bottom = box.corners
        difference = upsampler.region(box).astype(int) - expected[top:bottom, left:right]
        assert np.abs(difference).max() <= 1
    assert not upsampler.region(Box(0, 600, 600, 50)).any()
    bounds = alone.bounds()
    assert upsampler.bounds() == Box(bounds.left + 50, bounds.top + 70, bounds.width, bounds.height)
