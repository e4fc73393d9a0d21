"""Lays straight colors over a color, by their alpha."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

RGBA = tuple[int, int, int, int]

TRANSPARENT: RGBA = (0, 0, 0, 0)
WHITE: RGBA = (255, 255, 255, 255)


def parse_color(color: str) -> RGBA:
    """Parse `#rgb`, `#rrggbb` or `#rrggbbaa`. The color is opaque unless it says otherwise."""
    red, green, blue, *alpha = ImageColor.getrgb(color)
    return red, green, blue, alpha[0] if alpha else 255


def straight_rgba(colors: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> Image.Image:
    """Join colors, uint8 (rows, width, 3), and alpha, uint8 (rows, width), in mode RGBA."""
    cutout = Image.fromarray(colors)
    cutout.putalpha(Image.fromarray(alpha))
    return cutout


def lay_over(
    colors: NDArray[np.uint8], alpha: NDArray[np.uint8], backdrop: RGBA
) -> NDArray[np.uint8]:
    """Lay straight colors, uint8 (rows, width, 3), by their alpha, (rows, width), over a color.

    Return uint8 (rows, width, 3) if the backdrop is opaque, else straight RGBA, (rows, width, 4). A
    fully transparent pixel becomes (0, 0, 0, 0), so the removed background cannot be recovered.
    """
    *color, opacity = backdrop
    if opacity == 255:
        mask = Image.fromarray(alpha)
        opaque = Image.new("RGB", mask.size, tuple(color))
        opaque.paste(Image.fromarray(colors), mask=mask)
        return np.asarray(opaque)
    cutout = straight_rgba(colors, alpha)
    if opacity:
        plain = Image.new("RGBA", cutout.size, backdrop)
        return np.asarray(Image.alpha_composite(plain, cutout))
    visible: NDArray[np.uint32] = np.asarray(cutout).view(np.uint32) * (alpha[..., np.newaxis] > 0)
    return visible.view(np.uint8)


def opaque_color(color: RGBA, backdrop: RGBA) -> RGBA:
    """Return what a plain color shows over an opaque one."""
    colors, alpha = np.array([[color[:3]]], np.uint8), np.array([[color[3]]], np.uint8)
    red, green, blue = lay_over(colors, alpha, backdrop)[0, 0].tolist()
    return red, green, blue, 255
