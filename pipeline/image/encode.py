"""Image and alpha -> PNG or WebP bytes. Only pixels of the source are written, no metadata."""

import functools
import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

from pipeline.errors import FormatUnsupported
from pipeline.image.box import Box
from pipeline.image.png import Rows, write_png
from pipeline.image.source_image import SourceImage
from pipeline.image.strips import Strips
from pipeline.options import Options

# RFC 9649: 14 bits per side.
WEBP_MAX_SIDE = 16_383
# Composing and encoding take 24 bytes per pixel at method 2. The default method, 4, takes 34 bytes
# and twice the time for files 1 % smaller. 6 megapixels keep the peak within the memory bound.
WEBP_MAX_PIXELS = 6_000_000
WEBP_BYTES_PER_PIXEL = 24
_WEBP_METHOD = 2
WEBP_QUALITY = 90

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # by the number of channels

# `clean_colors(colors, alpha, corner)` removes the background's share from colors, in place:
# uint8 (height, width, 3 or more), uint8 (height, width), and (left, top) in the image.
CleanColors = Callable[[NDArray[np.uint8], NDArray[np.uint8], tuple[int, int]], None]


def encode(
    image: SourceImage,
    alpha: NDArray[np.uint8],
    frame: Box,
    options: Options,
    clean_colors: CleanColors | None = None,
) -> bytes:
    """Encode the part `frame` of an image with `alpha`, uint8 (height, width) of the frame.

    The result has 8 bits per channel and straight alpha. A fully transparent pixel is
    (0, 0, 0, 0), so the removed background cannot be recovered.

    Raises FormatUnsupported for a WebP larger than the format or the memory bound allows.
    """
    width, height = frame.width, frame.height
    if options.format == "webp" and (
        max(width, height) > WEBP_MAX_SIDE or width * height > WEBP_MAX_PIXELS
    ):
        raise FormatUnsupported
    rows = functools.partial(_compose, image, alpha, frame, options, clean_colors)
    channels: int = rows(0, 1).shape[2]
    write = _write_webp if options.format == "webp" else write_png
    return write(rows, width, height, channels, image.strips)


def _compose(
    image: SourceImage,
    alpha: NDArray[np.uint8],
    frame: Box,
    options: Options,
    clean_colors: CleanColors | None,
    top: int,
    bottom: int,
) -> NDArray[np.uint8]:
    """Return rows `top` to `bottom` of the result: uint8 (rows, width, channels).

    A mask has 1 channel, a cutout on an opaque background 3, any other cutout 4.
    """
    alpha = alpha[top:bottom]
    if options.output == "mask":
        return alpha[..., np.newaxis]
    left, above, right, _ = frame.corners
    corner = left, above + top
    colors = image.rgb((*corner, right, above + bottom))
    *backdrop, opacity = _rgba(options.background) if options.background else (0, 0, 0, 0)
    if opacity and clean_colors is not None:
        pixels = np.array(colors)
        clean_colors(pixels, alpha, corner)
        colors = Image.fromarray(pixels)
    if opacity == 255:
        opaque = Image.new("RGB", colors.size, tuple(backdrop))
        opaque.paste(colors, mask=Image.fromarray(alpha))
        return np.asarray(opaque)
    cutout = colors.copy()
    cutout.putalpha(Image.fromarray(alpha))
    if opacity:
        background = Image.new("RGBA", colors.size, (*backdrop, opacity))
        return np.asarray(Image.alpha_composite(background, cutout))
    visible: NDArray[np.uint32] = np.asarray(cutout).view(np.uint32) * (alpha[..., np.newaxis] > 0)
    pixels = visible.view(np.uint8)
    if clean_colors is not None:
        clean_colors(pixels, alpha, corner)
    return pixels


def _rgba(color: str) -> tuple[int, int, int, int]:
    red, green, blue, *alpha = ImageColor.getrgb(color)
    return red, green, blue, alpha[0] if alpha else 255


def _write_webp(rows: Rows, width: int, height: int, channels: int, strips: Strips) -> bytes:
    """Encode all rows at once: libwebp takes a whole image."""
    image = Image.new(_MODES[channels], (width, height))

    def paste_strip(top: int, bottom: int) -> None:
        strip = rows(top, bottom)
        image.paste(Image.fromarray(strip if channels > 1 else strip[..., 0]), (0, top))

    strips.for_each(paste_strip, height, width)
    file = io.BytesIO()
    image.save(file, "WEBP", quality=WEBP_QUALITY, method=_WEBP_METHOD)
    return file.getvalue()
