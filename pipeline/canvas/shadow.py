"""A soft shadow of the subject, computed from its mask at the size of a thumbnail.

    drop    the silhouette, moved to the lower right
    3d      the silhouette on the ground behind the subject, flat and slanted
    car     an ellipse on the ground under the subject

All lengths are shares of the side of a square with the area of the subject's box, chosen by eye on
photos of products, people and cars.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from pipeline.canvas.layout import Layout
from pipeline.canvas.plan import Shadow
from pipeline.image.box import Size

# The longer side of the thumbnail, in pixels. A shadow is blurred by more than one of them.
_SIDE = 256

_DROP_OFFSET = (0.03, 0.04)
_BLURS = {"drop": 0.03, "3d": 0.025, "car": 0.035}
_FLAT, _SLANT = 0.35, 0.6  # the height of a shadow on the ground, and its shift to the right
_ELLIPSE_HEIGHT = 0.12  # of the subject's height


@dataclass(frozen=True)
class SoftShadow:
    """A shadow's alpha on a canvas, as a thumbnail in mode L."""

    thumbnail: Image.Image

    def rows(self, canvas: Size, top: int, bottom: int) -> NDArray[np.uint8]:
        """Return the alpha of rows of a canvas (width, height): uint8 (rows, width)."""
        width, height = self.thumbnail.size
        box = (0, top * height / canvas[1], width, min(height, bottom * height / canvas[1]))
        size = (canvas[0], bottom - top)
        return np.asarray(self.thumbnail.resize(size, Image.Resampling.BICUBIC, box))


def cast_shadow(
    mask: NDArray[np.uint8], source: Size, layout: Layout, shadow: Shadow
) -> SoftShadow:
    """Return the shadow of a subject with a mask, uint8 (height, width), of the whole source.

    `source` is the width and height of the source in pixels.
    """
    ratio = _SIDE / max(layout.canvas)
    size = max(1, round(layout.canvas[0] * ratio)), max(1, round(layout.canvas[1] * ratio))
    rows, columns = mask.shape
    across, down = columns / source[0], rows / source[1]
    left, top, right, bottom = layout.frame.corners
    place = [value * ratio for value in layout.place.corners]
    corner = round(place[0]), round(place[1])
    extent = max(1, round(place[2] - place[0])), max(1, round(place[3] - place[1]))
    silhouette = Image.new("L", size)
    box = (left * across, top * down, right * across, bottom * down)
    silhouette.paste(Image.fromarray(mask).resize(extent, Image.Resampling.BILINEAR, box), corner)
    outline = silhouette.point(lambda alpha: 255 if alpha >= 128 else 0).getbbox()
    if outline is None:
        return SoftShadow(silhouette)
    unit = math.sqrt((outline[2] - outline[0]) * (outline[3] - outline[1]))
    flat = _CASTS[shadow.kind](silhouette, outline, unit)
    blurred = flat.filter(ImageFilter.GaussianBlur(max(1.0, _BLURS[shadow.kind] * unit)))
    return SoftShadow(blurred.point(lambda alpha: round(alpha * shadow.opacity)))


_Outline = tuple[int, int, int, int]


def _drop(silhouette: Image.Image, outline: _Outline, unit: float) -> Image.Image:
    moved = Image.new("L", silhouette.size)
    moved.paste(silhouette, (round(_DROP_OFFSET[0] * unit), round(_DROP_OFFSET[1] * unit)))
    return moved


def _on_the_ground(silhouette: Image.Image, outline: _Outline, unit: float) -> Image.Image:
    """Map each point at a height h over the ground to the height `_FLAT` · h, `_SLANT` · h right.

    Pillow takes the inverse: x' = x − (_SLANT / _FLAT) · (ground − y), y' = ground − (ground − y) /
    _FLAT.
    """
    ground, slant = outline[3], _SLANT / _FLAT
    inverse = (1, slant, -slant * ground, 0, 1 / _FLAT, ground - ground / _FLAT)
    return silhouette.transform(
        silhouette.size, Image.Transform.AFFINE, inverse, Image.Resampling.BILINEAR
    )


def _under_a_car(silhouette: Image.Image, outline: _Outline, unit: float) -> Image.Image:
    ellipse = Image.new("L", silhouette.size)
    half = _ELLIPSE_HEIGHT * (outline[3] - outline[1]) / 2
    ImageDraw.Draw(ellipse).ellipse(
        (outline[0], outline[3] - 1.5 * half, outline[2], outline[3] + half / 2), fill=255
    )
    return ellipse


_CASTS = {"drop": _drop, "3d": _on_the_ground, "car": _under_a_car}
