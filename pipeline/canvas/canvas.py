"""The cutout in its place, over its shadow and its background, strip by strip."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.canvas.backdrop import Backdrop
from pipeline.canvas.layout import Layout
from pipeline.canvas.plan import RGBA, TRANSPARENT
from pipeline.canvas.shadow import SoftShadow
from pipeline.image.box import Size
from pipeline.image.compose import lay_over
from pipeline.image.layer import Layer
from pipeline.image.strips import Strips


@dataclass(frozen=True)
class Canvas:
    """A layer with the cutout at its place, and with what is behind it.

    The cutout has the size of its place.
    """

    cutout: Layer
    layout: Layout
    shadow: SoftShadow | None = None
    color: RGBA = TRANSPARENT
    backdrop: Backdrop | None = None

    @property
    def size(self) -> Size:
        """Width and height in pixels."""
        return self.layout.canvas

    @property
    def strips(self) -> Strips:
        """Those of the cutout."""
        return self.cutout.strips

    @property
    def is_opaque(self) -> bool:
        """Whether the background leaves nothing transparent."""
        return self.backdrop is not None or self.color[3] == 255

    def pixels(self, top: int, bottom: int) -> NDArray[np.uint8]:
        """Return the straight RGBA of rows: uint8 (rows, width, 4).

        A fully transparent pixel is black.
        """
        pixels = self._cutout(top, bottom)
        if self.shadow is not None:
            black = np.zeros_like(pixels)
            black[..., 3] = self.shadow.rows(self.size, top, bottom)
            laid = Image.alpha_composite(Image.fromarray(black), Image.fromarray(pixels))
            pixels = np.array(laid)
        if self.backdrop is not None:
            behind = Image.fromarray(self.backdrop.rows(self.size, top, bottom))
            cutout = Image.fromarray(pixels)
            behind.paste(cutout, mask=cutout)
        elif self.color[3] == 255:
            behind = Image.fromarray(lay_over(pixels, self.color))
        else:
            return lay_over(pixels, self.color)
        return np.array(behind.convert("RGBA"))

    def alpha(self, top: int, bottom: int) -> NDArray[np.uint8]:
        """Return the alpha of rows: uint8 (rows, width)."""
        if self.is_opaque:
            return np.full((bottom - top, self.size[0]), 255, np.uint8)
        if self.shadow is not None or self.color[3]:
            return self.pixels(top, bottom)[..., 3]
        alpha = np.zeros((bottom - top, self.size[0]), np.uint8)
        first, end = self._rows_of_cutout(top, bottom)
        if first < end:
            place = self.layout.place
            inner = self.cutout.alpha(first - place.top, end - place.top)
            alpha[first - top : end - top, place.left : place.left + place.width] = inner
        return alpha

    def _cutout(self, top: int, bottom: int) -> NDArray[np.uint8]:
        """Return the cutout alone in rows of the canvas."""
        place = self.layout.place
        first, end = self._rows_of_cutout(top, bottom)
        if (first, end, place.width) == (top, bottom, self.size[0]):
            return self.cutout.pixels(first - place.top, end - place.top)
        pixels = np.zeros((bottom - top, self.size[0], 4), np.uint8)
        if first < end:
            rows = slice(first - top, end - top)
            columns = slice(place.left, place.left + place.width)
            pixels[rows, columns] = self.cutout.pixels(first - place.top, end - place.top)
        return pixels

    def _rows_of_cutout(self, top: int, bottom: int) -> tuple[int, int]:
        """Return the first row of the cutout, and the end, between two rows of the canvas."""
        place = self.layout.place
        return max(top, place.top), min(bottom, place.top + place.height)
