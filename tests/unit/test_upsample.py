"""Masks at full resolution, within the region around the subject."""

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import NoSubjectFound
from pipeline.image.box import Box
from pipeline.mask.upsample import VISIBLE_ALPHA, upsample_mask


def blob(rows: slice, columns: slice, size: int = 320) -> np.ndarray:
    mask = np.zeros((size, size), np.uint8)
    mask[rows, columns] = 255
    return mask


@pytest.mark.parametrize(
    "size",
    [
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
    ],
)
@pytest.mark.parametrize("margin", [0, 5, 500])
def test_the_region_is_a_crop_of_the_whole(size: tuple[int, int], margin: int) -> None:
    mask = blob(slice(100, 180), slice(40, 300))
    mask[90:100, 60:200] = 90
    whole = np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.LANCZOS)).astype(int)
    matte = upsample_mask(mask, size, None, margin)
    left, top, right, bottom = matte.frame.corners
    assert matte.alpha.shape == (matte.frame.height, matte.frame.width)
    assert np.abs(matte.alpha.astype(int) - whole[top:bottom, left:right]).max() <= 1
    rows, columns = np.nonzero(whole >= min(VISIBLE_ALPHA, whole.max()))
    box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert matte.subject.corners == box
    grown = (
        max(0, box[0] - margin),
        max(0, box[1] - margin),
        min(size[0], box[2] + margin),
        min(size[1], box[3] + margin),
    )
    assert matte.frame.corners == grown


def test_without_a_margin_the_frame_is_the_whole_image() -> None:
    matte = upsample_mask(blob(slice(10, 20), slice(30, 40)), (640, 480), None, None)
    assert matte.frame == Box(0, 0, 640, 480)
    assert matte.alpha.shape == (480, 640)
    assert matte.subject.width < 40


def test_the_sources_own_alpha_is_multiplied_in_and_bounds_the_subject() -> None:
    own = Image.new("L", (640, 640), 0)
    own.paste(128, (0, 0, 300, 640))
    matte = upsample_mask(blob(slice(100, 200), slice(100, 200)), (640, 640), own, 0)
    assert matte.subject.corners[2] == 300
    assert matte.alpha.max() == 128


def test_a_subject_that_cannot_be_seen_is_not_found() -> None:
    with pytest.raises(NoSubjectFound):
        upsample_mask(np.zeros((320, 320), np.uint8), (10, 10), None, 0)
    with pytest.raises(NoSubjectFound):
        upsample_mask(blob(slice(0, 9), slice(0, 9)), (640, 640), Image.new("L", (640, 640), 0), 0)


def test_a_subject_smaller_than_a_pixel_is_one_pixel() -> None:
    matte = upsample_mask(blob(slice(310, 311), slice(5, 6)), (6, 6), None, 0)
    assert matte.subject == Box(0, 5, 1, 1)
    assert matte.alpha[0, 0] == 255
