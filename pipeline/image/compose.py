"""Lays straight colors over a color, by their alpha."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

RGBA = tuple[int, int, int, int]

TRANSPARENT: RGBA = (0, 0, 0, 0)
WHITE: RGBA = (255, 255, 255, 255)

# RGBA as one little-endian number is at least this unless the pixel is fully transparent.
_LEAST_ALPHA = np.uint32(1 << 24)


def parse_color(color: str) -> RGBA:
    """Parse `#rgb`, `#rrggbb` or `#rrggbbaa`. The color is opaque unless it says otherwise."""
    red, green, blue, *alpha = ImageColor.getrgb(color)
    return red, green, blue, alpha[0] if alpha else 255


def lay_over(pixels: NDArray[np.uint8], backdrop: RGBA) -> NDArray[np.uint8]:
    """Lay straight RGBA, uint8 (rows, width, 4), over a color.

    Return uint8 (rows, width, 3) if the backdrop is opaque, else straight RGBA, (rows, width, 4). A
    fully transparent pixel becomes (0, 0, 0, 0), so the removed background cannot be recovered.
    """
    *color, opacity = backdrop
    if not opacity:
        words = pixels.view("<u4")
        visible: NDArray[np.uint32] = words * (words >= _LEAST_ALPHA)
        return visible.view(np.uint8)
    cutout = Image.fromarray(pixels)
    if opacity < 255:
        plain = Image.new("RGBA", cutout.size, backdrop)
        return np.array(Image.alpha_composite(plain, cutout))
    opaque = Image.new("RGB", cutout.size, tuple(color))
    opaque.paste(cutout, mask=cutout)
    return np.asarray(opaque)


def opaque_color(color: RGBA, backdrop: RGBA) -> RGBA:
    """Return what a plain color shows over an opaque one."""
    red, green, blue = lay_over(np.array([[color]], np.uint8), backdrop)[0, 0].tolist()
    return red, green, blue, 255
