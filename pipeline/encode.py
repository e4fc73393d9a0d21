"""Picture and matte -> the answer's bytes. Nothing of the source but its pixels goes in.

A PNG is written in bands of rows, each composed, filtered and deflated on its own and then forgotten, on every processor at a time.
"""

import io
import zlib

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray
from PIL import Image, ImageColor

from pipeline.bands import over_bands
from pipeline.decode import Picture
from pipeline.errors import FormatUnsupported
from pipeline.matte import Matte
from pipeline.options import Options

# WebP's own limit (RFC 9649: 14 bits a side), and the area that stays within the service's memory: composing and encoding take 24
# bytes a pixel, with transparency, at method 2; at libwebp's default, 4, it is 34, twice the time, and 1 % smaller.
WEBP_MAX_SIDE = 16_383
WEBP_MAX_PIXELS = 6_000_000
WEBP_BYTES_A_PIXEL = 24
_WEBP_METHOD = 2
WEBP_QUALITY = 90

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # by the number of channels

# PNG 3rd edition: the signature (5.2), the colour types (11.2.1) and the filter type Up (9.2), which measured best of the five.
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {1: 0, 3: 2, 4: 6}  # by the number of channels
_UP = 2

# ISA-L's level 2 of 3: the smallest files, a tenth slower than level 0, five times as fast as zlib's level 1.
_LEVEL = 2
_RAW = -15  # deflate's largest window, and no zlib wrapper: it goes around all the bands together
_ZLIB_HEADER = b"\x78\x01"  # RFC 1950: deflate, 32 KB window, fastest
_LAST_BLOCK = b"\x03\x00"  # RFC 1951: an empty final block
_ADLER_BASE = 65_521


def encode(picture: Picture, matte: Matte, options: Options) -> bytes:
    """Encode what `matte.frame` shows of the picture as `options` ask, 8 bits a channel.

    Alpha is straight; a fully transparent pixel is (0, 0, 0, 0), so what was removed cannot be recovered.
    Raises FormatUnsupported for a WebP larger than WebP or the memory allows.
    """
    width, height = matte.frame.width, matte.frame.height
    if options.format == "webp":
        if max(width, height) > WEBP_MAX_SIDE or width * height > WEBP_MAX_PIXELS:
            raise FormatUnsupported
        return _webp(picture, matte, options)
    return _png(picture, matte, options)


def _compose(picture: Picture, matte: Matte, options: Options, top: int, bottom: int) -> NDArray[np.uint8]:
    """Rows `top` to `bottom` of the answer, (rows, width, channels): one for a mask, three on an opaque background, else four."""
    alpha = matte.alpha[top:bottom]
    if options.output == "mask":
        return alpha[..., np.newaxis]
    left, above, right, _ = matte.frame.corners
    colours = picture.rgb((left, above + top, right, above + bottom))
    opacities = Image.fromarray(alpha)
    *backdrop, opacity = _rgba(options.background) if options.background else (0, 0, 0, 0)
    if opacity == 255:
        opaque = Image.new("RGB", colours.size, tuple(backdrop))
        opaque.paste(colours, mask=opacities)
        return np.asarray(opaque)
    cutout = colours.copy()
    cutout.putalpha(opacities)
    if opacity:
        return np.asarray(Image.alpha_composite(Image.new("RGBA", colours.size, (*backdrop, opacity)), cutout))
    seen: NDArray[np.uint32] = np.asarray(cutout).view(np.uint32) * (alpha[..., np.newaxis] > 0)
    return seen.view(np.uint8)


def _rgba(colour: str) -> tuple[int, int, int, int]:
    red, green, blue, *alpha = ImageColor.getrgb(colour)
    return red, green, blue, alpha[0] if alpha else 255


def _webp(picture: Picture, matte: Matte, options: Options) -> bytes:
    """The whole at once, as libwebp wants it."""
    width, height = matte.frame.width, matte.frame.height
    image = Image.new(_MODES[_channels(picture, matte, options)], (width, height))

    def paste(top: int, bottom: int) -> None:
        rows = _compose(picture, matte, options, top, bottom)
        image.paste(Image.fromarray(rows if rows.shape[2] > 1 else rows[..., 0]), (0, top))

    list(over_bands(paste, height, width))
    file = io.BytesIO()
    image.save(file, "WEBP", quality=WEBP_QUALITY, method=_WEBP_METHOD)
    return file.getvalue()


def _channels(picture: Picture, matte: Matte, options: Options) -> int:
    first_row: tuple[int, ...] = _compose(picture, matte, options, 0, 1).shape
    return first_row[2]


def _png(picture: Picture, matte: Matte, options: Options) -> bytes:
    width, height = matte.frame.width, matte.frame.height
    channels = _channels(picture, matte, options)

    def deflated(top: int, bottom: int) -> tuple[bytes, int, int]:
        filtered = _filtered(picture, matte, options, top, bottom)
        compressor = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _RAW)
        # A full flush ends a band on a byte, with no reference to what came before: bands deflated apart are one stream together.
        content = compressor.compress(filtered) + compressor.flush(isal_zlib.Z_FULL_FLUSH)
        return content, isal_zlib.adler32(filtered), filtered.size

    file = io.BytesIO()
    file.write(_SIGNATURE)
    _write_chunk(file, b"IHDR", width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes((8, _COLOUR_TYPES[channels], 0, 0, 0)))
    _write_chunk(file, b"IDAT", _ZLIB_HEADER)
    checksum = 1
    for content, band_checksum, size in over_bands(deflated, height, width):
        _write_chunk(file, b"IDAT", content)
        checksum = _combined_adler32(checksum, band_checksum, size)
    _write_chunk(file, b"IDAT", _LAST_BLOCK + checksum.to_bytes(4, "big"))
    _write_chunk(file, b"IEND", b"")
    return file.getvalue()


def _filtered(picture: Picture, matte: Matte, options: Options, top: int, bottom: int) -> NDArray[np.uint8]:
    """The rows' bytes less those of the row above each, modulo 256, with the filter's type before each: (rows, 1 + bytes)."""
    above = 1 if top else 0
    rows = _compose(picture, matte, options, top - above, bottom).reshape(bottom - top + above, -1)
    filtered = np.empty((bottom - top, 1 + rows.shape[1]), np.uint8)
    filtered[:, 0] = _UP
    if not above:
        filtered[0, 1:] = rows[0]  # above the first row there is nothing: zeros
    np.subtract(rows[1:], rows[:-1], out=filtered[1 - above :, 1:])
    return filtered


def _combined_adler32(first: int, second: int, second_size: int) -> int:
    """The Adler-32 of two pieces of data one after the other, from theirs and the second one's length (RFC 1950, section 8.2)."""
    low = (first & 0xFFFF) + (second & 0xFFFF) - 1
    high = (first >> 16) + (second >> 16) + second_size * ((first & 0xFFFF) - 1)
    return high % _ADLER_BASE << 16 | low % _ADLER_BASE


def _write_chunk(file: io.BytesIO, kind: bytes, content: bytes) -> None:
    file.write(len(content).to_bytes(4, "big") + kind)
    file.write(content)
    file.write(zlib.crc32(content, zlib.crc32(kind)).to_bytes(4, "big"))
