"""The memory that decoding an opened image takes at its peak, from its headers alone."""

from PIL import Image

from compat.pillow import is_read_by_libtiff, jpeg_samplings, tiff_tags
from pipeline.image.headers import avif, tiff
from pipeline.image.headers.jpeg import keeps_coefficients

# Pillow's own image: each mode of more than 8 bits per pixel takes 4 bytes.
PILLOW = 4


def bytes_per_pixel(image: Image.Image, kind: str, data: bytes, is_rotated: bool) -> float:
    """Return Pillow's own 4 bytes, plus what the decoder holds in addition, as measured.

    `is_rotated` tells whether Pillow rotates the image while it loads it.

    Raises ImageCorrupt and ImageTooLarge if the headers contradict themselves.
    """
    pixels = image.width * image.height
    if kind == "JPEG" and keeps_coefficients(data):
        # All coefficients, 2 bytes each. Each component has a share of the pixels, by its sampling
        # factors (ITU-T T.81, A.1.1).
        samplings = jpeg_samplings(image)
        return PILLOW + 2 * sum(samplings) / max([1, *samplings])
    if kind == "WEBP":
        return 2 * PILLOW  # libwebp unpacks a lossless image beside its pixels
    if kind == "AVIF":
        # libavif's RGB, Pillow's copy of it, and the planes.
        return 2 * PILLOW + avif.plane_bytes(data, image.size) / pixels
    if kind == "TIFF":
        unpacked = 0.0
        if is_read_by_libtiff(image):
            unpacked = tiff.unpacked_bytes(data, tiff_tags(image)) / pixels
        # Pillow rotates into a second image, after libtiff has freed its buffers.
        return PILLOW + (max(unpacked, PILLOW) if is_rotated else unpacked)
    return PILLOW
