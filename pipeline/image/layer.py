"""The cutout before it has a background and a format: its colors and its alpha, strip by strip."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.image.box import Box
from pipeline.image.source_image import SourceImage
from pipeline.image.strips import Strips

# Renders alpha: `render(box, colors)` returns uint8 (height, width) of a box of the image. If it
# is given the image's colors there, uint8 (height, width, 4), it may clean them in place. Their
# fourth channel has no meaning.
Render = Callable[[Box, NDArray[np.uint8] | None], NDArray[np.uint8]]


class Layer(Protocol):
    """Rows of a cutout, which several threads may ask for at the same time."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        ...

    @property
    def strips(self) -> Strips:
        """Divides the rows into strips that bound the memory of rendering them."""
        ...

    def pixels(self, top: int, bottom: int) -> NDArray[np.uint8]:
        """Return the straight RGBA of rows: uint8 (rows, width, 4), which the caller may change.

        A fully transparent pixel may have any color.
        """
        ...

    def alpha(self, top: int, bottom: int) -> NDArray[np.uint8]:
        """Return the alpha of rows: uint8 (rows, width)."""
        ...


@dataclass(frozen=True)
class FrameLayer:
    """The part `frame` of an image, pixel by pixel, with the alpha that `render` returns."""

    image: SourceImage
    render: Render
    frame: Box

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.frame.width, self.frame.height

    @property
    def strips(self) -> Strips:
        """Those of the image."""
        return self.image.strips

    def pixels(self, top: int, bottom: int) -> NDArray[np.uint8]:
        """Return the straight RGBA of rows. Transparent pixels keep their color."""
        box = self._rows(top, bottom)
        pixels = self.image.rgbx(box.corners)
        pixels[..., 3] = self.render(box, pixels)
        return pixels

    def alpha(self, top: int, bottom: int) -> NDArray[np.uint8]:
        """Return the alpha of rows: uint8 (rows, width)."""
        return self.render(self._rows(top, bottom), None)

    def _rows(self, top: int, bottom: int) -> Box:
        return Box(self.frame.left, self.frame.top + top, self.frame.width, bottom - top)
