"""A soft mask's edge, sharpened by the picture itself: the alpha and the foreground's colour where the mask is unsure.

The model sees a few hundred pixels a side, so its edge is several of the picture's pixels wide, wherever the true one runs inside.
Around every point of it lie cells that the mask is sure of. Their mean colours, F of the foreground and B of the background, make
the compositing equation, I = alpha F + (1 - alpha) B, one that can be solved for alpha at each pixel I, by projection on the line
from B to F (Ruzon and Tomasi, Alpha Estimation in Natural Images, 2000). Where F and B are not told apart by more than they vary,
the mask's own word counts instead.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from pipeline.image.source_image import Picture
from pipeline.mask.upsample import Box

# Below and above, the mask is sure (4 % and 96 % of 255): none of it is seen, or nothing is seen through it.
SURE_BACKGROUND, SURE_FOREGROUND = 10, 245

# The figures below were chosen on people, products and fur with true mattes (`make quality`); each has a wide optimum.
_LEAST_FOREGROUND, _GREATEST_BACKGROUND = 0.85, 0.15  # what a cell's mask must be to lend its colour
_REACH = 1 / 40  # of the mask's side: how far colours are looked for, past the mask's own blur
_NOISE = 0.02  # squared distance, colours from 0 to 1, below which F and B are the same
_VARIANCE_WEIGHT = 3.5
_RESIDUAL_WEIGHT = 3.0  # a colour that is no mixture of F and B speaks against both
_MASK_CENTRE, _MASK_WIDTH = 0.6, 0.5  # where the mask alone decides: it is half there, and sure half this width further
_NARROWEST = 0.4  # the final contrast: where the mask decides, 0.3 to 0.7 becomes 0 to 1; where the colours do, 0.1 to 0.9

_ENOUGH_CELLS = 1 / 30  # the share of the cells within reach that must be sure, on either side
_TINY = np.float32(1e-6)

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Surroundings:
    """What the sure colours around each cell of a coarse grid say. The last row and column of each field are there twice.

    `mixture`: float32 (6, rows + 1, columns + 1), which makes the alpha of a colour I and a mask m: the three factors of I's
    channels, what is added, the weight of m, and how well F and B are known. `colours`: float32, of the same shape: F and B, red,
    green and blue of 0 to 1 each. `size`: width and height of the picture, in pixels.
    """

    mixture: Floats
    colours: Floats
    size: tuple[int, int]

    def at(self, fields: Floats, corner: tuple[int, int], rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Floats:
        """`mixture` or `colours` at pixels of the picture, between the cells: float32 (6, pixels).

        `rows` and `columns` count from `corner`, (left, top).
        """
        _, cells_down, cells_across = fields.shape
        row, down = _places(corner[1], int(rows[-1]) + 1, cells_down - 1, self.size[1])
        column, along = _places(corner[0], int(columns.max()) + 1, cells_across - 1, self.size[0])
        lines = (fields[:, row] + (fields[:, row + 1] - fields[:, row]) * down[:, np.newaxis]).reshape(len(fields), -1)
        before = rows * cells_across + column[columns]
        found: Floats = lines.take(before, axis=1)
        found += (lines.take(before + 1, axis=1) - found) * along[columns]
        return found


def surroundings(mask: NDArray[np.uint8], small: Image.Image, size: tuple[int, int]) -> Surroundings:
    """Look for the sure colours on a grid of half the mask's resolution; they change slowly.

    `mask` is uint8 (height, width), `small` the RGB picture at that size, `size` the full picture's.
    """
    cells = np.asarray(Image.fromarray(mask).reduce(2), dtype=np.float32)[..., np.newaxis] / 255
    colours = np.asarray(small.reduce(2), dtype=np.float32) / 255
    sure_foreground = np.clip((cells - _LEAST_FOREGROUND) / (1 - _LEAST_FOREGROUND), 0, 1)
    sure_background = np.clip((_GREATEST_BACKGROUND - cells) / _GREATEST_BACKGROUND, 0, 1)
    reach = max(1, round(_REACH * max(cells.shape)))
    foreground, variance, known = _around(colours, sure_foreground, reach)
    background, other_variance, other_known = _around(colours, sure_background, reach)
    difference = foreground - background
    distance = (difference * difference).sum(axis=2, keepdims=True)
    mixed = ((colours - background) * difference).sum(axis=2, keepdims=True) / (distance + _TINY)
    residual = colours - background - np.clip(mixed, 0, 1) * difference
    strangeness = (residual * residual).sum(axis=2, keepdims=True)
    doubt = _NOISE + _VARIANCE_WEIGHT * (variance + other_variance + _RESIDUAL_WEIGHT * strangeness)
    known = np.minimum(known, other_known)
    doubt /= np.maximum(known, 1e-3)
    evidence = distance + doubt
    factors = difference / evidence
    offset = -(factors * background).sum(axis=2, keepdims=True)
    mixture = np.concatenate((factors, offset, doubt / evidence, known), axis=2)
    mean_colours = np.concatenate((foreground, background), axis=2)
    return Surroundings(_padded(mixture), _padded(mean_colours), size)


def _padded(fields: Floats) -> Floats:
    """(rows, columns, n) -> float32 (n, rows + 1, columns + 1)."""
    return np.pad(fields.astype(np.float32), ((0, 1), (0, 1), (0, 0)), mode="edge").transpose(2, 0, 1).copy()


def sharpen(alpha: NDArray[np.uint8], region: Box, picture: Picture, around: Surroundings) -> None:
    """Decide the unsure pixels of `alpha`, uint8 (height, width), the enlarged mask of a region of the picture, in place."""

    def sharpen_strip(first: int, end: int) -> None:
        band = alpha[first:end]
        unsure = _between(band, SURE_BACKGROUND, SURE_FOREGROUND)
        if unsure.size:
            rows, columns = np.divmod(unsure, region.width)
            left, right = int(columns.min()), int(columns.max()) + 1
            columns -= left
            corner = region.left + left, region.top + first
            colours = np.asarray(picture.rgb((*corner, region.left + right, region.top + end)))
            pixels = colours.reshape(-1, 3).take(rows * (right - left) + columns, axis=0)
            decided = _decided(band.take(unsure), pixels, around.at(around.mixture, corner, rows, columns))
        np.multiply(band > 127, np.uint8(255), out=band)
        if unsure.size:
            band.reshape(-1)[unsure] = decided

    if alpha.max() > SURE_BACKGROUND:  # else it is a trace, in a picture much smaller than the mask, and all there is
        picture.strips.for_each(sharpen_strip, region.height, region.width)


def clean(colours: NDArray[np.uint8], alpha: NDArray[np.uint8], corner: tuple[int, int], around: Surroundings) -> None:
    """Take the background's share out of `colours` where `alpha`, uint8 (height, width), is partial, in place.

    `colours` is uint8 (height, width, 3 or more), a part of the picture whose (left, top) is `corner`. What remains is F, the mean
    of the foreground nearby, as far as the pixel asks: F + alpha (I - alpha F - (1 - alpha) B) (Forte and Pitié, Approximate Fast
    Foreground Colour Estimation, 2021).
    """
    partial = _between(alpha, 0, 255)
    if partial.size:
        fields = around.at(around.colours, corner, *np.divmod(partial, alpha.shape[1]))
        foreground, background = fields[:3], fields[3:]
        share = alpha.take(partial) * np.float32(1 / 255)
        flat = colours.reshape(-1, colours.shape[2])
        own = foreground + share * (_floats(flat.take(partial, axis=0)) - share * foreground - (1 - share) * background)
        flat[partial, :3] = (np.clip(own, 0, 1) * 255 + 0.5).T


def _between(values: NDArray[np.uint8], low: int, high: int) -> NDArray[np.intp]:
    """Where in the flattened array values are over `low` and under `high`: the difference of those too small wraps around."""
    return np.flatnonzero(values - np.uint8(low + 1) < high - low - 1)


def _decided(alpha: NDArray[np.uint8], colours: NDArray[np.uint8], mixture: Floats) -> NDArray[np.uint8]:
    """The alpha of pixels, uint8 (pixels,), from the mask's, their colours, uint8 (pixels, 3), and what is around them."""
    *factors, offset, weight, known = mixture
    mask = alpha * np.float32(1 / 255)
    of_mask = (mask - _MASK_CENTRE) / _MASK_WIDTH + 0.5
    red, green, blue = _floats(colours)
    mixed = np.clip(red * factors[0] + green * factors[1] + blue * factors[2] + offset + weight * of_mask, 0, 1)
    width = _NARROWEST * (1 + np.sqrt(1 - weight))
    sharp = np.clip((mixed - 0.5) / width + 0.5, 0, 1)
    # What no sure foreground is near is thin: a strap, or hair, of which the mask's trace is all there is.
    decided: NDArray[np.uint8] = ((mask + known * (sharp - mask)) * 255 + 0.5).astype(np.uint8)
    return decided


def _around(colours: Floats, weights: Floats, reach: int) -> tuple[Floats, Floats, Floats]:
    """The weighted mean colour within `reach` cells, its variance (of the three channels together), and how well both are known.

    Where there is next to nothing to take a mean of, it is the cell's own colour.
    """
    squares = (colours * colours).sum(axis=2, keepdims=True)
    channels = np.concatenate((colours * weights, squares * weights, weights), axis=2)
    window = 2 * reach + 1
    sums = ndimage.uniform_filter(channels, (window, window, 1))
    share = sums[..., 4:]
    mean = sums[..., :3] / (share + _TINY)
    variance = np.maximum(sums[..., 3:4] / (share + _TINY) - (mean * mean).sum(axis=2, keepdims=True), 0)
    known = np.clip(share / _ENOUGH_CELLS, 0, 1)
    return colours + (mean - colours) * known, variance, known


def _floats(colours: NDArray[np.uint8]) -> Floats:
    """Colours, uint8 (pixels, 3 or more), by channel, 0 to 1: float32 (3, pixels)."""
    floats: Floats = np.multiply(colours[:, :3].T, np.float32(1 / 255), order="C")
    return floats


def _places(first: int, count: int, cells: int, length: int) -> tuple[NDArray[np.intp], Floats]:
    """Of `count` pixels from `first` on, along a side of `length`: the cell before each, and how far it is to the next, 0 to 1."""
    places = np.clip((np.arange(first, first + count) + 0.5) * (cells / length) - 0.5, 0, cells - 1)
    before = places.astype(np.intp)
    return before, (places - before).astype(np.float32)
