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
_TO_SHARE = np.float32(1 / 255)

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class LocalColorModel:
    """The sure colors around each cell of a coarse grid.

    `fields` is float32 (8, rows, columns + 1): F and B (three channels each, 0 to 1), the mask's
    weight s / (|d|² + s), and k. The last column is repeated. `size` is the image's width and
    height, in pixels.
    """

    fields: Floats
    size: tuple[int, int]

    def at(
        self, corner: tuple[int, int], counts: NDArray[np.intp], columns: NDArray[np.intp]
    ) -> Floats:
        """Interpolate the fields bilinearly at pixels of the image: float32 (8, pixels).

        The pixels come row by row: `counts` has their number in each row, and `columns` the column
        of each pixel, both from `corner`, (left, top).
        """
        _, cells_down, cells_across = self.fields.shape
        cells_across -= 1
        height, width = len(counts), int(columns.max()) + 1
        row, down = _cell_positions(corner[1], height, cells_down, self.size[1])
        column, along = _cell_positions(corner[0], width, cells_across, self.size[0])
        first, last = int(column[0]), int(column[-1]) + 2
        part = self.fields[:, :, first:last]
        before = part[:, row]
        after = part[:, np.minimum(row + 1, cells_down - 1)]
        after -= before
        after *= down[:, np.newaxis]
        before += after
        lines = before.reshape(len(before), -1)
        slopes = np.empty_like(lines)
        np.subtract(lines[:, 1:], lines[:, :-1], out=slopes[:, :-1])
        slopes[:, -1] = 0
        cells = np.repeat(np.arange(height) * (last - first), counts)
        cells += (column - first).take(columns)
        found: Floats = slopes.take(cells, axis=1)
        found *= along.take(columns)
        found += lines.take(cells, axis=1)
        return found


def fit_local_colors(
    mask: NDArray[np.uint8], model_image: Image.Image, size: tuple[int, int]
) -> LocalColorModel:
    """Collect the sure colors on a grid of half the mask's resolution: they change slowly.

    `mask` is uint8 (height, width), `model_image` the RGB image at that size, `size` the width and
    height of the full image.
    """
    cells = np.asarray(Image.fromarray(mask).reduce(2), dtype=np.float32) * _TO_SHARE
    colors = _planes(np.asarray(model_image.reduce(2)))
    squares = _dot(colors, colors)
    sure_foreground = np.clip((cells - _MIN_FOREGROUND) / (1 - _MIN_FOREGROUND), 0, 1)
    sure_background = np.clip((_MAX_BACKGROUND - cells) / _MAX_BACKGROUND, 0, 1)
    reach = max(1, round(_REACH * max(cells.shape)))
    foreground, variance, known = _local_mean(colors, squares, sure_foreground, reach)
    background, other_variance, other_known = _local_mean(colors, squares, sure_background, reach)
    variance += other_variance
    known = np.minimum(known, other_known)

    difference = foreground - background
    distance = _dot(difference, difference)
    residual = colors - background
    share = _dot(residual, difference) / (distance + _TINY)
    residual -= np.clip(share, 0, 1) * difference
    doubt = _NOISE + _VARIANCE_WEIGHT * (variance + _RESIDUAL_WEIGHT * _dot(residual, residual))
    doubt /= np.maximum(known, _MIN_KNOWN)

    fields = np.empty((8, cells.shape[0], cells.shape[1] + 1), np.float32)
    fields[:3, :, :-1], fields[3:6, :, :-1] = foreground, background
    fields[6, :, :-1], fields[7, :, :-1] = doubt / (distance + doubt), known
    fields[:, :, -1] = fields[:, :, -2]
    return LocalColorModel(fields, size)


def refine_edge(
    alpha: NDArray[np.uint8],
    colors: NDArray[np.uint8],
    corner: tuple[int, int],
    local_colors: LocalColorModel,
    clean: bool,
) -> None:
    """Refine the upsampled mask of a region, and the colors along its edge, in place.

    `alpha` is uint8 (height, width), `colors` uint8 (height, width, 3 or more), `corner` the
    region's (left, top). Unsure pixels get the α of the module's formula; sure ones become 0 or
    255. With `clean`, pixels of partial α get the color F'.
    """
    unsure = _between(alpha, SURE_BACKGROUND, SURE_FOREGROUND)
    if unsure.size:
        height, width = alpha.shape
        ends = np.searchsorted(unsure, np.arange(1, height + 1) * width)
        counts = np.diff(ends, prepend=0)
        columns = unsure - np.repeat(np.arange(height) * width, counts)
        fields = local_colors.at(corner, counts, columns)
        mask = alpha.take(unsure) * _TO_SHARE
        flat = colors.reshape(-1, colors.shape[2])
        image = _planes(flat.take(unsure, axis=0)[:, :3])
        share = _solve_alpha(mask, image, fields)
        refined = (share * 255 + 0.5).astype(np.uint8)
    np.multiply(alpha > 127, np.uint8(255), out=alpha)
    if unsure.size:
        alpha.reshape(-1)[unsure] = refined
        if clean:
            # The background has been subtracted from `image`, and from the foreground.
            difference, background = fields[:3], fields[3:6]
            image -= share * difference
            image *= share
            image += difference
            image += background
            np.clip(image, 0, 1, out=image)
            image *= 255
            image += 0.5
            flat[unsure, :3] = image.T


def _solve_alpha(mask: Floats, image: Floats, fields: Floats) -> Floats:
    """Return the α of pixels, float32 (pixels,).

    `mask` is their upsampled mask, 0 to 1, (pixels,), `image` their colors, (3, pixels), and
    `fields` the interpolated LocalColorModel.fields, (8, pixels). Subtracts B from `image` and
    from F, in place.
    """
    foreground, background, weight, known = fields[:3], fields[3:6], fields[6], fields[7]
    foreground -= background
    image -= background
    mixed = _dot(image, foreground)
    mixed /= _dot(foreground, foreground) + _TINY
    by_color = 1 - weight
    mixed *= by_color
    mixed += weight * ((mask - _MASK_CENTER) / _MASK_WIDTH + 0.5)
    np.clip(mixed, 0, 1, out=mixed)
    width = np.sqrt(by_color, out=by_color)
    width += 1
    width *= _MIN_WIDTH
    mixed -= 0.5
    mixed /= width
    mixed += 0.5
    np.clip(mixed, 0, 1, out=mixed)
    mixed -= mask
    mixed *= known
    mixed += mask
    return mixed


def _local_mean(
    colors: Floats, squares: Floats, weights: Floats, reach: int
) -> tuple[Floats, Floats, Floats]:
    """Return the weighted mean color within `reach` cells, its variance, and k.

    `colors` and the mean are (3, rows, columns), all others (rows, columns); `squares` is |color|².
    The variance is summed over the channels. As k falls to 0, the mean becomes the cell's color.
    """
    channels = np.concatenate((colors * weights, (squares * weights)[None], weights[None]))
    sums = _box_mean(channels, reach)
    share = sums[4]
    mean = sums[:3] / (share + _TINY)
    variance = np.maximum(sums[3] / (share + _TINY) - _dot(mean, mean), 0)
    known = np.clip(share / _ENOUGH_CELLS, 0, 1)
    mean -= colors
    mean *= known
    mean += colors
    return mean, variance, known


def _box_mean(values: Floats, reach: int) -> Floats:
    """Return the mean over 2 reach + 1 rows and columns, mirrored at the edges: (n, rows, columns).

    Sums of 1, 2, 4, … neighbors are added up, so that the cost hardly depends on `reach`.
    """
    window = 2 * reach + 1
    for axis in (1, 2):
        pad = [(0, 0), (0, 0), (0, 0)]
        pad[axis] = (reach, reach)
        values = _sliding_sum(np.pad(values, pad, mode="symmetric"), window, axis)
    mean: Floats = values * np.float32(1 / window**2)
    return mean


def _sliding_sum(values: Floats, window: int, axis: int) -> Floats:
    """Return the sum of each `window` consecutive values along an axis."""
    run = np.moveaxis(values, axis, 0)
    count = len(run) - window + 1
    length, offset = 1, 0
    total: Floats | None = None
    while length <= window:
        if window & length:
            part = run[offset : offset + count]
            total = part if total is None else total + part
            offset += length
        run = run[:-length] + run[length:]
        length *= 2
    assert total is not None  # `window` is at least 1
    return np.moveaxis(total, 0, axis)


def _dot(a: Floats, b: Floats) -> Floats:
    """Return the scalar product of colors, by channel first."""
    product: Floats = a[0] * b[0]
    product += a[1] * b[1]
    product += a[2] * b[2]
    return product


def _between(values: NDArray[np.uint8], low: int, high: int) -> NDArray[np.intp]:
    """Return the flat indices of values over `low` and under `high`.

    One comparison is enough: the difference of a value that is too small wraps around.
    """
    return np.flatnonzero(values - np.uint8(low + 1) < high - low - 1)


def _planes(colors: NDArray[np.uint8]) -> Floats:
    """Convert colors, uint8 (..., 3), to float32 (3, ...) of 0 to 1."""
    planes: Floats = np.multiply(np.moveaxis(colors, -1, 0), _TO_SHARE, order="C")
    return planes


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
