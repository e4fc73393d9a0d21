"""An image behind the cutout: it covers the canvas, centered, and what does not fit is cut off."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.image.box import Size
from pipeline.image.decode import decode
from pipeline.image.heif.decoder import HeifDecoder
from pipeline.image.source_image import SourceImage
from pipeline.image.strips import Strips

# A backdrop stays in memory while the subject's image is decoded. 6 megapixels are 24 MB, and keep
# the peak within the memory bound. On a larger canvas the backdrop is enlarged.
MAX_PIXELS = 6_000_000
_BYTES_PER_PIXEL = 4  # Pillow's mode RGB

# As many pixels as the canvas has would do if both had the same ratio of the sides. If the ratios
# differ by a factor of four, this many are seen one to one.
_PIXELS_PER_CANVAS = 4


@dataclass(frozen=True)
class Backdrop:
    """A background image in mode RGB and sRGB."""

    image: Image.Image

    @property
    def size_in_bytes(self) -> int:
        """The memory that it takes."""
        return _BYTES_PER_PIXEL * self.image.width * self.image.height

    def rows(self, canvas: Size, top: int, bottom: int) -> NDArray[np.uint8]:
        """Return rows of a canvas (width, height) that it covers: uint8 (rows, width, 3)."""
        width, height = self.image.size
        scale = max(canvas[0] / width, canvas[1] / height)
        left = (width - canvas[0] / scale) / 2
        above = (height - canvas[1] / scale) / 2
        box = (
            max(0.0, left),
            max(0.0, above + top / scale),
            min(float(width), left + canvas[0] / scale),
            min(float(height), above + bottom / scale),
        )
        size = (canvas[0], bottom - top)
        return np.asarray(self.image.resize(size, Image.Resampling.BICUBIC, box))


def read_backdrop(
    data: bytes,
    canvas_pixels: int,
    max_pixels: int,
    claim: Callable[[int], Strips],
    heif: HeifDecoder | None = None,
) -> Backdrop:
    """Decode a background image, and reduce it to what a canvas of `canvas_pixels` may need.

    Its own transparency is filled with white. Raises what `decode` raises.
    """
    image = decode(data, max_pixels, claim, heif=heif)
    width, height = image.size
    kept = min(MAX_PIXELS, _PIXELS_PER_CANVAS * canvas_pixels)
    scale = min(1.0, math.sqrt(kept / (width * height)))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return Backdrop(_on_white(image, image.rgb() if scale == 1.0 else image.reduced(size)))


def _on_white(image: SourceImage, reduced: Image.Image) -> Image.Image:
    if image.alpha is None:
        return reduced
    white = Image.new("RGB", reduced.size, "white")
    white.paste(reduced, mask=image.alpha.resize(reduced.size))
    return white
