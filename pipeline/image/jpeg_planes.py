"""A JPEG kept as its own samples: 1.5 bytes per pixel instead of the 4 of Pillow's RGB.

Most photos store one sample of either color difference for four pixels (4:2:0). Pillow's draft mode
returns the samples themselves: those of the luma at full size, and, at half the size, where libjpeg
has nothing to scale, those of the color differences. Regions are then upsampled and converted as
libjpeg does it, to the last bit.
"""

import functools
import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from compat.pillow import jpeg_components
from pipeline.image.box import Corners
from pipeline.image.strips import SERIAL, Strips

# The bytes per pixel of the samples.
KEPT = 1.5
# What decoding takes besides, if luma and color differences are decoded at the same time: Pillow's
# image of 4 bytes per pixel, at half the width and height, that the differences are taken from.
BESIDE = 1

# Smaller images have room as Pillow's RGB, whose regions cost no conversion.
MIN_PIXELS = 16_000_000

# ITU-T T.81, A.1.1: the samples of each component per unit, across and down.
_SAMPLINGS = [(2, 2), (1, 1), (1, 1)]
_RGB_NAMES = [*b"RGB"]

# libjpeg takes the nearest sample instead of interpolating two if a row has at most 2 of them.
_MIN_WIDTH = 5
_MIN_HEIGHT = 2

# ITU-T T.871, 7: the weights of the color differences, in 1/65,536, as libjpeg rounds them
# (jdcolor.c).
_CR_TO_R, _CB_TO_B = 91_881, 116_130
_CR_TO_G, _CB_TO_G = -46_802, -22_554
_HALF_UNIT = 1 << 15

Samples = NDArray[np.uint8]


@dataclass(frozen=True)
class JpegPlanes:
    """The samples of a JPEG in 4:2:0, each plane in mode L.

    `luma` has the size of the image, `blue` and `red` half of it, rounded up.
    """

    luma: Image.Image
    blue: Image.Image
    red: Image.Image

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the image in pixels."""
        return self.luma.size

    def crop(self, box: Corners) -> Image.Image:
        """Return a region in mode RGB, equal to that of Pillow's own decoding."""
        left, top, right, bottom = box
        # Whole units of 2 × 2 pixels, and one more to the left and right.
        first, end = left // 2 - 1, (right + 1) // 2 + 1
        above, below = top // 2, (bottom + 1) // 2
        around = first, above - 1, end, below + 1
        units = to_rgb(
            np.asarray(self.luma.crop((2 * first, 2 * above, 2 * end, 2 * below))),
            _upsampled(_padded(self.blue, around)),
            _upsampled(_padded(self.red, around)),
        )
        x, y = 2 * first, 2 * above
        return units.crop((left - x, top - y, right - x, bottom - y))


def is_in_planes(image: Image.Image) -> bool:
    """Return whether an opened JPEG of at least 16 megapixels can be kept in planes.

    It can if it stores luma and color differences in 4:2:0. As libjpeg decides it, three components
    are RGB if an Adobe segment or their names say so.
    """
    components = jpeg_components(image)
    return (
        image.width * image.height >= MIN_PIXELS
        and image.width >= _MIN_WIDTH
        and image.height >= _MIN_HEIGHT
        and [(across, down) for _, across, down in components] == _SAMPLINGS
        and [name for name, _, _ in components] != _RGB_NAMES
        and image.info.get("adobe_transform") != 0
        and equals_pillow()
    )


def decode_planes(
    image: Image.Image, reopen: Callable[[], Image.Image], strips: Strips = SERIAL
) -> JpegPlanes:
    """Decode an opened JPEG for which `is_in_planes` holds. `reopen` opens it once more.

    With several threads, luma and color differences are decoded at the same time.

    Raises what Pillow raises.
    """

    def decode_differences() -> tuple[Image.Image, Image.Image]:
        with reopen() as again:
            again.draft("YCbCr", (again.width // 2, again.height // 2))
            again.load()
            return again.getchannel("Cb"), again.getchannel("Cr")

    def decode_luma() -> Image.Image:
        image.draft("L", image.size)
        image.load()
        return image

    (blue, red), luma = strips.both(decode_differences, decode_luma)
    return JpegPlanes(luma, blue, red)


@functools.cache
def equals_pillow() -> bool:
    """Return whether this libjpeg upsamples and converts a small sample as `JpegPlanes` does."""
    width, height = 61, 45
    # Knuth's multiplicative hash. NumPy's generators would stay in memory for this one use.
    hashed = np.arange(3 * width * height, dtype=np.uint32) * np.uint32(2_654_435_761) >> 24
    file = io.BytesIO()
    Image.frombytes("RGB", (width, height), hashed.astype(np.uint8).tobytes()).save(
        file, "JPEG", quality=95, subsampling="4:2:0"
    )

    def reopen() -> Image.Image:
        return Image.open(io.BytesIO(file.getvalue()))

    planes = decode_planes(reopen(), reopen)
    return planes.crop((0, 0, *planes.size)).tobytes() == reopen().convert("RGB").tobytes()


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


def to_rgb(luma: Samples, blue: Samples, red: Samples) -> Image.Image:
    """Convert samples, uint8 (height, width) each, as libjpeg's ycc_rgb_convert (jdcolor.c)."""
    light = luma.astype(np.int16)
    blues, reds = blue.astype(np.int32), red.astype(np.int32)
    greens = blues * _CB_TO_G
    greens += reds * _CR_TO_G
    reds *= _CR_TO_R
    blues *= _CB_TO_B
    bands = (
        _band(light, reds, _CR_TO_R),
        _band(light, greens, _CR_TO_G + _CB_TO_G),
        _band(light, blues, _CB_TO_B),
    )
    return Image.merge("RGB", bands)


def _band(light: NDArray[np.int16], weighted: NDArray[np.int32], weight: int) -> Image.Image:
    """Return luma plus a color difference in mode L. `weighted` is weight · (difference + 128)."""
    weighted += _HALF_UNIT - 128 * weight
    weighted >>= 16
    sums = weighted.astype(np.int16)
    sums += light
    np.clip(sums, 0, 255, out=sums)
    height, width = sums.shape
    return Image.frombuffer("L", (width, height), sums.astype(np.uint8), "raw", "L", 0, 1)
