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
from pipeline.image.compose import lay_over, straight_rgba
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

    def pixels(self, top: int, bottom: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return the straight colors and the alpha of rows: uint8 (rows, width, 3), (rows, width).

        A fully transparent pixel is black.
        """
        colors, alpha = self._cutout(top, bottom)
        if self.shadow is not None:
            black = np.zeros((*alpha.shape, 3), np.uint8)
            under = straight_rgba(black, self.shadow.rows(self.size, top, bottom))
            laid = Image.alpha_composite(under, straight_rgba(colors, alpha))
            colors, alpha = _split(np.asarray(laid))
        if self.backdrop is not None:
            behind = Image.fromarray(self.backdrop.rows(self.size, top, bottom))
            behind.paste(Image.fromarray(colors), mask=Image.fromarray(alpha))
            return np.asarray(behind), np.full_like(alpha, 255)
        return _split(lay_over(colors, alpha, self.color))

    def alpha(self, top: int, bottom: int) -> NDArray[np.uint8]:
        """Return the alpha of rows: uint8 (rows, width)."""
        if self.is_opaque:
            return np.full((bottom - top, self.size[0]), 255, np.uint8)
        if self.shadow is not None or self.color[3]:
            return self.pixels(top, bottom)[1]
        alpha = np.zeros((bottom - top, self.size[0]), np.uint8)
        first, end = self._rows_of_cutout(top, bottom)
        if first < end:
            place = self.layout.place
            inner = self.cutout.alpha(first - place.top, end - place.top)
            alpha[first - top : end - top, place.left : place.left + place.width] = inner
        return alpha

    def _cutout(self, top: int, bottom: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return the cutout alone in rows of the canvas."""
        place = self.layout.place
        first, end = self._rows_of_cutout(top, bottom)
        if (first, end, place.width) == (top, bottom, self.size[0]):
            colors, alpha = self.cutout.pixels(first - place.top, end - place.top)
        else:
            colors = np.zeros((bottom - top, self.size[0], 3), np.uint8)
            alpha = np.zeros(colors.shape[:2], np.uint8)
            if first < end:
                rows = slice(first - top, end - top)
                columns = slice(place.left, place.left + place.width)
                inner = self.cutout.pixels(first - place.top, end - place.top)
                colors[rows, columns], alpha[rows, columns] = inner
        return colors, alpha

    def _rows_of_cutout(self, top: int, bottom: int) -> tuple[int, int]:
        """Return the first row of the cutout, and the end, between two rows of the canvas."""
        place = self.layout.place
        return max(top, place.top), min(bottom, place.top + place.height)


def _split(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the colors and the alpha of RGB or straight RGBA."""
    if pixels.shape[2] == 3:
        return pixels, np.full(pixels.shape[:2], 255, np.uint8)
    return np.ascontiguousarray(pixels[..., :3]), np.ascontiguousarray(pixels[..., 3])
