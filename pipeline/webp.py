"""WebP by libwebp's own decoder, into one buffer.

Pillow reads every WebP as an animation, whose decoder keeps two canvases beside the result and its copy: 16 bytes a pixel where 4
are enough. Pillow carries libwebp, so nothing more needs to be installed: its functions are looked up in Pillow's own module.
"""

import ctypes
import functools

from PIL import Image, _webp


def decode_webp(data: bytes, size: tuple[int, int]) -> Image.Image:
    """Decode the first frame of a WebP, `size` (width, height), to mode RGBA. Raises ValueError if it cannot be decoded whole."""
    left, top, still = _first_frame(data)
    frame_size = ctypes.c_int(), ctypes.c_int()
    if not _libwebp().WebPGetInfo(still, len(still), *map(ctypes.byref, frame_size)):
        raise ValueError("no WebP bitstream")
    width, height = frame_size[0].value, frame_size[1].value
    if left + width > size[0] or top + height > size[1]:
        raise ValueError("a frame outside its canvas")
    # A frame smaller than the canvas stands on transparency.
    pixels = bytearray(4 * size[0] * size[1])
    start, stride = 4 * (top * size[0] + left), 4 * size[0]
    buffer = (ctypes.c_char * (len(pixels) - start)).from_buffer(pixels, start)
    if not _libwebp().WebPDecodeRGBAInto(still, len(still), buffer, len(buffer), stride):
        raise ValueError("a damaged WebP bitstream")
    return Image.frombuffer("RGBA", size, pixels, "raw", "RGBA", 0, 1)


def _first_frame(data: bytes) -> tuple[int, int, bytes]:
    """Left, top, and a WebP of the first frame alone: the file itself where it is not animated (RFC 9649, section 2.7)."""
    if data[12:16] != b"VP8X" or not data[20] & 0x02:
        return 0, 0, data
    at = 12
    while at + 8 <= len(data):
        end = at + 8 + int.from_bytes(data[at + 4 : at + 8], "little")
        if data[at : at + 4] == b"ANMF":
            left, top = (2 * int.from_bytes(data[at + offset : at + offset + 3], "little") for offset in (8, 11))
            # The frame's own chunks, behind the header of a picture that may have an alpha plane and has the frame's size.
            chunks = b"VP8X\x0a\0\0\0\x10\0\0\0" + data[at + 14 : at + 20] + data[at + 24 : end]
            return left, top, b"RIFF" + (len(chunks) + 4).to_bytes(4, "little") + b"WEBP" + chunks
        at = end + (end & 1)
    raise ValueError("an animation without a frame")


@functools.cache
def _libwebp() -> ctypes.CDLL:
    library = ctypes.CDLL(_webp.__file__)
    library.WebPGetInfo.argtypes = [ctypes.c_char_p, ctypes.c_size_t, *[ctypes.POINTER(ctypes.c_int)] * 2]
    library.WebPDecodeRGBAInto.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    library.WebPDecodeRGBAInto.restype = ctypes.c_void_p
    return library
