"""The alpha of a cutout, and the box of what is visible."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import NoSubjectFound
from pipeline.image.box import Box, Size
from pipeline.image.source_image import SourceImage
from pipeline.mask.local_colors import fit_local_colors
from pipeline.mask.matte import VISIBLE_ALPHA, Matte


def blob(rows: slice, columns: slice) -> NDArray[np.uint8]:
    mask = np.zeros((320, 320), np.uint8)
    mask[rows, columns] = 255
    return mask


MASK = blob(slice(100, 180), slice(40, 300))
MASK[90:100, 60:200] = 90


def whole(size: Size) -> Box:
    return Box(0, 0, *size)


def image_of(size: tuple[int, int], alpha: Image.Image | None = None) -> SourceImage:
    noise = np.random.default_rng(4).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return SourceImage(Image.fromarray(noise), alpha)


def box_of(alpha: NDArray[np.uint8], threshold: int) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero(alpha >= threshold)
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


@pytest.mark.parametrize(
    "size",
    [(640, 960), (301, 977), (320, 320), (2000, 330), (290, 173), (100, 50), (1, 400), (7, 3)],
)
@pytest.mark.parametrize("is_refined", [False, True])
def test_the_box_is_that_of_the_whole_alpha(size: tuple[int, int], is_refined: bool) -> None:
    image = image_of(size)
    small = image.reduced((320, 320))
    matte = Matte(MASK, image, fit_local_colors(MASK, small, whole(size)) if is_refined else None)
    alpha = matte.render(Box(0, 0, *size))
    found = np.array(matte.find_subject().corners)
    expected = np.array(box_of(alpha, min(VISIBLE_ALPHA, int(alpha.max()))))
    # At a seam of the search, a value may be rounded differently.
    assert np.abs(found - expected).max() <= (1 if is_refined else 0)


def test_regions_fit_together() -> None:
    image = image_of((900, 700))
    colors = fit_local_colors(MASK, image.reduced((320, 320)), whole(image.size))
    matte = Matte(MASK, image, colors)
    alpha = matte.render(Box(0, 0, 900, 700)).astype(int)
    for box in (Box(0, 0, 450, 350), Box(301, 197, 280, 311), Box(899, 699, 1, 1)):
        left, top, right, bottom = box.corners
        assert np.abs(matte.render(box) - alpha[top:bottom, left:right]).max() <= 1


def test_the_sources_own_alpha_is_multiplied_in_and_bounds_the_subject() -> None:
    own = Image.new("L", (640, 640), 0)
    own.paste(128, (0, 0, 300, 640))
    matte = Matte(blob(slice(100, 200), slice(100, 200)), image_of((640, 640), own))
    assert matte.find_subject().corners[2] == 300
    assert matte.render(Box(0, 0, 640, 640)).max() == 128


def test_the_box_of_a_faint_subject_is_that_of_its_strongest_alpha() -> None:
    own = Image.new("L", (640, 640), 3)
    own.putpixel((300, 300), 5)
    matte = Matte(blob(slice(100, 200), slice(100, 200)), image_of((640, 640), own))
    assert matte.find_subject() == Box(300, 300, 1, 1)


def test_a_subject_that_cannot_be_seen_is_not_found() -> None:
    with pytest.raises(NoSubjectFound):
        Matte(np.zeros((320, 320), np.uint8), image_of((10, 10)))
    hidden = image_of((640, 640), Image.new("L", (640, 640), 0))
    with pytest.raises(NoSubjectFound):
        Matte(blob(slice(0, 9), slice(0, 9)), hidden).find_subject()


def test_colors_are_cleaned_only_if_the_source_is_opaque() -> None:
    for own, is_cleaned in ((None, True), (Image.new("L", (640, 640), 200), False)):
        image = image_of((640, 640), own)
        local = fit_local_colors(MASK, image.reduced((320, 320)), whole(image.size))
        colors = image.rgbx(whole(image.size).corners)
        before = colors.copy()
        alpha = Matte(MASK, image, local).render(Box(0, 0, 640, 640), colors)
        assert (colors != before).any() == is_cleaned
        if is_cleaned:
            changed = (colors != before).any(axis=2)
            assert (alpha < 255)[changed].all()


@pytest.mark.parametrize(
    "region", [Box(100, 200, 300, 150), Box(0, 0, 900, 1), Box(899, 0, 1, 700), Box(0, 0, 900, 700)]
)
def test_nothing_outside_a_region_remains(region: Box) -> None:
    image = image_of((900, 700))
    mask = np.full((320, 320), 255, np.uint8)
    matte = Matte(mask, image, region=region)
    expected = np.zeros((700, 900), np.uint8)
    left, top, right, bottom = region.corners
    expected[top:bottom, left:right] = 255
    assert np.array_equal(matte.render(Box(0, 0, 900, 700)), expected)
    for box in (Box(50, 150, 200, 100), Box(0, 600, 10, 10), Box(150, 250, 20, 20)):
        left, top, right, bottom = box.corners
        assert np.array_equal(matte.render(box), expected[top:bottom, left:right])
    assert matte.find_subject() == region


def test_a_window_is_refined_in_its_place() -> None:
    """The alpha of a window is that of its crop, and nothing is around it."""
    image, window = image_of((900, 700)), Box(101, 53, 640, 600)
    crop = SourceImage(image.rgb(window.corners))
    small = crop.reduced((320, 320))
    alone = Matte(MASK, crop, fit_local_colors(MASK, small, whole(crop.size)))
    matte = Matte(MASK, image, fit_local_colors(MASK, small, window), None, window)
    expected = np.zeros((700, 900), int)
    expected[53:653, 101:741] = alone.render(whole(crop.size))
    for box in (whole(image.size), Box(0, 0, 300, 400), Box(300, 200, 100, 500)):
        left, top, right, bottom = box.corners
        assert np.abs(matte.render(box) - expected[top:bottom, left:right]).max() <= 1
    found = alone.find_subject()
    assert matte.find_subject() == Box(found.left + 101, found.top + 53, found.width, found.height)
