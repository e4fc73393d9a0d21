"""An image in 4:2:0 as its own samples, 1.5 bytes per pixel, whose regions are converted to RGB.

Regions are upsampled and converted by the arithmetic of libjpeg, to the last bit.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.image.box import Corners

# The bytes per pixel of the samples.
KEPT = 1.5

# Smaller images have room as Pillow's RGB, whose regions cost no conversion.
MIN_PIXELS = 16_000_000

Samples = NDArray[np.uint8]

_UNIT = 1 << 16

# H.273, table 4: the shares of red and blue in the luma, by matrix coefficients. Where they are not
# specified (2), decoders take those of JFIF and BT.601.
_SHARES = {
    1: (0.2126, 0.0722),  # BT.709
    2: (0.299, 0.114),
    4: (0.30, 0.11),  # FCC
    5: (0.299, 0.114),  # BT.470 BG
    6: (0.299, 0.114),  # BT.601
    7: (0.212, 0.087),  # SMPTE 240M
    9: (0.2627, 0.0593),  # BT.2020
}

# The limited range, as of video: luma 16 to 235, color differences 16 to 240 (H.273, 8.3).
_DIFFERENCES_OF_255 = 255 / 224
LIMITED_LUMA = [min(max(round((luma - 16) * 255 / 219), 0), 255) for luma in range(256)]


class Weights(NamedTuple):
    """The weights of the color differences in red, green and blue, in 1/65,536."""

    red_in_red: int
    red_in_green: int
    blue_in_green: int
    blue_in_blue: int


def weights_of(coefficients: int, is_full_range: bool) -> Weights | None:
    """Return the weights of matrix coefficients of H.273; None if the matrix is not such a sum.

    The luma of a limited range has to go through LIMITED_LUMA first.
    """
    if coefficients not in _SHARES:
        return None
    red, blue = _SHARES[coefficients]
    green = 1 - red - blue
    unit = _UNIT * (1 if is_full_range else _DIFFERENCES_OF_255)
    # H.273, 8.3: the equations of luma and differences, solved for red, green and blue.
    return Weights(
        round(2 * (1 - red) * unit),
        round(-2 * red * (1 - red) / green * unit),
        round(-2 * blue * (1 - blue) / green * unit),
        round(2 * (1 - blue) * unit),
    )


# ITU-T T.871, 7, as libjpeg rounds the weights (jdcolor.c).
JFIF = Weights(91_881, -46_802, -22_554, 116_130)


@dataclass(frozen=True)
class Planes:
    """The samples of an image in 4:2:0, each plane in mode L.

    `luma` has the size of the image, `blue` and `red` half of it, rounded up. `weights` make RGB of
    them, whose ICC profile is `profile`.
    """

    luma: Image.Image
    blue: Image.Image
    red: Image.Image
    weights: Weights = JFIF
    profile: bytes | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the image in pixels."""
        return self.luma.size

    def crop(self, box: Corners) -> Image.Image:
        """Return a region in mode RGB, for a JPEG equal to that of Pillow's own decoding."""
        left, top, right, bottom = box
        # Whole units of 2 × 2 pixels, and one more to the left and right.
        first, end = left // 2 - 1, (right + 1) // 2 + 1
        above, below = top // 2, (bottom + 1) // 2
        around = first, above - 1, end, below + 1
        units = to_rgb(
            np.asarray(self.luma.crop((2 * first, 2 * above, 2 * end, 2 * below))),
            _upsampled(_padded(self.blue, around)),
            _upsampled(_padded(self.red, around)),
            self.weights,
        )
        x, y = 2 * first, 2 * above
        return units.crop((left - x, top - y, right - x, bottom - y))


def _padded(plane: Image.Image, corners: Corners) -> Samples:
    """Return a region of a plane, which may reach one sample outside: the border is repeated."""
    left, top, right, bottom = corners
    width, height = plane.size
    inside = max(0, left), max(0, top), min(width, right), min(height, bottom)
    outside = (inside[1] - top, bottom - inside[3]), (inside[0] - left, right - inside[2])
    samples = np.asarray(plane.crop(inside))
    return np.pad(samples, outside, "edge") if any(map(any, outside)) else samples


def _upsampled(samples: Samples) -> Samples:
    """Double a plane's rows and columns: uint8 (rows + 2, columns) -> (2 · rows, 2 · columns).

    libjpeg's h2v2_fancy_upsample (jdsample.c): 3/4 of the nearer row and 1/4 of the further one,
    then the same of columns, plus 8/16 for an even column and 7/16 for an odd one. The first and
    the last two columns lack a neighbor and have no meaning.
    """
    rows, columns = samples.shape[0] - 2, samples.shape[1]
    wide = samples.astype(np.uint16)
    sums = np.empty((rows, 2, columns), np.uint16)
    nearer = 3 * wide[1:-1]
    np.add(nearer, wide[:-2], out=sums[:, 0])
    np.add(nearer, wide[2:], out=sums[:, 1])
    line = sums.reshape(-1)
    nearer = 3 * line
    even, odd = nearer + np.uint16(8), nearer
    odd += np.uint16(7)
    even[1:] += line[:-1]
    odd[:-1] += line[1:]
    even >>= 4
    # Two neighbors are written as one number of 16 bits, the even one first.
    odd <<= 4
    odd &= np.uint16(0xFF00)
    even |= odd
    return even.astype("<u2", copy=False).view(np.uint8).reshape(2 * rows, 2 * columns)


def to_rgb(luma: Samples, blue: Samples, red: Samples, weights: Weights = JFIF) -> Image.Image:
    """Convert samples, uint8 (height, width) each, as libjpeg's ycc_rgb_convert (jdcolor.c)."""
    light = luma.astype(np.int16)
    blues, reds = blue.astype(np.int32), red.astype(np.int32)
    greens = blues * weights.blue_in_green
    greens += reds * weights.red_in_green
    reds *= weights.red_in_red
    blues *= weights.blue_in_blue
    bands = (
        _band(light, reds, weights.red_in_red),
        _band(light, greens, weights.red_in_green + weights.blue_in_green),
        _band(light, blues, weights.blue_in_blue),
    )
    return Image.merge("RGB", bands)


def _band(light: NDArray[np.int16], weighted: NDArray[np.int32], weight: int) -> Image.Image:
    """Return luma plus a color difference in mode L. `weighted` is weight · (difference + 128)."""
    weighted += _UNIT // 2 - 128 * weight
    weighted >>= 16
    sums = weighted.astype(np.int16)
    sums += light
    np.clip(sums, 0, 255, out=sums)
    height, width = sums.shape
    return Image.frombuffer("L", (width, height), sums.astype(np.uint8), "raw", "L", 0, 1)
