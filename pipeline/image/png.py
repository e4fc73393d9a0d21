"""A PNG, written in bands of rows, each filtered and deflated on its own and then forgotten, on every processor at a time.

ISA-L deflates at memory speed; the container around it is four kinds of chunks (PNG, 3rd edition).
"""

import io
from collections.abc import Callable

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from pipeline.image.strips import SERIAL, Strips

# `rows(top, bottom)` gives those rows of a picture: uint8 (rows, width, channels).
Rows = Callable[[int, int], NDArray[np.uint8]]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"  # 5.2
_COLOUR_TYPES = {1: 0, 3: 2, 4: 6}  # by the number of channels: grey, RGB, RGBA (11.2.1)
_UP = 2  # the filter type (9.2) that measured best of the five

# ISA-L's level 2 of 3: the smallest files, a tenth slower than level 0, five times as fast as zlib's level 1.
_LEVEL = 2
_RAW = -15  # deflate's largest window, and no zlib wrapper: it goes around all the bands together
_ZLIB_HEADER = b"\x78\x01"  # RFC 1950: deflate, 32 KB window, fastest
_LAST_BLOCK = b"\x03\x00"  # RFC 1951: an empty final block
_ADLER_BASE = 65_521


def write_png(rows: Rows, width: int, height: int, channels: int, strips: Strips = SERIAL) -> bytes:
    """Encode a picture of 8 bits a channel: 1 channel is grey, 3 are RGB, 4 RGBA with straight alpha.

    `rows` is called by several threads at a time.
    """

    def deflated(top: int, bottom: int) -> tuple[bytes, int, int]:
        filtered = _filtered(rows, top, bottom)
        compressor = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _RAW)
        # A full flush ends a band on a byte, with no reference to what came before: bands deflated apart are one stream together.
        content = compressor.compress(filtered) + compressor.flush(isal_zlib.Z_FULL_FLUSH)
        return content, isal_zlib.adler32(filtered), filtered.size

    file = io.BytesIO()
    file.write(_SIGNATURE)
    eight_bits = bytes((8, _COLOUR_TYPES[channels], 0, 0, 0))
    _write_chunk(file, b"IHDR", width.to_bytes(4, "big") + height.to_bytes(4, "big") + eight_bits)
    _write_chunk(file, b"IDAT", _ZLIB_HEADER)
    checksum = 1
    for content, band_checksum, size in strips.map(deflated, height, width):
        _write_chunk(file, b"IDAT", content)
        checksum = _combined_adler32(checksum, band_checksum, size)
    _write_chunk(file, b"IDAT", _LAST_BLOCK + checksum.to_bytes(4, "big"))
    _write_chunk(file, b"IEND", b"")
    return file.getvalue()


def _filtered(rows: Rows, top: int, bottom: int) -> NDArray[np.uint8]:
    """The rows' bytes less those of the row above each, modulo 256, with the filter's type before each: (rows, 1 + bytes)."""
    above = 1 if top else 0
    samples = rows(top - above, bottom).reshape(bottom - top + above, -1)
    filtered = np.empty((bottom - top, 1 + samples.shape[1]), np.uint8)
    filtered[:, 0] = _UP
    if not above:
        filtered[0, 1:] = samples[0]  # above the first row there is nothing: zeros
    np.subtract(samples[1:], samples[:-1], out=filtered[1 - above :, 1:])
    return filtered


def _combined_adler32(first: int, second: int, second_size: int) -> int:
    """The Adler-32 of two pieces of data one after the other, from theirs and the second one's length (RFC 1950, section 8.2)."""
    low = (first & 0xFFFF) + (second & 0xFFFF) - 1
    high = (first >> 16) + (second >> 16) + second_size * ((first & 0xFFFF) - 1)
    return high % _ADLER_BASE << 16 | low % _ADLER_BASE


def _write_chunk(file: io.BytesIO, kind: bytes, content: bytes) -> None:
    file.write(len(content).to_bytes(4, "big") + kind)
    file.write(content)
    file.write(isal_zlib.crc32(content, isal_zlib.crc32(kind)).to_bytes(4, "big"))
