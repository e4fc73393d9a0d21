"""Subject -> alpha at the picture's full resolution, for the subject's surroundings alone."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from pipeline.errors import NoSubjectFound

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
    """`alpha`: mode L, the size of `frame`. `frame`: what the answer shows. `subject`: the subject's own box."""

    alpha: Image.Image
    frame: Box
    subject: Box


def enlarge(mask: NDArray[np.uint8], size: tuple[int, int], own_alpha: Image.Image | None, margin: int | None) -> Matte:
    """Enlarge a mask, uint8 (height, width), to a picture of `size` (width, height) as rembg does, by LANCZOS.

    `own_alpha` (mode L, of `size`) is multiplied in. The frame is the subject's box with `margin` pixels around it, or the whole
    picture if `margin` is None. Raises NoSubjectFound if nothing of the subject is visible.
    """
    whole = Box(0, 0, *size)
    region = whole if margin is None else _surroundings(mask, size).grown(margin, size)
    alpha = _enlarge_region(mask, size, region)
    if not alpha.getbbox():
        _mark_strongest(alpha, mask, size, region)
    if own_alpha is not None:
        alpha = ImageChops.multiply(alpha, own_alpha.crop(region.corners))
    # A subject of a few cells in a picture smaller than the mask may be averaged down to less: then its strongest trace counts.
    least = min(VISIBLE_ALPHA, int(alpha.getextrema()[1]))  # type: ignore[arg-type]
    bounds = alpha.point([0] * least + [255] * (256 - least)).getbbox() if least else None
    if bounds is None:
        raise NoSubjectFound
    left, top, right, bottom = bounds
    subject = Box.between(region.left + left, region.top + top, region.left + right, region.top + bottom)
    if margin is None:
        return Matte(alpha, whole, subject)
    frame = subject.grown(margin, size)
    inside = (frame.left - region.left, frame.top - region.top)
    return Matte(alpha.crop((*inside, inside[0] + frame.width, inside[1] + frame.height)), frame, subject)


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


def _enlarge_region(mask: NDArray[np.uint8], size: tuple[int, int], region: Box) -> Image.Image:
    """The same pixels as enlarging the whole mask and cropping it, for the cost of the region.

    Between its two passes Pillow rounds and clips LANCZOS's overshoot, so their order shows by up to 27/255 at a corner of the
    mask. For a picture larger than the mask the whole takes columns first; for others the order varies, and the whole is cheap.
    """
    rows, columns = mask.shape
    image = Image.fromarray(mask)
    left, top, right, bottom = region.corners
    if size[0] < columns or size[1] < rows:
        return image.resize(size, Image.Resampling.LANCZOS).crop(region.corners)
    across = (left * columns / size[0], 0, min(right * columns / size[0], columns), rows)
    wide = image.resize((region.width, rows), Image.Resampling.LANCZOS, box=across)
    down = (0, top * rows / size[1], region.width, min(bottom * rows / size[1], rows))
    return wide.resize((region.width, region.height), Image.Resampling.LANCZOS, box=down)


def _mark_strongest(alpha: Image.Image, mask: NDArray[np.uint8], size: tuple[int, int], region: Box) -> None:
    """A subject much smaller than a pixel is averaged away: the pixel that holds its strongest cell stands for it."""
    row, column = np.unravel_index(mask.argmax(), mask.shape)
    x = int((column + 0.5) * size[0] / mask.shape[1]) - region.left
    y = int((row + 0.5) * size[1] / mask.shape[0]) - region.top
    alpha.putpixel((x, y), int(mask[row, column]))
