"""Straight RGBA over a color, by the formula of the operator `over`."""

import numpy as np
import pytest

from pipeline.image.compose import (
    RGBA,
    TRANSPARENT,
    WHITE,
    lay_over,
    opaque_color,
    parse_color,
)

PIXELS = np.random.default_rng(5).integers(0, 256, (30, 20, 4), dtype=np.uint8)
PIXELS[0, :, 3], PIXELS[1, :, 3] = 0, 255


@pytest.mark.parametrize(
    ("text", "color"),
    [
        ("#f80", (255, 136, 0, 255)),
        ("#102030", (16, 32, 48, 255)),
        ("#ABCDEF80", (171, 205, 239, 128)),
        ("#00000000", (0, 0, 0, 0)),
    ],
)
def test_a_color_is_parsed(text: str, color: RGBA) -> None:
    assert parse_color(text) == color


@pytest.mark.parametrize("backdrop", [WHITE, (10, 200, 30, 255), (10, 200, 30, 128), TRANSPARENT])
def test_a_pixel_is_blended_by_its_alpha(backdrop: RGBA) -> None:
    alpha = PIXELS[..., 3:] / 255
    behind = backdrop[3] / 255 * (1 - alpha)
    together = alpha + behind
    shares = np.divide(alpha, together, where=together > 0, out=np.zeros_like(alpha))
    expected = PIXELS[..., :3] * shares + np.array(backdrop[:3]) * (1 - shares)
    before = PIXELS.copy()
    laid = lay_over(PIXELS, backdrop)
    assert np.array_equal(PIXELS, before)
    assert laid.shape == (30, 20, 3 if backdrop[3] == 255 else 4)
    seen = together[..., 0] > 0
    assert np.abs(laid[..., :3] - expected)[seen].max() <= 1
    assert not laid[~seen].any()
    if backdrop[3] < 255:
        assert np.abs(laid[..., 3:] - together * 255).max() <= 1


def test_a_color_over_an_opaque_one_is_opaque() -> None:
    assert opaque_color(TRANSPARENT, WHITE) == WHITE
    assert opaque_color((1, 2, 3, 255), WHITE) == (1, 2, 3, 255)
    assert opaque_color((0, 0, 255, 128), WHITE) == (127, 127, 255, 255)
