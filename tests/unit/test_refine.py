"""The refined edge, on images composed with a known alpha."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.image.box import Box
from pipeline.mask.local_colors import LocalColorModel, fit_local_colors
from pipeline.mask.refine import SURE_BACKGROUND, SURE_FOREGROUND, refine_edge

SIZE = 800
RED, BLUE = np.array([200, 40, 30]), np.array([20, 60, 220])

Alpha = NDArray[np.uint8]


def slanted(softness: float) -> NDArray[np.float64]:
    """Return an alpha of 1 left of a slanted line and 0 right of it, `softness` pixels apart."""
    rows, columns = np.mgrid[:SIZE, :SIZE]
    distance = (430 + 0.15 * (rows - SIZE / 2) - columns) / np.hypot(1, 0.15)
    truth: NDArray[np.float64] = np.clip(distance / softness + 0.5, 0, 1)
    return truth


def composed(truth: NDArray[np.float64]) -> Image.Image:
    """Return red over blue."""
    return Image.fromarray(
        (RED * truth[..., None] + BLUE * (1 - truth[..., None]) + 0.5).astype(np.uint8)
    )


def model_mask(truth: NDArray[np.float64], off: int = 0) -> Alpha:
    """Return the truth at 320 × 320 as a model sees it: blurred, and `off` pixels beside it."""
    model_image = Image.fromarray((np.roll(truth, off, axis=1) * 255).astype(np.uint8)).resize(
        (320, 320), Image.Resampling.BOX
    )
    return np.asarray(
        model_image.resize((100, 100), Image.Resampling.BOX).resize(
            (320, 320), Image.Resampling.BICUBIC
        )
    )


def upsampled(mask: Alpha) -> Alpha:
    return np.array(Image.fromarray(mask).resize((SIZE, SIZE), Image.Resampling.LANCZOS))


def local_colors(mask: Alpha, image: Image.Image) -> LocalColorModel:
    return fit_local_colors(
        mask, image.resize((320, 320), Image.Resampling.LANCZOS), Box(0, 0, *image.size)
    )


def refined(mask: Alpha, image: Image.Image) -> Alpha:
    alpha = upsampled(mask)
    refine_edge(
        alpha, np.array(image.convert("RGBA")), (0, 0), local_colors(mask, image), clean=False
    )
    return alpha


@pytest.mark.parametrize("softness", [1, 6, 12])
@pytest.mark.parametrize("off", [-4, 0, 4])
def test_colors_locate_the_true_edge(softness: float, off: int) -> None:
    """It may be hard or soft, and the mask a few pixels off."""
    truth = slanted(softness)
    mask = model_mask(truth, off)
    ours = np.abs(refined(mask, composed(truth)) / 255 - truth)
    raw = np.abs(upsampled(mask) / 255 - truth)
    inside = np.s_[50:-50, 50:-50]  # np.roll wraps around at the sides
    assert ours[inside].mean() < 0.7 * raw[inside].mean()
    assert ours[inside].mean() < 0.01


def test_sure_cells_become_0_or_255() -> None:
    truth = slanted(8)
    mask = np.where(model_mask(truth) > 128, 250, 4).astype(np.uint8)  # nowhere quite 0 or 255
    alpha, raw = refined(mask, composed(truth)), upsampled(mask)
    assert (alpha[raw >= SURE_FOREGROUND] == 255).all()
    assert (alpha[raw <= SURE_BACKGROUND] == 0).all()


def test_with_one_color_the_mask_decides() -> None:
    """Its contrast is raised around the middle."""
    truth = slanted(8)
    mask = model_mask(truth)
    alpha, raw = refined(mask, Image.new("RGB", (SIZE, SIZE), tuple(RED))), upsampled(mask)
    assert (alpha[raw < 60] == 0).all()
    assert (alpha[raw > 220] == 255).all()
    order = np.argsort(raw, axis=None)
    # A brighter mask never gives less alpha.
    assert (np.diff(alpha.reshape(-1)[order].astype(int)) >= -1).all()


def test_a_strap_that_is_faint_in_the_mask_is_kept() -> None:
    truth = slanted(2)
    strap = np.zeros_like(truth)
    strap[395:403, 440:640] = 1
    mask = model_mask(np.maximum(truth, 0.45 * strap))
    alpha = refined(mask, composed(np.maximum(truth, strap)))
    raw = upsampled(mask)
    # Near the body its color decides; far from it, the trace in the mask is kept.
    assert (alpha[399, 440:445] > raw[399, 440:445]).all()
    assert (alpha[399, 480:630] >= raw[399, 480:630] - 1).all()
    assert raw[399, 480:630].min() > 50
    assert alpha[370, 480:630].max() == 0


def test_a_region_is_refined_like_the_whole() -> None:
    truth = slanted(12)
    mask, image = model_mask(truth), composed(truth)
    whole = refined(mask, image)
    rows, columns = slice(97, 508), slice(301, 581)
    part = np.ascontiguousarray(upsampled(mask)[rows, columns])
    colors = np.asarray(image.convert("RGBA"))[rows, columns].copy()
    refine_edge(part, colors, (301, 97), local_colors(mask, image), clean=False)
    assert np.abs(part.astype(int) - whole[rows, columns]).max() <= 1


def test_the_background_is_removed_from_the_colors_of_the_edge() -> None:
    truth = slanted(24)
    image = composed(truth)
    mask = model_mask(truth)
    alpha = upsampled(mask)
    colors = np.dstack((np.asarray(image), alpha))
    before = colors.copy()
    refine_edge(alpha, colors, (0, 0), local_colors(mask, image), clean=True)
    partial = (alpha > 25) & (alpha < 230)
    assert np.abs(colors[partial][:, :3].astype(int) - RED).mean() < 6
    assert np.abs(before[partial][:, :3].astype(int) - RED).mean() > 50
    sure = (upsampled(mask) <= SURE_BACKGROUND) | (upsampled(mask) >= SURE_FOREGROUND)
    assert np.array_equal(colors[sure], before[sure])
    assert np.array_equal(colors[..., 3:], before[..., 3:])


def test_a_subject_without_a_sure_cell_keeps_its_mask() -> None:
    mask = np.zeros((320, 320), np.uint8)
    mask[100:108, 100:108] = 200
    alpha, raw = refined(mask, composed(slanted(8))), upsampled(mask)
    unsure = (raw > SURE_BACKGROUND) & (raw < SURE_FOREGROUND)
    assert unsure.any()
    assert np.abs(alpha.astype(int) - raw)[unsure].max() <= 1


@pytest.mark.parametrize(("pixels", "moves"), [(900, True), (320, False)])
def test_colors_move_the_edge_less_where_a_cell_is_small(pixels: int, moves: bool) -> None:
    """The mask's edge is two cells beside the true one, where it was sure."""
    image = Image.new("RGB", (pixels, pixels), tuple(BLUE))
    image.paste(tuple(RED), (0, 0, pixels // 2, pixels))
    ramp = np.clip((165 - np.arange(320)) * 32, 0, 255).astype(np.uint8)
    mask = np.repeat(ramp[np.newaxis], 320, axis=0)
    alpha = np.array(Image.fromarray(mask).resize(image.size, Image.Resampling.LANCZOS))
    raw = alpha.copy()
    refine_edge(
        alpha, np.array(image.convert("RGBA")), (0, 0), local_colors(mask, image), clean=False
    )
    clear = np.abs(raw - 127.5) > 8
    same_side = ((alpha >= 128) == (raw >= 128))[clear].all()
    assert same_side != moves


def test_colors_move_no_edge_to_where_the_mask_has_none() -> None:
    """The mask is less sure of a blue patch on red, beside blue, but it does not fall there."""
    image = Image.new("RGB", (1600, 1600), tuple(BLUE))
    image.paste(tuple(RED), (0, 0, 850, 1600))
    image.paste(tuple(BLUE), (805, 700, 820, 900))
    mask = np.zeros((320, 320), np.uint8)
    mask[:, :170] = 255
    mask[120:200, 154:167] = 225
    alpha = np.array(Image.fromarray(mask).resize(image.size, Image.Resampling.LANCZOS))
    refine_edge(
        alpha, np.array(image.convert("RGBA")), (0, 0), local_colors(mask, image), clean=False
    )
    assert alpha[740:860, 808:817].min() >= 128


def test_where_colors_do_not_decide_the_edge_stays_where_it_is() -> None:
    mask = model_mask(slanted(8))
    alpha, raw = refined(mask, Image.new("RGB", (SIZE, SIZE), tuple(RED))), upsampled(mask)
    assert np.array_equal(alpha >= 128, raw >= 128)
