"""Writes a PNG in strips of rows, each filtered and deflated on its own, on every processor.

ISA-L deflates at memory speed. The container is four kinds of chunks (PNG, 3rd edition).
"""

import io
from collections.abc import Callable

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from pipeline.image.strips import SERIAL, Strips

# `rows(top, bottom)` returns those rows of an image: uint8 (rows, width, channels).
Rows = Callable[[int, int], NDArray[np.uint8]]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"  # 5.2
_COLOR_TYPES = {1: 0, 3: 2, 4: 6}  # by the number of channels: gray, RGB, RGBA (11.2.1)
# Filter types (9.2): Up gave the smallest files of the five. The first row of a strip uses None, so
# that no strip depends on the row above it.
_NONE, _UP = 0, 2

# ISA-L's level 2 of 3 gives its smallest files. It is a tenth slower than level 0 and five times as
# fast as zlib's level 1.
_LEVEL = 2
_RAW = -15  # deflate's largest window, without the zlib wrapper: one wrapper encloses all strips
_ZLIB_HEADER = b"\x78\x01"  # RFC 1950: deflate, 32 KB window, fastest
_LAST_BLOCK = b"\x03\x00"  # RFC 1951: an empty final block
_STORED_BYTE = b"\0\1\0\xfe\xff"  # RFC 1951, 3.2.4: a stored block of one byte, which follows
_ADLER_BASE = 65_521


def write_png(rows: Rows, width: int, height: int, channels: int, strips: Strips = SERIAL) -> bytes:
    """Encode an image of 8 bits per channel: 1 (gray), 3 (RGB) or 4 channels (straight RGBA).

    Several threads call `rows` at the same time.
    """

    def deflate(top: int, bottom: int) -> tuple[bytes, int, int]:
        filtered = _filter_rows(rows, top, bottom)
        content = _deflate_strip(filtered.reshape(-1))
        return content, isal_zlib.adler32(filtered), filtered.size

    file = io.BytesIO()
    file.write(_SIGNATURE)
    size = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    _write_chunk(file, b"IHDR", size + bytes((8, _COLOR_TYPES[channels], 0, 0, 0)))
    _write_chunk(file, b"IDAT", _ZLIB_HEADER)
    checksum = 1
    for content, strip_checksum, strip_bytes in strips.map(deflate, height, width):
        _write_chunk(file, b"IDAT", content)
        checksum = _combine_adler32(checksum, strip_checksum, strip_bytes)
    _write_chunk(file, b"IDAT", _LAST_BLOCK + checksum.to_bytes(4, "big"))
    _write_chunk(file, b"IEND", b"")
    return file.getvalue()


def _deflate_strip(filtered: NDArray[np.uint8]) -> bytes:
    """Deflate a strip on its own: uint8 (bytes,) -> blocks that end at a byte boundary.

    A full flush ends the strip, and nothing in it refers to an earlier one, so that strips deflated
    separately form one stream.
    """
    # Without a history, the output of ISA-L's levels 1 and 2 depends on memory addresses, in one of
    # 1,000 to 8,000 strips. A preset dictionary avoids that. It is the strip's own first byte,
    # written as a stored block, so that references to it are valid.
    first = filtered[:1].tobytes()
    compressor = isal_zlib.compressobj(
        _LEVEL,
        isal_zlib.DEFLATED,
        _RAW,
        isal_zlib.DEF_MEM_LEVEL,
        isal_zlib.Z_DEFAULT_STRATEGY,
        first,
    )
    rest = compressor.compress(filtered[1:]) + compressor.flush(isal_zlib.Z_FULL_FLUSH)
    return _STORED_BYTE + first + rest


def _filter_rows(rows: Rows, top: int, bottom: int) -> NDArray[np.uint8]:
    """Subtract from each row the row above, modulo 256, and prefix the filter type.

    Return uint8 (rows, 1 + bytes per row).
    """
    samples = rows(top, bottom).reshape(bottom - top, -1)
    filtered = np.empty((bottom - top, 1 + samples.shape[1]), np.uint8)
    filtered[0, 0], filtered[1:, 0] = _NONE, _UP
    filtered[0, 1:] = samples[0]
    np.subtract(samples[1:], samples[:-1], out=filtered[1:, 1:])
    return filtered


def _combine_adler32(first: int, second: int, second_bytes: int) -> int:
    """Return the Adler-32 of two consecutive pieces of data from their own (RFC 1950, 8.2)."""
    low = (first & 0xFFFF) + (second & 0xFFFF) - 1
    high = (first >> 16) + (second >> 16) + second_bytes * ((first & 0xFFFF) - 1)
    return high % _ADLER_BASE << 16 | low % _ADLER_BASE


def _write_chunk(file: io.BytesIO, kind: bytes, content: bytes) -> None:
    file.write(len(content).to_bytes(4, "big") + kind)
    file.write(content)
    file.write(isal_zlib.crc32(content, isal_zlib.crc32(kind)).to_bytes(4, "big"))
