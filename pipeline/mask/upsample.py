"""Subject -> alpha at the picture's full resolution, for the subject's surroundings alone."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from pipeline.errors import NoSubjectFound
from pipeline.image.strips import SERIAL, Strips

# An alpha below this (4 %) cannot be seen on any background; the subject's box ends there.
VISIBLE_ALPHA = 10

_LANCZOS_REACH = 3  # cells on each side that LANCZOS with a = 3 spreads one cell over


@dataclass(frozen=True)
class Box:
    """A rectangle of the upright source picture, in pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def corners(self) -> tuple[int, int, int, int]:
        """Left, top, and the first column and row beyond: Pillow's form."""
        return self.left, self.top, self.left + self.width, self.top + self.height

    def grown(self, margin: int, size: tuple[int, int]) -> "Box":
        """This box with `margin` pixels more on each side, never past a picture of `size` (width, height)."""
        left, top, right, bottom = self.corners
        return Box.between(max(0, left - margin), max(0, top - margin), min(size[0], right + margin), min(size[1], bottom + margin))

    @staticmethod
    def between(left: int, top: int, right: int, bottom: int) -> "Box":
        """The box from (left, top) up to, without, (right, bottom)."""
        return Box(left, top, right - left, bottom - top)


@dataclass(frozen=True)
class Matte:
    """`alpha`: uint8 (height, width) of `frame`. `frame`: what the answer shows. `subject`: the subject's own box."""

    alpha: NDArray[np.uint8]
    frame: Box
    subject: Box


def enlarge(
    mask: NDArray[np.uint8],
    size: tuple[int, int],
    own_alpha: Image.Image | None,
    margin: int | None,
    sharpen: Callable[[NDArray[np.uint8], Box], None] | None = None,
    strips: Strips = SERIAL,
) -> Matte:
    """Enlarge a mask, uint8 (height, width), to a picture of `size` (width, height) as rembg does, by LANCZOS.

    `sharpen` then changes, in place, the alpha of a region; `own_alpha` (mode L, of `size`) is multiplied in. The frame is the
    subject's box with `margin` pixels around it, or the whole picture if `margin` is None. Raises NoSubjectFound if nothing of the
    subject is visible.
    """
    whole = Box(0, 0, *size)
    region = whole if margin is None else _surroundings(mask, size).grown(margin, size)
    alpha = _enlarge_region(mask, size, region, strips)
    if not alpha.any():
        _mark_strongest(alpha, mask, size, region)
    if sharpen is not None:
        sharpen(alpha, region)
    if own_alpha is not None:
        _multiply(alpha, own_alpha, region, strips)
    # A subject of a few cells in a picture smaller than the mask may be averaged down to less: then its strongest trace counts.
    least = min(VISIBLE_ALPHA, int(alpha.max()))
    if least == 0:
        raise NoSubjectFound
    rows, columns = np.flatnonzero(alpha.max(axis=1) >= least), np.flatnonzero(alpha.max(axis=0) >= least)
    left, top = region.left + int(columns[0]), region.top + int(rows[0])
    subject = Box.between(left, top, region.left + int(columns[-1]) + 1, region.top + int(rows[-1]) + 1)
    if margin is None:
        return Matte(alpha, whole, subject)
    frame = subject.grown(margin, size)
    first_row, first_column = frame.top - region.top, frame.left - region.left
    return Matte(alpha[first_row : first_row + frame.height, first_column : first_column + frame.width], frame, subject)


def _surroundings(mask: NDArray[np.uint8], size: tuple[int, int]) -> Box:
    """The part of the picture that an enlarged mask above 0 can touch."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        raise NoSubjectFound
    (first_row, last_row), (first_column, last_column) = rows[[0, -1]], columns[[0, -1]]
    spans = []
    for first, last, cells, pixels in (
        (first_column, last_column, mask.shape[1], size[0]),
        (first_row, last_row, mask.shape[0], size[1]),
    ):
        # Where the picture is smaller than the mask, LANCZOS averages and reaches further, in proportion.
        reach = _LANCZOS_REACH * max(1.0, cells / pixels)
        start = math.floor((first - reach) * pixels / cells)
        end = math.ceil((last + 1 + reach) * pixels / cells)
        spans.append((max(0, start), min(pixels, end)))
    (left, right), (top, bottom) = spans
    return Box.between(left, top, right, bottom)


def _enlarge_region(mask: NDArray[np.uint8], size: tuple[int, int], region: Box, strips: Strips) -> NDArray[np.uint8]:
    """The same pixels as enlarging the whole mask and cropping it, for the cost of the region.

    Between its two passes Pillow rounds and clips LANCZOS's overshoot, so their order shows by up to 27/255 at a corner of the
    mask. For a picture larger than the mask the whole takes columns first; for others the order varies, and the whole is cheap.
    """
    rows, columns = mask.shape
    image = Image.fromarray(mask)
    left, top, right, _ = region.corners
    if size[0] < columns or size[1] < rows:
        return np.array(image.resize(size, Image.Resampling.LANCZOS).crop(region.corners))
    across = (left * columns / size[0], 0, min(right * columns / size[0], columns), rows)
    wide = image.resize((region.width, rows), Image.Resampling.LANCZOS, box=across)
    alpha = np.empty((region.height, region.width), np.uint8)

    def down(first: int, end: int) -> None:
        box = (0, (top + first) * rows / size[1], region.width, min((top + end) * rows / size[1], rows))
        alpha[first:end] = np.asarray(wide.resize((region.width, end - first), Image.Resampling.LANCZOS, box=box))

    strips.for_each(down, region.height, region.width)
    return alpha


def _multiply(alpha: NDArray[np.uint8], own_alpha: Image.Image, region: Box, strips: Strips) -> None:
    def multiply(first: int, end: int) -> None:
        left, top, right, _ = region.corners
        own = own_alpha.crop((left, top + first, right, top + end))
        alpha[first:end] = np.asarray(ImageChops.multiply(Image.fromarray(alpha[first:end]), own))

    strips.for_each(multiply, region.height, region.width)


def _mark_strongest(alpha: NDArray[np.uint8], mask: NDArray[np.uint8], size: tuple[int, int], region: Box) -> None:
    """A subject much smaller than a pixel is averaged away: the pixel that holds its strongest cell stands for it."""
    row, column = np.unravel_index(mask.argmax(), mask.shape)
    x = int((column + 0.5) * size[0] / mask.shape[1]) - region.left
    y = int((row + 0.5) * size[1] / mask.shape[0]) - region.top
    alpha[y, x] = mask[row, column]
