"""The memory that decoding an opened image takes, from its headers alone."""

from typing import NamedTuple

from PIL import Image

from compat.pillow import is_read_by_libtiff, jpeg_components, tiff_tags
from pipeline.image import jpeg_planes, planes
from pipeline.image.headers import avif, tiff
from pipeline.image.headers.jpeg import keeps_coefficients

# Pillow's own image: each mode of more than 8 bits per pixel takes 4 bytes.
PILLOW = 4

# What decoding one image may take at its peak: 10 bytes per pixel at 25 megapixels, which are a
# progressive JPEG in 4:4:4.
PEAK_BYTES = 250_000_000

# What it may keep until its response is encoded, beside the inference (79 MB), or the response of
# 1.7 bytes per pixel.
KEPT_BYTES = 160_000_000

_ALPHA_MODES = ("RGBA", "LA", "PA", "RGBa", "La")


class Price(NamedTuple):
    """The bytes per pixel of decoding an image: at the peak, and of what is kept then."""

    peak: float
    kept: float

    def most_pixels(self, max_pixels: int, besides: int = 0) -> int:
        """Return how many pixels an image of this price may have, at most `max_pixels`.

        `besides` is what decoding takes whatever the image, in bytes.
        """
        return int(min(max_pixels, (PEAK_BYTES - besides) / self.peak, KEPT_BYTES / self.kept))


def price_of(
    image: Image.Image, kind: str, data: bytes, is_rotated: bool, in_planes: bool
) -> Price:
    """Return the price of decoding an opened image, as measured.

    `is_rotated` tells whether Pillow rotates the image while it loads it, `in_planes` whether it is
    a JPEG that is kept in planes.

    Raises ImageCorrupt and ImageTooLarge if the headers contradict themselves.
    """
    if in_planes:
        beside = _beside(image, kind, data, is_rotated) or jpeg_planes.BESIDE
        return Price(planes.KEPT + beside, planes.KEPT)
    # Its own alpha is kept once more, as an image of 1 byte per pixel.
    has_alpha = image.mode in _ALPHA_MODES or "transparency" in image.info
    kept = PILLOW + has_alpha
    return Price(max(kept, PILLOW + _beside(image, kind, data, is_rotated)), kept)


def _beside(image: Image.Image, kind: str, data: bytes, is_rotated: bool) -> float:
    """Return the bytes per pixel that a decoder holds in addition to the decoded image."""
    pixels = image.width * image.height
    if kind == "JPEG" and keeps_coefficients(data):
        # All coefficients, 2 bytes each. Each component has a share of the pixels, by its sampling
        # factors (ITU-T T.81, A.1.1).
        samplings = [across * down for _, across, down in jpeg_components(image)]
        return 2 * sum(samplings) / max([1, *samplings])
    if kind == "WEBP":
        return PILLOW  # libwebp unpacks a lossless image beside its pixels
    if kind == "AVIF":
        # libavif's RGB beside Pillow's copy of it, and the planes.
        return PILLOW + avif.plane_bytes(data, image.size) / pixels
    if kind == "TIFF":
        unpacked = 0.0
        if is_read_by_libtiff(image):
            unpacked = tiff.unpacked_bytes(data, tiff_tags(image)) / pixels
        # Pillow rotates into a second image, after libtiff has freed its buffers.
        return max(unpacked, PILLOW) if is_rotated else unpacked
    return 0.0
