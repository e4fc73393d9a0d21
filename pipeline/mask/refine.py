"""Refines the edge of a mask by the image: alpha, and the foreground's own color.

The model sees a few hundred pixels per side, so the edge of its mask is several image pixels wide
wherever the true edge runs inside it. Around every point of that edge are cells that the mask is
sure of. Their mean colors, F of the foreground and B of the background, make the compositing
equation I = αF + (1 − α)B solvable for a pixel of color I, by projection onto the line from B to F
(Ruzon and Tomasi, Alpha Estimation in Natural Images, 2000). Where F and B are not separable, fall
back to the mask.

For a pixel of color I and mask m (0 to 1), with colors as vectors in [0, 1]³ and d = F − B:

    c(m) = (m − 0.6) / 0.5 + 0.5                          the mask's own edge, with more contrast
    s    = (0.02 + 3.5 (σ²F + σ²B + 3 ρ²)) / k            how little the colors say
    a    = clip(((I − B)·d + s c(m)) / (|d|² + s))        the colors' alpha, and the mask's
    w    = 0.4 (1 + √(|d|² / (|d|² + s)))                 0.4 if the mask decides, 0.8 if colors do
    α    = m + k (clip((a − ½) / w + ½) − m)

clip limits to [0, 1]. σ²F and σ²B are the variances of the colors around F and B. ρ² is the squared
distance of the local color from the segment BF: a color that is no mixture of the two speaks
against both. k (0 to 1) tells how much of the neighborhood the mask is sure of, on the side where
that is less. Where k is 0 (a strap, a wisp of hair) the mask's trace is all there is, and α is m.

The foreground's color of a pixel with 0 < α < 1 is

    F' = clip(F + α (I − αF − (1 − α)B))

(Forte and Pitié, Approximate Fast Foreground Colour Estimation, 2021).

The constants were chosen with `make quality` on people, products and fur, by the error of alpha.
They are a compromise: fur prefers softer edges than products. `python -m bench.quality.constants`
prints how the error depends on each. From 0.75 to 1.33 times its value it changes by at most 1 %,
except for _MASK_CENTER (3.6 %) and _MIN_WIDTH (1.6 %).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from pipeline.image.box import Box
from pipeline.image.source_image import SourceImage

# At or outside these values (4 % and 96 % of 255) the mask is sure: nothing of the foreground can
# be seen, or nothing can be seen through it.
SURE_BACKGROUND, SURE_FOREGROUND = 10, 245

# The mask from which a cell lends its color to F, and below which to B.
_MIN_FOREGROUND, _MAX_BACKGROUND = 0.85, 0.15
# How far colors are collected, as a share of the mask's side. It is past the mask's own blur.
_REACH = 1 / 40
# The share of the cells within reach that must be sure, on either side, for k to be 1.
_ENOUGH_CELLS = 1 / 30

_NOISE = 0.02  # the squared distance below which F and B are the same color
_VARIANCE_WEIGHT = 3.5
_RESIDUAL_WEIGHT = 3.0
_MASK_CENTER, _MASK_WIDTH = 0.6, 0.5  # of c(m)
_MIN_WIDTH = 0.4  # of w

_MIN_KNOWN = 1e-3
_TINY = np.float32(1e-6)

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class LocalColorModel:
    """The sure colors around each cell of a coarse grid.

    `mixture` is float32 (6, rows + 1, columns + 1): the three factors d / (|d|² + s), the offset
    −B·d / (|d|² + s), the mask's weight s / (|d|² + s), and k. `colors` is float32 of the same
    shape: F and B, three channels each, 0 to 1. The last row and column are repeated. `size` is the
    image's width and height, in pixels.
    """

    mixture: Floats
    colors: Floats
    size: tuple[int, int]

    def at(
        self,
        fields: Floats,
        corner: tuple[int, int],
        rows: NDArray[np.intp],
        columns: NDArray[np.intp],
    ) -> Floats:
        """Interpolate `mixture` or `colors` bilinearly at pixels of the image: float32 (6, pixels).

        `rows` (ascending) and `columns` are relative to `corner`, (left, top).
        """
        _, cells_down, cells_across = fields.shape
        row, down = _cell_positions(corner[1], int(rows[-1]) + 1, cells_down - 1, self.size[1])
        column, along = _cell_positions(
            corner[0], int(columns.max()) + 1, cells_across - 1, self.size[0]
        )
        between_rows = fields[:, row] + (fields[:, row + 1] - fields[:, row]) * down[:, np.newaxis]
        lines = between_rows.reshape(len(fields), -1)
        before = rows * cells_across + column[columns]
        found: Floats = lines.take(before, axis=1)
        found += (lines.take(before + 1, axis=1) - found) * along[columns]
        return found


def fit_local_colors(
    mask: NDArray[np.uint8], model_image: Image.Image, size: tuple[int, int]
) -> LocalColorModel:
    """Collect the sure colors on a grid of half the mask's resolution: they change slowly.

    `mask` is uint8 (height, width), `model_image` the RGB image at that size, `size` the width and
    height of the full image.
    """
    cells = np.asarray(Image.fromarray(mask).reduce(2), dtype=np.float32)[..., np.newaxis] / 255
    colors = np.asarray(model_image.reduce(2), dtype=np.float32) / 255
    sure_foreground = np.clip((cells - _MIN_FOREGROUND) / (1 - _MIN_FOREGROUND), 0, 1)
    sure_background = np.clip((_MAX_BACKGROUND - cells) / _MAX_BACKGROUND, 0, 1)
    reach = max(1, round(_REACH * max(cells.shape)))
    foreground, foreground_variance, foreground_known = _local_mean(colors, sure_foreground, reach)
    background, background_variance, background_known = _local_mean(colors, sure_background, reach)

    difference = foreground - background
    distance = (difference * difference).sum(axis=2, keepdims=True)
    share = ((colors - background) * difference).sum(axis=2, keepdims=True) / (distance + _TINY)
    residual = colors - background - np.clip(share, 0, 1) * difference
    residual = (residual * residual).sum(axis=2, keepdims=True)
    variance = foreground_variance + background_variance
    known = np.minimum(foreground_known, background_known)
    doubt = _NOISE + _VARIANCE_WEIGHT * (variance + _RESIDUAL_WEIGHT * residual)
    doubt /= np.maximum(known, _MIN_KNOWN)

    evidence = distance + doubt
    factors = difference / evidence
    offset = -(factors * background).sum(axis=2, keepdims=True)
    mixture = np.concatenate((factors, offset, doubt / evidence, known), axis=2)
    mean_colors = np.concatenate((foreground, background), axis=2)
    return LocalColorModel(_padded(mixture), _padded(mean_colors), size)


def refine_alpha(
    alpha: NDArray[np.uint8], region: Box, image: SourceImage, local_colors: LocalColorModel
) -> None:
    """Refine `alpha`, uint8 (height, width), the upsampled mask of a region, in place.

    Unsure pixels get the α of the module's formula; sure ones become 0 or 255.
    """
    if alpha.max() <= SURE_BACKGROUND:
        return  # a trace, in an image much smaller than the mask, and all there is

    def refine_strip(first: int, end: int) -> None:
        strip = alpha[first:end]
        unsure = _between(strip, SURE_BACKGROUND, SURE_FOREGROUND)
        if unsure.size:
            rows, columns = np.divmod(unsure, region.width)
            left, right = int(columns.min()), int(columns.max()) + 1
            columns -= left
            corner = region.left + left, region.top + first
            colors = np.asarray(image.rgb((*corner, region.left + right, region.top + end)))
            pixels = colors.reshape(-1, 3).take(rows * (right - left) + columns, axis=0)
            mixture = local_colors.at(local_colors.mixture, corner, rows, columns)
            refined = _solve_alpha(strip.take(unsure), pixels, mixture)
        np.multiply(strip > 127, np.uint8(255), out=strip)
        if unsure.size:
            strip.reshape(-1)[unsure] = refined

    image.strips.for_each(refine_strip, region.height, region.width)


def estimate_foreground(
    colors: NDArray[np.uint8],
    alpha: NDArray[np.uint8],
    corner: tuple[int, int],
    local_colors: LocalColorModel,
) -> None:
    """Remove the background's share from `colors` where `alpha` is partial, in place.

    `colors` is uint8 (height, width, 3 or more), a part of the image whose (left, top) is `corner`;
    `alpha` is uint8 (height, width). Partial pixels get the F' of the module's formula.
    """
    partial = _between(alpha, 0, 255)
    if partial.size:
        rows, columns = np.divmod(partial, alpha.shape[1])
        fields = local_colors.at(local_colors.colors, corner, rows, columns)
        foreground, background = fields[:3], fields[3:]
        share = alpha.take(partial) * np.float32(1 / 255)
        flat = colors.reshape(-1, colors.shape[2])
        own = _floats(flat.take(partial, axis=0)) - share * foreground - (1 - share) * background
        own = foreground + share * own
        flat[partial, :3] = (np.clip(own, 0, 1) * 255 + 0.5).T


def _solve_alpha(
    alpha: NDArray[np.uint8], colors: NDArray[np.uint8], mixture: Floats
) -> NDArray[np.uint8]:
    """Return the α of pixels, uint8 (pixels,).

    `alpha` is their upsampled mask, uint8 (pixels,), `colors` uint8 (pixels, 3), and `mixture` the
    interpolated LocalColorModel.mixture, float32 (6, pixels).
    """
    *factors, offset, weight, known = mixture
    mask = alpha * np.float32(1 / 255)
    contrasted = (mask - _MASK_CENTER) / _MASK_WIDTH + 0.5
    red, green, blue = _floats(colors)
    by_color = red * factors[0] + green * factors[1] + blue * factors[2] + offset
    mixed = np.clip(by_color + weight * contrasted, 0, 1)
    width = _MIN_WIDTH * (1 + np.sqrt(1 - weight))
    sharp = np.clip((mixed - 0.5) / width + 0.5, 0, 1)
    solved: NDArray[np.uint8] = ((mask + known * (sharp - mask)) * 255 + 0.5).astype(np.uint8)
    return solved


def _local_mean(colors: Floats, weights: Floats, reach: int) -> tuple[Floats, Floats, Floats]:
    """Return the weighted mean color within `reach` cells, its variance, and k.

    Shapes are (rows, columns, 3), then (rows, columns, 1) twice. The variance is summed over the
    channels. As k falls to 0, the mean becomes the cell's own color.
    """
    squares = (colors * colors).sum(axis=2, keepdims=True)
    channels = np.concatenate((colors * weights, squares * weights, weights), axis=2)
    window = 2 * reach + 1
    sums = ndimage.uniform_filter(channels, (window, window, 1))
    share = sums[..., 4:]
    mean = sums[..., :3] / (share + _TINY)
    mean_square = sums[..., 3:4] / (share + _TINY)
    variance = np.maximum(mean_square - (mean * mean).sum(axis=2, keepdims=True), 0)
    known = np.clip(share / _ENOUGH_CELLS, 0, 1)
    return colors + (mean - colors) * known, variance, known


def _padded(fields: Floats) -> Floats:
    """Repeat the last row and column: (rows, columns, n) -> float32 (n, rows + 1, columns + 1)."""
    padded = np.pad(fields.astype(np.float32), ((0, 1), (0, 1), (0, 0)), mode="edge")
    return padded.transpose(2, 0, 1).copy()


def _between(values: NDArray[np.uint8], low: int, high: int) -> NDArray[np.intp]:
    """Return the flat indices of values over `low` and under `high`.

    One comparison is enough: the difference of a value that is too small wraps around.
    """
    return np.flatnonzero(values - np.uint8(low + 1) < high - low - 1)


def _floats(colors: NDArray[np.uint8]) -> Floats:
    """Convert colors, uint8 (pixels, 3 or more), to float32 (3, pixels) of 0 to 1."""
    floats: Floats = np.multiply(colors[:, :3].T, np.float32(1 / 255), order="C")
    return floats


def _cell_positions(
    first: int, count: int, cells: int, length: int
) -> tuple[NDArray[np.intp], Floats]:
    """Locate `count` pixels from `first`, on a side of `length` pixels, in a row of `cells`.

    Return the cell before each pixel's center, and the way to the next cell, 0 to 1.
    """
    centers = (np.arange(first, first + count) + 0.5) * (cells / length) - 0.5
    positions = np.clip(centers, 0, cells - 1)
    before = positions.astype(np.intp)
    return before, (positions - before).astype(np.float32)
