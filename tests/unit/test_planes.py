"""Luma and color differences -> RGB, by matrix and range."""

import numpy as np
import pytest

from pipeline.image.planes import JFIF, LIMITED_LUMA, to_rgb, weights_of

# Two primaries alone would not tell the weights apart.
COLORS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [90, 120, 200]])
SHARES = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}


def samples(coefficients: int, is_full_range: bool) -> list[np.ndarray]:
    """Return the samples of COLORS as three arrays of one row."""
    red, blue = SHARES[coefficients]
    luma = COLORS @ [red, 1 - red - blue, blue]
    from_blue = (COLORS[:, 2] - luma) / (2 * (1 - blue))
    from_red = (COLORS[:, 0] - luma) / (2 * (1 - red))
    if not is_full_range:
        luma, from_blue, from_red = (
            16 + luma * 219 / 255,
            from_blue * 224 / 255,
            from_red * 224 / 255,
        )
    rows = luma, from_blue + 128, from_red + 128
    return [np.clip(np.round(row), 0, 255).astype(np.uint8)[None] for row in rows]


@pytest.mark.parametrize("coefficients", SHARES)
@pytest.mark.parametrize("is_full_range", [False, True])
def test_colors_are_those_of_the_matrix_and_the_range(
    coefficients: int, is_full_range: bool
) -> None:
    luma, blue, red = samples(coefficients, is_full_range)
    if not is_full_range:
        luma = np.array(LIMITED_LUMA, np.uint8)[luma]
    weights = weights_of(coefficients, is_full_range)
    assert weights is not None
    rgb = np.asarray(to_rgb(luma, blue, red, weights)).astype(int)[0]
    assert np.abs(rgb - COLORS).max() <= 3  # two roundings of eight bits


@pytest.mark.parametrize("coefficients", [2, 5, 6])
def test_the_matrix_of_jfif_is_that_of_bt_601(coefficients: int) -> None:
    """And what decoders assume where none is specified. libjpeg rounds twice."""
    assert weights_of(coefficients, is_full_range=True) == pytest.approx(JFIF, abs=1)


@pytest.mark.parametrize("coefficients", [0, 8, 10, 14, 255])
def test_other_matrices_are_unknown(coefficients: int) -> None:
    assert weights_of(coefficients, is_full_range=True) is None


def test_the_limited_range_is_clipped() -> None:
    assert [LIMITED_LUMA[luma] for luma in (0, 16, 126, 235, 255)] == [0, 0, 128, 255, 255]
