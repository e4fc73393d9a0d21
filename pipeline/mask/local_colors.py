"""The sure colors around each point of a mask's edge: what refines it.

F and B are the mean colors of the cells nearby that the mask is sure of, foreground and background.
σ²F and σ²B are the variances of these colors. ρ² is the squared distance of the local color from
the segment BF: a color that is no mixture of the two speaks against both. k (0 to 1) tells how much
of the neighborhood the mask is sure of, on the side where that is less. From these,

    s = (0.02 + 3.5 (σ²F + σ²B + 3 ρ²)) / k

tells how little the colors say (`refine.py`). How far they may move the edge is

    f = min((p / 7)², 8 g) |d|² / (|d|² + s)        8 g inside the mask's edge only

with d = F − B, p pixels of the image per cell of the mask, and g, the mask's slope per cell. The
smaller a cell is, the less the edge may move away from the mask's own. Inside it, the edge stays on
the ramp to the outside: a plateau that has the background's color is a part of the subject.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.image.box import Box

# The mask from which a cell lends its color to F, and below which to B.
_MIN_FOREGROUND, _MAX_BACKGROUND = 0.85, 0.15
# How far colors are collected, as a share of the mask's side. It is past the mask's own blur.
_REACH = 1 / 40
# The share of the cells within reach that must be sure, on either side, for k to be 1.
_ENOUGH_CELLS = 1 / 30

_NOISE = 0.02  # the squared distance below which F and B are the same color
_VARIANCE_WEIGHT = 3.5
_RESIDUAL_WEIGHT = 3.0

_FREE_PIXELS = 7.0  # of p, from which the size of a cell hardly limits f
_RAMP_CELLS = 8.0  # of a ramp from one half to all, on which the edge may be anywhere
_INSIDE = 0.5  # the mask from which a cell is inside its edge

_MIN_KNOWN = 1e-3
TINY = np.float32(1e-6)
TO_SHARE = np.float32(1 / 255)

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class LocalColorModel:
    """The sure colors around each cell of a coarse grid.

    `fields` is float32 (9, rows, columns + 1): F and B (three channels each, 0 to 1), the mask's
    weight s / (|d|² + s), k, and f. The last column is repeated. They are a part of a grid whose
    size is `grid`, (rows, columns), from the cell `first`, (row, column). `window` is the part of
    the image that the whole grid covers, in pixels.
    """

    fields: Floats
    first: tuple[int, int]
    grid: tuple[int, int]
    window: Box

    def at(
        self, corner: tuple[int, int], counts: NDArray[np.intp], columns: NDArray[np.intp]
    ) -> Floats:
        """Interpolate the fields bilinearly at pixels of the image: float32 (9, pixels).

        The pixels come row by row: `counts` has their number in each row, and `columns` the column
        of each pixel, both from `corner`, (left, top). Outside the part of the grid, the fields are
        those at its border.
        """
        _, cells_down, cells_across = self.fields.shape
        height, width = len(counts), int(columns.max()) + 1
        window = self.window
        row, down = _cell_positions(
            np.arange(height) + (corner[1] - window.top),
            self.grid[0] / window.height,
            (self.first[0], cells_down),
        )
        column, along = _cell_positions(
            np.arange(width) + (corner[0] - window.left),
            self.grid[1] / window.width,
            (self.first[1], cells_across - 1),
        )
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
    mask: NDArray[np.uint8], model_image: Image.Image, window: Box
) -> LocalColorModel:
    """Collect the sure colors on a grid of half the mask's resolution: they change slowly.

    `mask` is uint8 (height, width), `model_image` the RGB image at that size, `window` the part of
    the full image that both show, in pixels.
    """
    cells = np.asarray(Image.fromarray(mask).reduce(2), dtype=np.float32) * TO_SHARE
    grid = cells.shape
    reach = max(1, round(_REACH * max(grid)))
    used = _cells_beside(mask)
    around = used.grown(reach, grid[::-1])
    left, top, right, bottom = around.corners
    part = slice(top, bottom), slice(left, right)
    cells, colors = cells[part], planes(np.asarray(model_image.reduce(2))[part])
    squares = dot(colors, colors)
    sure_foreground = np.clip((cells - _MIN_FOREGROUND) / (1 - _MIN_FOREGROUND), 0, 1)
    sure_background = np.clip((_MAX_BACKGROUND - cells) / _MAX_BACKGROUND, 0, 1)
    foreground, variance, known = _local_mean(colors, squares, sure_foreground, reach)
    background, other_variance, other_known = _local_mean(colors, squares, sure_background, reach)
    variance += other_variance
    known = np.minimum(known, other_known)

    difference = foreground - background
    distance = dot(difference, difference)
    residual = colors - background
    share = dot(residual, difference) / (distance + TINY)
    residual -= np.clip(share, 0, 1) * difference
    doubt = _NOISE + _VARIANCE_WEIGHT * (variance + _RESIDUAL_WEIGHT * dot(residual, residual))
    doubt /= np.maximum(known, _MIN_KNOWN)
    weight = doubt / (distance + doubt)
    pixels = window.width * window.height / mask.size
    freedom = np.full_like(cells, (pixels / _FREE_PIXELS) ** 2)
    np.minimum(freedom, _RAMP_CELLS * _slope(cells), out=freedom, where=cells > _INSIDE)

    left, top, right, bottom = used.relative_to(around).corners
    inner = slice(top, bottom), slice(left, right)
    fields = np.empty((9, used.height, used.width + 1), np.float32)
    fields[:3, :, :-1], fields[3:6, :, :-1] = foreground[:, *inner], background[:, *inner]
    fields[6, :, :-1], fields[7, :, :-1] = weight[inner], known[inner]
    fields[8, :, :-1] = (freedom * (1 - weight))[inner]
    fields[:, :, -1] = fields[:, :, -2]
    return LocalColorModel(fields, (used.top, used.left), grid, window)


def _cells_beside(mask: NDArray[np.uint8]) -> Box:
    """Return the cells of the grid that pixels with a trace of the mask may ask for.

    LANCZOS spreads a cell of the mask over 3 to each side, and bilinear interpolation needs one
    cell of the grid more.
    """
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    height, width = (-(-side // 2) for side in mask.shape)
    if rows.size == 0:
        return Box(0, 0, width, height)
    traced = Box.between(columns[0] // 2, rows[0] // 2, columns[-1] // 2 + 1, rows[-1] // 2 + 1)
    return traced.grown(3, (width, height))


def _slope(cells: Floats) -> Floats:
    """Return how much the mask changes per cell of its own, two of which are one of `cells`."""
    slope: Floats = np.hypot(*np.gradient(cells))
    slope *= 0.5
    return slope


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
    mean = sums[:3] / (share + TINY)
    variance = np.maximum(sums[3] / (share + TINY) - dot(mean, mean), 0)
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


def dot(a: Floats, b: Floats) -> Floats:
    """Return the scalar product of colors, by channel first."""
    product: Floats = a[0] * b[0]
    product += a[1] * b[1]
    product += a[2] * b[2]
    return product


def planes(colors: NDArray[np.uint8]) -> Floats:
    """Convert colors, uint8 (..., 3), to float32 (3, ...) of 0 to 1."""
    planes: Floats = np.multiply(np.moveaxis(colors, -1, 0), TO_SHARE, order="C")
    return planes


def _cell_positions(
    pixels: NDArray[np.intp], cells_per_pixel: float, part: tuple[int, int]
) -> tuple[NDArray[np.intp], Floats]:
    """Locate pixels on a side of the window in a part of the grid: its first cell and its length.

    Return the cell before each pixel's center, and the way to the next cell, 0 to 1.
    """
    first, count = part
    centers = (pixels + 0.5) * cells_per_pixel - 0.5
    positions = np.clip(centers, first, first + count - 1) - first
    before = positions.astype(np.intp)
    return before, (positions - before).astype(np.float32)
