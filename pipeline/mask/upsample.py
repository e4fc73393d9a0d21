"""Mask -> alpha of any region at the source's full resolution."""

import math

import numpy as np
from cykooz_resizer import CropBox, FilterType, ResizeAlg, ResizeOptions, Resizer
from numpy.typing import NDArray
from PIL import Image

from pipeline.image.box import Box

# LANCZOS with a = 3 spreads one cell over 3 cells on each side. Midway between two cells, where its
# positive weights are greatest, they add up to 1.27 in each direction.
_LANCZOS_REACH = 3
_LANCZOS_GAIN = 1.27**2
_LANCZOS = ResizeAlg.convolution(FilterType.lanczos3)


class Upsampler:
    """A mask at the size of the window of an image that it shows, by LANCZOS, region by region."""

    def __init__(self, mask: NDArray[np.uint8], window: Box, exact: bool) -> None:
        """Upsample `mask`, uint8 (height, width) with a cell above 0, to `window`.

        `window` is in pixels of the image; outside of it, alpha is 0. With `exact` the values are
        Pillow's, and so rembg's. Otherwise a SIMD resizer computes them in a seventh of the time:
        one in 300 differs, by 1.
        """
        self._exact = exact
        self._mask, self._window = mask, window
        self._rows, columns = mask.shape
        self._whole: NDArray[np.uint8] | None = None
        size = window.width, window.height
        image = Image.fromarray(mask)
        if size[0] < columns or size[1] < self._rows:
            # The mask is reduced on a side, which is cheap. Pillow's order of passes varies.
            self._whole = np.array(image.resize(size, Image.Resampling.LANCZOS))
            if not self._whole.any():
                _mark_strongest(self._whole, mask)
        elif exact:
            self._wide = image.resize((size[0], self._rows), Image.Resampling.LANCZOS)
        else:
            self._wide = Image.new("L", (size[0], self._rows))
            Resizer().resize_pil(image, self._wide, ResizeOptions(_LANCZOS))

    @property
    def peak(self) -> int:
        """The greatest alpha: below 255 only in an image smaller than the mask."""
        return 255 if self._whole is None else int(self._whole.max())

    def bounds(self, least: int = 1) -> Box:
        """Return a box of the image with every alpha of at least `least`, 1 to 255.

        It is empty if there is none.
        """
        occupied = self._mask >= max(1, int(least / _LANCZOS_GAIN))
        rows, columns = np.flatnonzero(occupied.any(axis=1)), np.flatnonzero(occupied.any(axis=0))
        if rows.size == 0:
            return Box(self._window.left, self._window.top, 0, 0)
        left, right = _touched_span(columns, self._mask.shape[1], self._window.width)
        top, bottom = _touched_span(rows, self._rows, self._window.height)
        return Box(self._window.left + left, self._window.top + top, right - left, bottom - top)

    def region(self, box: Box) -> NDArray[np.uint8]:
        """Return the alpha of a region of the image: uint8 (height, width)."""
        inner = box.within(self._window)
        if inner == box:
            return self._inside(box)
        alpha = np.zeros((box.height, box.width), np.uint8)
        if inner.width and inner.height:
            left, top, right, bottom = inner.relative_to(box).corners
            alpha[top:bottom, left:right] = self._inside(inner)
        return alpha

    def _inside(self, box: Box) -> NDArray[np.uint8]:
        """Return the alpha of a region of the window."""
        left, top, right, bottom = box.relative_to(self._window).corners
        if self._whole is not None:
            return self._whole[top:bottom, left:right].copy()
        columns = self._wide.crop((left, 0, right, self._rows))
        start, end = (row * self._rows / self._window.height for row in (top, bottom))
        end = min(end, self._rows)
        if self._exact:
            across = (0, start, box.width, end)
            size = (box.width, box.height)
            return np.array(columns.resize(size, Image.Resampling.LANCZOS, box=across))
        alpha = Image.new("L", (box.width, box.height))
        crop = CropBox(0, start, box.width, end - start)
        Resizer().resize_pil(columns, alpha, ResizeOptions(_LANCZOS, crop_box=crop))
        return np.array(alpha)


def _touched_span(occupied: NDArray[np.intp], cells: int, pixels: int) -> tuple[int, int]:
    """Return the pixels along one side that the occupied cells can reach, end exclusive."""
    # LANCZOS averages where the image is smaller than the mask, and reaches proportionally further.
    reach = _LANCZOS_REACH * max(1.0, cells / pixels)
    start = math.floor((int(occupied[0]) - reach) * pixels / cells)
    end = math.ceil((int(occupied[-1]) + 1 + reach) * pixels / cells)
    return max(0, start), min(pixels, end)


def _mark_strongest(alpha: NDArray[np.uint8], mask: NDArray[np.uint8]) -> None:
    """Mark the pixel of the mask's strongest cell: a subject under a pixel is averaged away."""
    row, column = np.unravel_index(mask.argmax(), mask.shape)
    y = int((row + 0.5) * alpha.shape[0] / mask.shape[0])
    x = int((column + 0.5) * alpha.shape[1] / mask.shape[1])
    alpha[y, x] = mask[row, column]
