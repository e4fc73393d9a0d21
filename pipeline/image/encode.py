"""Layer -> PNG, WebP or JPEG bytes. Only pixels are written, no metadata."""

import numpy as np
from numpy.typing import NDArray

from pipeline.image.compose import TRANSPARENT, WHITE, lay_over, opaque_color, parse_color
from pipeline.image.jpeg_writer import write_jpeg
from pipeline.image.layer import Layer
from pipeline.image.png import write_png
from pipeline.image.webp_writer import write_webp
from pipeline.options import Options

WRITERS = {"png": write_png, "webp": write_webp, "jpeg": write_jpeg}


def encode(layer: Layer, options: Options) -> bytes:
    """Encode a cutout on its background, or its alpha as a mask, with 8 bits per channel.

    Without a background, the result has straight alpha. A JPEG has no alpha: its background is laid
    over white.

    Raises FormatUnsupported for a size that the format or the memory bound does not allow.
    """
    backdrop = parse_color(options.background) if options.background else TRANSPARENT
    if options.format == "jpeg":
        backdrop = opaque_color(backdrop, WHITE)
    channels = 1 if options.output == "mask" else 3 if backdrop[3] == 255 else 4

    def rows(top: int, bottom: int) -> NDArray[np.uint8]:
        if channels == 1:
            return layer.alpha(top, bottom)[..., np.newaxis]
        return lay_over(layer.pixels(top, bottom), backdrop)

    return WRITERS[options.format](rows, *layer.size, channels, layer.strips)
