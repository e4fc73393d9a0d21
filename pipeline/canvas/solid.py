"""A layer whose subject is opaque inside, with smooth edges: `semitransparency=false`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.image.box import Box, Size
from pipeline.image.layer import Layer
from pipeline.image.strips import Strips
from pipeline.mask.connected import label

# Between these, alpha is spread to 0 to 255, so that an edge stays smooth over about a pixel.
_LEAST, _GREATEST = 96, 160
_LEVELS = np.clip(((np.arange(256) - _LEAST) * 255 / (_GREATEST - _LEAST)).round(), 0, 255).astype(
    np.uint8
)

# A cell of at least half belongs to the subject. A fainter one does if the subject encloses it, as
# a window, unless it is next to nothing, as what is seen through a handle.
_SUBJECT, _WINDOW = 128, 32


@dataclass(frozen=True)
class SolidLayer:
    """A layer with no partial alpha inside the subject.

    `inside` is the subject without its edge, in mode L, at the size of the mask. `box` is the
    layer's part of it: left, top, right and bottom in cells.
    """

    cutout: Layer
    inside: Image.Image
    box: tuple[float, float, float, float]

    @property
    def size(self) -> Size:
        """Width and height in pixels."""
        return self.cutout.size

    @property
    def strips(self) -> Strips:
        """Those of the cutout."""
        return self.cutout.strips

    def pixels(self, top: int, bottom: int) -> NDArray[np.uint8]:
        """Return the straight RGBA of rows: uint8 (rows, width, 4).

        A fully transparent pixel may have any color.
        """
        pixels = self.cutout.pixels(top, bottom)
        pixels[..., 3] = self._solid(pixels[..., 3], top, bottom)
        return pixels

    def alpha(self, top: int, bottom: int) -> NDArray[np.uint8]:
        """Return the alpha of rows: uint8 (rows, width)."""
        return self._solid(self.cutout.alpha(top, bottom), top, bottom)

    def _solid(self, alpha: NDArray[np.uint8], top: int, bottom: int) -> NDArray[np.uint8]:
        left, first, right, end = self.box
        width, height = self.size
        rows = (end - first) / height
        box = (left, first + top * rows, right, min(end, first + bottom * rows))
        inside = self.inside.resize((width, bottom - top), Image.Resampling.BILINEAR, box)
        solid = (np.asarray(inside) == 255) & (alpha > 0)
        return np.where(solid, np.uint8(255), _LEVELS[alpha])


def make_solid(layer: Layer, mask: NDArray[np.uint8], source: Size, frame: Box) -> SolidLayer:
    """Return a layer that shows a part `frame` of a source of a size, with a solid subject.

    `mask` is uint8 (height, width) of the whole source.
    """
    rows, columns = mask.shape
    across, down = columns / source[0], rows / source[1]
    left, top, right, bottom = frame.corners
    box = (left * across, top * down, right * across, bottom * down)
    return SolidLayer(layer, Image.fromarray(find_inside(mask)), box)


def find_inside(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the cells inside the subject, without those at its edge: uint8 (height, width).

    A cell is 255 if it and its eight neighbors belong to the subject, else 0.
    """
    is_subject = mask >= _SUBJECT
    around, _ = label(np.pad(~is_subject, 1, constant_values=True))
    is_enclosed = (around != around[0, 0])[1:-1, 1:-1] & ~is_subject
    belongs = np.pad(is_subject | (is_enclosed & (mask >= _WINDOW)), 1, mode="edge")
    rows, columns = mask.shape
    inside = np.ones(mask.shape, bool)
    for down in range(3):
        for across in range(3):
            inside &= belongs[down : down + rows, across : across + columns]
    return inside.astype(np.uint8) * np.uint8(255)
