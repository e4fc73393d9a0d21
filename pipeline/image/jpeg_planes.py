"""A JPEG kept as its own samples: 1.5 bytes per pixel instead of the 4 of Pillow's RGB.

Most photos store one sample of either color difference for four pixels (4:2:0). Pillow's draft mode
returns the samples themselves: those of the luma at full size, and, at half the size, where libjpeg
has nothing to scale, those of the color differences. `planes.py` upsamples and converts regions of
them as libjpeg does it, to the last bit.
"""

import functools
import io
from collections.abc import Callable

import numpy as np
from PIL import Image

from compat.pillow import jpeg_components
from pipeline.image.planes import MIN_PIXELS, Planes
from pipeline.image.strips import SERIAL, Strips

# What decoding takes besides, if luma and color differences are decoded at the same time: Pillow's
# image of 4 bytes per pixel, at half the width and height, that the differences are taken from.
BESIDE = 1

# ITU-T T.81, A.1.1: the samples of each component per unit, across and down.
_SAMPLINGS = [(2, 2), (1, 1), (1, 1)]
_RGB_NAMES = [*b"RGB"]

# libjpeg takes the nearest sample instead of interpolating two if a row has at most 2 of them.
_MIN_WIDTH = 5
_MIN_HEIGHT = 2


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
) -> Planes:
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
    return Planes(luma, blue, red, profile=luma.info.get("icc_profile"))


@functools.cache
def equals_pillow() -> bool:
    """Return whether this libjpeg upsamples and converts a small sample as `Planes` does."""
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
