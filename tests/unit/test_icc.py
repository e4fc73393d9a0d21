"""ICC profiles of RGB color spaces."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from pipeline.image.icc import D65, NotAColorSpace, Point, rgb_profile

SRGB_PRIMARIES = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
RAMP = Image.linear_gradient("L").convert("RGB")


def opened(profile: bytes) -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(io.BytesIO(profile))


def test_the_profile_is_of_a_display_in_rgb() -> None:
    profile = rgb_profile(SRGB_PRIMARIES, D65, 2.2)
    assert int.from_bytes(profile[:4], "big") == len(profile)
    found = opened(profile).profile
    assert (found.xcolor_space, found.connection_space) == ("RGB ", "XYZ ")
    assert (found.device_class, found.version) == ("mntr", 2.4)


def test_the_primaries_are_those_of_srgb_under_d50() -> None:
    """IEC 61966-2-1, adapted by Bradford: the colorants of every sRGB profile, in XYZ."""
    found = opened(rgb_profile(SRGB_PRIMARIES, D65, 2.2)).profile
    colorants = [found.red_colorant, found.green_colorant, found.blue_colorant]
    expected = [[0.4361, 0.2225, 0.0139], [0.3851, 0.7169, 0.0971], [0.1431, 0.0606, 0.7141]]
    assert all(colorants)
    measured = [colorant[0] for colorant in colorants if colorant is not None]
    assert np.abs(np.array(measured) - expected).max() < 0.0002


@pytest.mark.parametrize("exponent", [0.4, 1.0, 1.8, 2.2, 5.0])
@pytest.mark.parametrize("white", [D65, (0.3457, 0.3585), (1 / 3, 1 / 3)])
def test_a_space_converts_to_one_of_another_exponent(exponent: float, white: Point) -> None:
    """Whatever the white: it becomes white."""
    transform = ImageCms.buildTransform(
        opened(rgb_profile(SRGB_PRIMARIES, white, exponent)),
        opened(rgb_profile(SRGB_PRIMARIES, white, 2.0)),
        "RGB",
        "RGB",
    )
    levels = np.asarray(RAMP).astype(float)
    expected = 255 * (levels / 255) ** (exponent / 2)
    assert np.abs(np.asarray(transform.apply(RAMP)) - expected).max() <= 1


@pytest.mark.parametrize(
    ("primaries", "white"),
    [
        (((0.64, 0.0), (0.30, 0.60), (0.15, 0.06)), D65),
        (SRGB_PRIMARIES, (0.3, 0.0)),
        (SRGB_PRIMARIES, (0.7, 0.29)),
        (((0.3, 0.3), (0.3, 0.3), (0.3, 0.3)), D65),
        (((0.64, 0.33), (0.64, 0.33), (0.15, 0.06)), D65),
        (((42_949.0, 42_949.0), (0.0, 42_949.0), (42_949.0, 0.1)), (0.3, 1e-5)),
    ],
)
def test_other_numbers_are_no_color_space(
    primaries: tuple[Point, Point, Point], white: Point
) -> None:
    with pytest.raises(NotAColorSpace):
        rgb_profile(primaries, white, 2.2)
