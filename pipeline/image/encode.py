"""Layer -> PNG or WebP bytes. Only pixels are written, no metadata."""

import numpy as np
from numpy.typing import NDArray

from pipeline.image.compose import TRANSPARENT, lay_over, parse_color
from pipeline.image.layer import Layer
from pipeline.image.png import write_png
from pipeline.image.webp_writer import write_webp
from pipeline.options import Options

_WRITERS = {"png": write_png, "webp": write_webp}


def encode(layer: Layer, options: Options) -> bytes:
    """Encode a cutout on its background, or its alpha as a mask, with 8 bits per channel.

    Without a background, the result has straight alpha.

    Raises FormatUnsupported for a size that the format or the memory bound does not allow.
    """
    backdrop = parse_color(options.background) if options.background else TRANSPARENT
    channels = 1 if options.output == "mask" else 3 if backdrop[3] == 255 else 4

    def rows(top: int, bottom: int) -> NDArray[np.uint8]:
        if channels == 1:
            return layer.alpha(top, bottom)[..., np.newaxis]
        return lay_over(*layer.pixels(top, bottom), backdrop)

    return _WRITERS[options.format](rows, *layer.size, channels, layer.strips)
