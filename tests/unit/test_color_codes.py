"""Colors by their numbers, as an ICC profile that Pillow applies."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from pipeline.image.color_codes import icc_profile

SRGB, PQ, HLG = 13, 16, 18
BT709, BT2020, P3 = 1, 9, 12


def to_srgb(primaries: int, transfer: int, color: tuple[int, int, int]) -> list[int]:
    """Convert one color by the profile of a color space."""
    profile = icc_profile(primaries, transfer)
    assert profile is not None
    transform = ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB"), "RGB", "RGB"
    )
    converted = transform.apply(Image.new("RGB", (1, 1), color))
    return [int(level) for level in np.asarray(converted)[0, 0]]


@pytest.mark.parametrize(("primaries", "transfer"), [(0, 0), (2, 2), (1, 13), (1, 1), (22, 13)])
def test_srgb_and_what_is_not_specified_need_none(primaries: int, transfer: int) -> None:
    assert icc_profile(primaries, transfer) is None


@pytest.mark.parametrize("primaries", [BT2020, P3])
@pytest.mark.parametrize("level", [0, 1, 64, 128, 255])
def test_gray_stays_gray(primaries: int, level: int) -> None:
    assert np.abs(np.array(to_srgb(primaries, SRGB, (level,) * 3)) - level).max() <= 1


def test_colors_of_a_wider_space_are_brought_to_srgb() -> None:
    """The expected values are those of the color spaces' matrices (CSS Color 4, 17)."""
    assert np.abs(np.array(to_srgb(P3, SRGB, (200, 100, 50))) - [215, 92, 31]).max() <= 1
    assert np.abs(np.array(to_srgb(BT2020, SRGB, (150, 140, 60))) - [159, 139, 37]).max() <= 1
    assert to_srgb(P3, SRGB, (0, 255, 0))[::2] == [0, 0]


@pytest.mark.parametrize(("transfer", "white"), [(PQ, 0.5807), (HLG, 0.75)])
def test_white_of_a_high_dynamic_range_is_white(transfer: int, white: float) -> None:
    """BT.2408, table 1: diffuse white is 58 % of PQ, and 75 % of HLG."""
    level = round(255 * white)
    assert min(to_srgb(BT2020, transfer, (level,) * 3)) >= 250
    assert max(to_srgb(BT2020, transfer, (level // 2,) * 3)) < 140
    assert to_srgb(BT709, transfer, (255, 255, 255)) == [255, 255, 255]
