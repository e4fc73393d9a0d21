"""Image and alpha -> PNG or WebP bytes. Only pixels of the source are written, no metadata."""

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

# Renders alpha: `render(box, colors)` returns uint8 (height, width) of a box of the image. If it
# is given the image's colors there, uint8 (height, width, 3), it may clean them in place.
Render = Callable[[Box, NDArray[np.uint8] | None], NDArray[np.uint8]]


def encode(image: SourceImage, render: Render, frame: Box, options: Options) -> bytes:
    """Encode the part `frame` of an image with the alpha that `render` returns.

    The result has 8 bits per channel and straight alpha. A fully transparent pixel is
    (0, 0, 0, 0), so the removed background cannot be recovered.

    Raises FormatUnsupported for a WebP larger than the format or the memory bound allows.
    """
    width, height = frame.width, frame.height
    if options.format == "webp" and (
        max(width, height) > WEBP_MAX_SIDE or width * height > WEBP_MAX_PIXELS
    ):
        raise FormatUnsupported
    background = _rgba(options.background) if options.background else (0, 0, 0, 0)
    channels = 1 if options.output == "mask" else 3 if background[3] == 255 else 4

    def rows(top: int, bottom: int) -> NDArray[np.uint8]:
        box = Box(frame.left, frame.top + top, width, bottom - top)
        if channels == 1:
            return render(box, None)[..., np.newaxis]
        return _compose(image, render, box, background)

    write = _write_webp if options.format == "webp" else write_png
    return write(rows, width, height, channels, image.strips)


def _compose(
    image: SourceImage, render: Render, box: Box, background: tuple[int, int, int, int]
) -> NDArray[np.uint8]:
    """Return a box of the cutout: uint8 (rows, width, 3) on an opaque background, else 4."""
    *backdrop, opacity = background
    colors = np.array(image.rgb(box.corners))
    alpha = render(box, colors)
    mask = Image.fromarray(alpha)
    if opacity == 255:
        opaque = Image.new("RGB", mask.size, tuple(backdrop))
        opaque.paste(Image.fromarray(colors), mask=mask)
        return np.asarray(opaque)
    cutout = Image.fromarray(colors)
    cutout.putalpha(mask)
    if opacity:
        plain = Image.new("RGBA", mask.size, background)
        return np.asarray(Image.alpha_composite(plain, cutout))
    visible: NDArray[np.uint32] = np.asarray(cutout).view(np.uint32) * (alpha[..., np.newaxis] > 0)
    return visible.view(np.uint8)


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
