"""WebP by libwebp's own decoder, into one buffer of 4 bytes per pixel (see compat/pillow.py)."""

import struct

from PIL import Image

from compat.pillow import decode_webp_into, webp_size
from pipeline.errors import ImageCorrupt

# Chunks before an animation's first frame; real files have three. 20 MB hold 2,500,000 empty ones.
_MOST_CHUNKS = 1_000


def read_canvas_size(data: bytes) -> tuple[int, int]:
    """Width and height from the first chunk, where libwebp reads them, too (RFC 9649, sections 2.5 to 2.7).

    A VP8X chunk must be the first one; without it, the only image chunk is. Raises ImageCorrupt.
    """
    try:
        match data[12:16]:
            case b"VP8X":
                width, height = data[24:27], data[27:30]
                return 1 + int.from_bytes(width, "little"), 1 + int.from_bytes(height, "little")
            case b"VP8L":
                (bits,) = struct.unpack_from("<I", data, 21)
                return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
            case b"VP8 ":
                width, height = struct.unpack_from("<HH", data, 26)
                return width & 0x3FFF, height & 0x3FFF
    except struct.error as exc:
        raise ImageCorrupt from exc
    raise ImageCorrupt


def decode_webp(data: bytes, size: tuple[int, int]) -> Image.Image:
    """Decode the first frame of a WebP to mode RGBA, with `size` (width, height) of its canvas. Raises ImageCorrupt."""
    left, top, still = _first_frame(data)
    frame_size = webp_size(still)
    if frame_size is None or left + frame_size[0] > size[0] or top + frame_size[1] > size[1]:
        raise ImageCorrupt
    # A frame smaller than the canvas stands on transparency.
    pixels = bytearray(4 * size[0] * size[1])
    if not decode_webp_into(still, pixels, start=4 * (top * size[0] + left), stride=4 * size[0]):
        raise ImageCorrupt
    return Image.frombuffer("RGBA", size, pixels, "raw", "RGBA", 0, 1)


def _first_frame(data: bytes) -> tuple[int, int, bytes]:
    """Left, top, and a WebP of the first frame alone: the file itself where it is not animated (RFC 9649, section 2.7)."""
    if data[12:16] != b"VP8X" or not data[20:21] or not data[20] & 0x02:
        return 0, 0, data
    at = 12
    for _ in range(_MOST_CHUNKS):
        end = at + 8 + int.from_bytes(data[at + 4 : at + 8], "little")
        if data[at : at + 4] == b"ANMF":
            left, top = (
                2 * int.from_bytes(data[at + offset : at + offset + 3], "little")
                for offset in (8, 11)
            )
            # The frame's own chunks, behind the header of an image that may have an alpha plane and has the frame's size.
            chunks = b"VP8X\x0a\0\0\0\x10\0\0\0" + data[at + 14 : at + 20] + data[at + 24 : end]
            return left, top, b"RIFF" + (len(chunks) + 4).to_bytes(4, "little") + b"WEBP" + chunks
        at = end + (end & 1)
        if at + 8 > len(data):
            break
    raise ImageCorrupt
