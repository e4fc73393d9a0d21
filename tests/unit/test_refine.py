"""The edge, on pictures whose true alpha is known because they were composed with it."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.image import strips
from pipeline.image.box import Box
from pipeline.image.source_image import SourceImage
from pipeline.image.strips import Strips
from pipeline.mask.refine import (
    SURE_BACKGROUND,
    SURE_FOREGROUND,
    LocalColorModel,
    estimate_foreground,
    fit_local_colors,
    refine_alpha,
)

SIZE = 800
RED, BLUE = np.array([200, 40, 30]), np.array([20, 60, 220])
WHOLE = Box(0, 0, SIZE, SIZE)

Alpha = NDArray[np.uint8]


def slanted(softness: float) -> NDArray[np.float64]:
    """A true alpha: 1 on the left of a slanted line, 0 on its right, with a ramp of so many pixels between."""
    rows, columns = np.mgrid[:SIZE, :SIZE]
    distance = (430 + 0.15 * (rows - SIZE / 2) - columns) / np.hypot(1, 0.15)
    truth: NDArray[np.float64] = np.clip(distance / softness + 0.5, 0, 1)
    return truth


def composed(truth: NDArray[np.float64]) -> Image.Image:
    """Red over blue."""
    return Image.fromarray(
        (RED * truth[..., None] + BLUE * (1 - truth[..., None]) + 0.5).astype(np.uint8)
    )


def model_mask(truth: NDArray[np.float64], off: int = 0) -> Alpha:
    """What a model of 320 × 320 says: the truth, blurred over some cells, and somewhat beside it."""
    model_image = Image.fromarray((np.roll(truth, off, axis=1) * 255).astype(np.uint8)).resize(
        (320, 320), Image.Resampling.BOX
    )
    return np.asarray(
        model_image.resize((100, 100), Image.Resampling.BOX).resize(
            (320, 320), Image.Resampling.BICUBIC
        )
    )


def enlarged(mask: Alpha) -> Alpha:
    return np.array(Image.fromarray(mask).resize((SIZE, SIZE), Image.Resampling.LANCZOS))


def local_colors(mask: Alpha, image: Image.Image) -> LocalColorModel:
    return fit_local_colors(mask, image.resize((320, 320), Image.Resampling.LANCZOS), image.size)


def sharpened(mask: Alpha, image: Image.Image) -> Alpha:
    alpha = enlarged(mask)
    refine_alpha(alpha, WHOLE, SourceImage(image), local_colors(mask, image))
    return alpha


@pytest.mark.parametrize("softness", [1, 6, 12])
@pytest.mark.parametrize("off", [-4, 0, 4])
def test_the_colours_find_the_true_edge(softness: float, off: int) -> None:
    """Hard or soft, and where the mask is some pixels beside it."""
    truth = slanted(softness)
    mask = model_mask(truth, off)
    ours = np.abs(sharpened(mask, composed(truth)) / 255 - truth)
    raw = np.abs(enlarged(mask) / 255 - truth)
    inside = np.s_[50:-50, 50:-50]  # the roll wraps around at the picture's sides
    assert ours[inside].mean() < 0.7 * raw[inside].mean()
    assert ours[inside].mean() < 0.01


def test_what_the_mask_is_sure_of_is_solid() -> None:
    truth = slanted(8)
    mask = np.where(model_mask(truth) > 128, 250, 4).astype(np.uint8)  # nowhere quite 0 or 255
    alpha, raw = sharpened(mask, composed(truth)), enlarged(mask)
    assert (alpha[raw >= SURE_FOREGROUND] == 255).all()
    assert (alpha[raw <= SURE_BACKGROUND] == 0).all()


def test_without_two_colours_the_mask_decides() -> None:
    """By a contrast curve around its middle, which no side is favoured by far."""
    truth = slanted(8)
    mask = model_mask(truth)
    alpha, raw = sharpened(mask, Image.new("RGB", (SIZE, SIZE), tuple(RED))), enlarged(mask)
    assert (alpha[raw < 60] == 0).all()
    assert (alpha[raw > 220] == 255).all()
    order = np.argsort(raw, axis=None)
    assert (
        np.diff(alpha.reshape(-1)[order].astype(int)) >= -1
    ).all()  # the brighter the mask, the more is seen


def test_a_strap_that_the_mask_half_sees_is_kept() -> None:
    truth = slanted(2)
    strap = np.zeros_like(truth)
    strap[395:403, 440:640] = 1
    mask = model_mask(np.maximum(truth, 0.45 * strap))
    alpha = sharpened(mask, composed(np.maximum(truth, strap)))
    raw = enlarged(mask)
    assert (alpha[399, 440:445] > raw[399, 440:445]).all()  # near the body its colour tells
    assert (
        alpha[399, 480:630] >= raw[399, 480:630] - 1
    ).all()  # far from it, the mask's trace is kept
    assert raw[399, 480:630].min() > 50
    assert alpha[370, 480:630].max() == 0


def test_a_region_is_a_part_of_the_whole_and_strips_are_not_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    truth = slanted(12)
    mask, image = model_mask(truth), composed(truth)
    whole = sharpened(mask, image)
    monkeypatch.setattr(strips, "_STRIP_PIXELS", 5_000)
    region = Box(301, 97, 280, 411)
    part = np.ascontiguousarray(enlarged(mask)[97 : 97 + 411, 301 : 301 + 280])
    refine_alpha(part, region, SourceImage(image, strips=Strips(2)), local_colors(mask, image))
    assert np.abs(part.astype(int) - whole[97 : 97 + 411, 301 : 301 + 280]).max() <= 1


@pytest.mark.parametrize("channels", [3, 4])
def test_the_background_is_taken_out_of_the_edges_colours(channels: int) -> None:
    truth = slanted(24)
    image = composed(truth)
    alpha = (truth * 255 + 0.5).astype(np.uint8)
    colors = np.dstack((np.asarray(image), alpha))[..., :channels].copy()
    before = colors.copy()
    estimate_foreground(colors, alpha, (0, 0), local_colors(model_mask(truth), image))
    partial = (alpha > 25) & (alpha < 230)
    assert np.abs(colors[partial][:, :3].astype(int) - RED).mean() < 6
    assert np.abs(before[partial][:, :3].astype(int) - RED).mean() > 50
    sure = (alpha == 0) | (alpha == 255)
    assert np.array_equal(colors[sure], before[sure])
    assert np.array_equal(colors[..., 3:], before[..., 3:])


def test_a_subject_that_is_all_edge_is_shown_as_the_mask_has_it() -> None:
    mask = np.zeros((320, 320), np.uint8)
    mask[100:108, 100:108] = 200
    alpha, raw = sharpened(mask, composed(slanted(8))), enlarged(mask)
    unsure = (raw > SURE_BACKGROUND) & (raw < SURE_FOREGROUND)
    assert np.abs(alpha.astype(int) - raw)[unsure].max() <= 1


def test_a_trace_is_left_as_it_is() -> None:
    trace = np.full((3, 5), SURE_BACKGROUND, np.uint8)
    image = Image.new("RGB", (5, 3))
    before = trace.copy()
    refine_alpha(
        trace, Box(0, 0, 5, 3), SourceImage(image), local_colors(model_mask(slanted(8)), image)
    )
    assert np.array_equal(trace, before)
