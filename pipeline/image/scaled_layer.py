"""Scales a layer by LANCZOS, with premultiplied alpha, strip by strip.

Averaged colors must count by their alpha, or the removed background would show at the edges. A SIMD
resizer takes a sixth of Pillow's time, and is as close to exact arithmetic.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from cykooz_resizer import AlphaMulDiv, CropBox, FilterType, ResizeAlg, ResizeOptions, Resizer
from numpy.typing import NDArray
from PIL import Image

from pipeline.image.box import Box
from pipeline.image.layer import FrameLayer, Layer, Render
from pipeline.image.source_image import SourceImage
from pipeline.image.strips import SERIAL, Strips

# LANCZOS with a = 3 reaches 3 pixels of the result to each side.
_REACH = 3
_LANCZOS = ResizeAlg.convolution(FilterType.lanczos3)


@dataclass(frozen=True)
class ScaledLayer:
    """The part `crop` of a layer at another size.

    `crop` are left, top, right and bottom in pixels of `source`, which need not be whole. `size` is
    the width and height of the result, in pixels.
    """

    source: Layer
    crop: tuple[float, float, float, float]
    size: tuple[int, int]

    @property
    def strips(self) -> Strips:
        """Strips whose rows, at the source's height, are as many pixels as others have."""
        return self.source.strips.smaller(max(1.0, self._scale))

    def pixels(self, top: int, bottom: int) -> NDArray[np.uint8]:
        """Return the straight RGBA of rows: uint8 (rows, width, 4).

        A fully transparent pixel is black.
        """
        convert = AlphaMulDiv()

        def premultiplied(first: int, end: int) -> Image.Image:
            rows = Image.fromarray(self.source.pixels(first, end))
            convert.multiply_alpha_pil_inplace(rows)
            return rows

        scaled = self._scaled(premultiplied, "RGBa", top, bottom)
        return np.array(convert.divide_alpha_pil(scaled))

    def alpha(self, top: int, bottom: int) -> NDArray[np.uint8]:
        """Return the alpha of rows: uint8 (rows, width)."""

        def alpha(first: int, end: int) -> Image.Image:
            return Image.fromarray(self.source.alpha(first, end))

        return np.asarray(self._scaled(alpha, "L", top, bottom))

    @property
    def _scale(self) -> float:
        """The rows of the source per row of the result."""
        return (self.crop[3] - self.crop[1]) / self.size[1]

    def _scaled(
        self, rows: Callable[[int, int], Image.Image], mode: str, top: int, bottom: int
    ) -> Image.Image:
        """Return rows of the result from `rows(first, end)` of the source, both in `mode`.

        The source's rows become narrower a few at a time, and then lower together. A strip includes
        all rows that its own depend on, so that seams do not show: the resizer rounds its weights
        by the largest of a call, so one sample in a thousand depends on the strip, by 1.
        """
        width, height = self.source.size
        left, upper, right, _ = self.crop
        start, stop = (upper + row * self._scale for row in (top, bottom))
        reach = _REACH * max(1.0, self._scale) + 1
        first, end = max(0, math.floor(start - reach)), min(height, math.ceil(stop + reach))
        narrow = Image.new(mode, (self.size[0], end - first))

        def narrow_strip(begin: int, until: int) -> None:
            wide = rows(first + begin, first + until)
            part = Image.new(mode, (self.size[0], wide.height))
            crop = CropBox(left, 0, right - left, wide.height)
            Resizer().resize_pil(
                wide, part, ResizeOptions(_LANCZOS, crop_box=crop, use_alpha=False)
            )
            narrow.paste(part, (0, begin))

        SERIAL.for_each(narrow_strip, end - first, width)
        low = Image.new(mode, (self.size[0], bottom - top))
        crop = CropBox(0, start - first, self.size[0], min(stop, height) - start)
        Resizer().resize_pil(narrow, low, ResizeOptions(_LANCZOS, crop_box=crop, use_alpha=False))
        return low


def frame_at(image: SourceImage, render: Render, frame: Box, size: tuple[int, int]) -> Layer:
    """Return the part `frame` of an image, in pixels of its source, at `size` (width, height)."""
    corners = image.scale.to_decoded(frame)
    decoded = Box.around(corners)
    layer = FrameLayer(image, render, decoded)
    if image.reduction is None and layer.size == size:
        return layer
    left, top, right, bottom = corners
    crop = (left - decoded.left, top - decoded.top, right - decoded.left, bottom - decoded.top)
    return ScaledLayer(layer, crop, size)
