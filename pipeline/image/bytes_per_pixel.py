"""What decoding an opened image takes at its peak, from its headers alone."""

from PIL import Image

from compat.pillow import is_read_by_libtiff, jpeg_samplings, tiff_tags
from pipeline.image.headers import avif, tiff
from pipeline.image.headers.jpeg import keeps_coefficients

# Pillow's own image: every mode of more than 8 bits a pixel takes 4 bytes.
_IMAGE = 4


def bytes_per_pixel(image: Image.Image, kind: str, data: bytes, is_turned: bool) -> float:
    """Pillow's own 4, and what the decoder keeps beside them, as measured; `is_turned` says whether EXIF turns the image.

    Raises ImageCorrupt and ImageTooLarge where the headers contradict themselves.
    """
    if kind == "JPEG" and keeps_coefficients(data):
        # All coefficients, 2 bytes each: a share of the pixels for each component, by its sampling (ITU-T T.81, A.1.1).
        samplings = jpeg_samplings(image)
        return _IMAGE + 2 * sum(samplings) / max([1, *samplings])
    if kind == "WEBP":
        return 2 * _IMAGE  # a lossless one is unpacked beside its pixels
    if kind == "AVIF":
        # libavif's RGB and Pillow's copy of it, beside the planes.
        return 2 * _IMAGE + avif.plane_bytes(data, image.size) / (image.width * image.height)
    if kind == "TIFF":
        unpacked = (
            tiff.unpacked_bytes(data, tiff_tags(image)) / (image.width * image.height)
            if is_read_by_libtiff(image)
            else 0
        )
        # Pillow turns a TIFF while it loads it, into a second image, after libtiff has let go of its part.
        return _IMAGE + (max(unpacked, _IMAGE) if is_turned else unpacked)
    return _IMAGE
