"""Mask -> alpha at the source's full resolution, computed around the subject only."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from pipeline.errors import NoSubjectFound
from pipeline.image.box import Box
from pipeline.image.strips import SERIAL, Strips

# An alpha below this (4 %) is invisible on any background, so the subject's box ends there.
VISIBLE_ALPHA = 10

# LANCZOS with a = 3 spreads one cell over 3 cells on each side.
_LANCZOS_REACH = 3


@dataclass(frozen=True)
class Matte:
    """The alpha of a cutout.

    `alpha` is uint8 (height, width) of `frame`, the part of the image that the result shows.
    `subject` is the box of the subject itself.
    """

    alpha: NDArray[np.uint8]
    frame: Box
    subject: Box


def upsample_mask(
    mask: NDArray[np.uint8],
    size: tuple[int, int],
    own_alpha: Image.Image | None,
    margin: int | None,
    refine: Callable[[NDArray[np.uint8], Box], None] | None = None,
    strips: Strips = SERIAL,
) -> Matte:
    """Upsample a mask, uint8 (height, width), to an image of `size` (width, height) by LANCZOS.

    `refine(alpha, region)` then changes the alpha of a region in place, and the source's own alpha
    (mode L, of `size`) is multiplied in. The frame is the subject's box plus `margin` pixels, or
    the whole image if `margin` is None.

    Raises NoSubjectFound if nothing of the subject is visible.
    """
    whole = Box(0, 0, *size)
    region = whole if margin is None else _touched_region(mask, size).grown(margin, size)
    alpha = _upsample_region(mask, size, region, strips)
    if not alpha.any():
        _mark_strongest(alpha, mask, size, region)
    if refine is not None:
        refine(alpha, region)
    if own_alpha is not None:
        _multiply(alpha, own_alpha, region, strips)
    # In an image smaller than the mask, averaging may leave no alpha at VISIBLE_ALPHA. The box then
    # encloses the strongest alpha there is.
    threshold = min(VISIBLE_ALPHA, int(alpha.max()))
    if threshold == 0:
        raise NoSubjectFound
    rows = np.flatnonzero(alpha.max(axis=1) >= threshold)
    columns = np.flatnonzero(alpha.max(axis=0) >= threshold)
    subject = Box.between(
        region.left + int(columns[0]),
        region.top + int(rows[0]),
        region.left + int(columns[-1]) + 1,
        region.top + int(rows[-1]) + 1,
    )
    if margin is None:
        return Matte(alpha, whole, subject)
    frame = subject.grown(margin, size)
    top, left = frame.top - region.top, frame.left - region.left
    return Matte(alpha[top : top + frame.height, left : left + frame.width], frame, subject)


def _touched_region(mask: NDArray[np.uint8], size: tuple[int, int]) -> Box:
    """Return the part of the image where the upsampled mask can be above 0."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        raise NoSubjectFound
    left, right = _touched_span(columns, mask.shape[1], size[0])
    top, bottom = _touched_span(rows, mask.shape[0], size[1])
    return Box.between(left, top, right, bottom)


def _touched_span(occupied: NDArray[np.intp], cells: int, pixels: int) -> tuple[int, int]:
    """Return the pixels along one side that the occupied cells can reach, end exclusive."""
    # LANCZOS averages where the image is smaller than the mask, and reaches proportionally further.
    reach = _LANCZOS_REACH * max(1.0, cells / pixels)
    start = math.floor((int(occupied[0]) - reach) * pixels / cells)
    end = math.ceil((int(occupied[-1]) + 1 + reach) * pixels / cells)
    return max(0, start), min(pixels, end)


def _upsample_region(
    mask: NDArray[np.uint8], size: tuple[int, int], region: Box, strips: Strips
) -> NDArray[np.uint8]:
    """Return the pixels of the upsampled mask within a region, without upsampling the rest.

    Between its two passes Pillow rounds, and clips LANCZOS's overshoot, so that swapping them
    changes up to 27/255 at a corner of the mask. For an image larger than the mask, Pillow does the
    horizontal pass first, and so does this function. For others its order varies; there the whole
    mask is resized, which is cheap.
    """
    rows, columns = mask.shape
    image = Image.fromarray(mask)
    left, top, right, _ = region.corners
    if size[0] < columns or size[1] < rows:
        return np.array(image.resize(size, Image.Resampling.LANCZOS).crop(region.corners))
    across = (left * columns / size[0], 0, min(right * columns / size[0], columns), rows)
    wide = image.resize((region.width, rows), Image.Resampling.LANCZOS, box=across)
    alpha = np.empty((region.height, region.width), np.uint8)

    def upsample_strip(first: int, end: int) -> None:
        start_row, end_row = ((top + row) * rows / size[1] for row in (first, end))
        box = (0, start_row, region.width, min(end_row, rows))
        shape = (region.width, end - first)
        alpha[first:end] = np.asarray(wide.resize(shape, Image.Resampling.LANCZOS, box=box))

    strips.for_each(upsample_strip, region.height, region.width)
    return alpha


def _multiply(
    alpha: NDArray[np.uint8], own_alpha: Image.Image, region: Box, strips: Strips
) -> None:
    def multiply_strip(first: int, end: int) -> None:
        left, top, right, _ = region.corners
        own = own_alpha.crop((left, top + first, right, top + end))
        product = ImageChops.multiply(Image.fromarray(alpha[first:end]), own)
        alpha[first:end] = np.asarray(product)

    strips.for_each(multiply_strip, region.height, region.width)


def _mark_strongest(
    alpha: NDArray[np.uint8], mask: NDArray[np.uint8], size: tuple[int, int], region: Box
) -> None:
    """Mark the pixel of the mask's strongest cell: a subject under a pixel is averaged away."""
    row, column = np.unravel_index(mask.argmax(), mask.shape)
    x = int((column + 0.5) * size[0] / mask.shape[1]) - region.left
    y = int((row + 0.5) * size[1] / mask.shape[0]) - region.top
    alpha[y, x] = mask[row, column]
