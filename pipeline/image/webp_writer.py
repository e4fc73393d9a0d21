"""Writes a WebP by Pillow, within the limits of the format and of the memory bound."""

import io

from PIL import Image

from pipeline.errors import FormatUnsupported
from pipeline.image.png import Rows
from pipeline.image.strips import SERIAL, Strips

# RFC 9649: 14 bits per side.
MAX_SIDE = 16_383
# Composing and encoding take 24 bytes per pixel at method 2. The default method, 4, takes 34 bytes
# and twice the time for files 1 % smaller. 6 megapixels keep the peak within the memory bound.
MAX_PIXELS = 6_000_000
BYTES_PER_PIXEL = 24
_METHOD = 2
QUALITY = 90

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # by the number of channels


def write_webp(
    rows: Rows, width: int, height: int, channels: int, strips: Strips = SERIAL
) -> bytes:
    """Encode an image of 8 bits per channel: 1 (gray), 3 (RGB) or 4 channels (straight RGBA).

    All rows are encoded at once: libwebp takes a whole image. Several threads call `rows` at the
    same time.

    Raises FormatUnsupported, before it asks for a row, over 16,383 pixels on a side or 6
    megapixels.
    """
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise FormatUnsupported
    image = Image.new(_MODES[channels], (width, height))

    def paste_strip(top: int, bottom: int) -> None:
        strip = rows(top, bottom)
        image.paste(Image.fromarray(strip if channels > 1 else strip[..., 0]), (0, top))

    strips.for_each(paste_strip, height, width)
    file = io.BytesIO()
    image.save(file, "WEBP", quality=QUALITY, method=_METHOD)
    return file.getvalue()
