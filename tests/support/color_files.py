"""Images that declare their color space by numbers: PNG and AVIF."""

import struct

from PIL import Image

from tests.support.image_files import chunk
from tests.support.images import encoded

# x and y of the white, red, green and blue, times 100,000, as a cHRM chunk has them.
SRGB_POINTS = (31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000)
ADOBE_POINTS = (31_270, 32_900, 64_000, 33_000, 21_000, 71_000, 15_000, 6_000)

# ITU-T H.273: color primaries and transfer characteristics.
BT709, UNSPECIFIED, BT2020, P3 = 1, 2, 9, 12
LINEAR, SRGB, PQ, HLG = 8, 13, 16, 18


def png_with(image: Image.Image, *chunks: bytes) -> bytes:
    """Return a PNG with chunks behind its header, which takes 33 bytes."""
    data = encoded(image)
    return data[:33] + b"".join(chunks) + data[33:]


def gama(number: int) -> bytes:
    """Return a gAMA chunk: the exponent times 100,000 (PNG 3rd edition, 11.3.2.2)."""
    return chunk(b"gAMA", struct.pack(">I", number))


def chrm(points: tuple[int, ...]) -> bytes:
    """Return a cHRM chunk (11.3.2.1)."""
    return chunk(b"cHRM", struct.pack(f">{len(points)}I", *points))


def cicp(primaries: int, transfer: int, matrix: int = 0, is_full_range: int = 1) -> bytes:
    """Return a cICP chunk (11.3.2.6)."""
    return chunk(b"cICP", bytes((primaries, transfer, matrix, is_full_range)))


def avif_with(image: Image.Image, primaries: int, transfer: int, **options: object) -> bytes:
    """Return an AVIF of these codes.

    Pillow writes those of sRGB, which are changed in each box.
    """
    data = encoded(image, "AVIF", **{"quality": 100, "speed": 10, "subsampling": "4:4:4"} | options)
    written = b"nclx" + struct.pack(">HH", BT709, SRGB)
    assert written in data
    return data.replace(written, b"nclx" + struct.pack(">HH", primaries, transfer))
