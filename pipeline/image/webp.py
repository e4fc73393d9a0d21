"""Decodes WebP by libwebp's own decoder, into one buffer of 4 bytes per pixel.

Pillow decodes every WebP as an animation, which takes 16 bytes per pixel (`compat/pillow.py`).
"""

from PIL import Image

from compat.pillow import decode_webp_into, webp_size
from pipeline.errors import ImageCorrupt
from pipeline.image.headers.webp_frames import first_frame


def decode_webp(data: bytes, size: tuple[int, int]) -> Image.Image:
    """Decode the first frame of a WebP to mode RGBA. Raises ImageCorrupt.

    `size` is the width and height of its canvas.
    """
    left, top, still = first_frame(data)
    frame_size = webp_size(still)
    if frame_size is None or left + frame_size[0] > size[0] or top + frame_size[1] > size[1]:
        raise ImageCorrupt
    # The canvas is transparent around a smaller frame.
    pixels = bytearray(4 * size[0] * size[1])
    start, stride = 4 * (top * size[0] + left), 4 * size[0]
    if not decode_webp_into(still, pixels, start, stride):
        raise ImageCorrupt
    return Image.frombuffer("RGBA", size, pixels, "raw", "RGBA", 0, 1)
