"""The ZIP of a canvas: its color as a JPEG, and its alpha as a PNG, which together are small."""

import io
import zipfile

import numpy as np
from numpy.typing import NDArray

from pipeline.image.jpeg_writer import write_jpeg
from pipeline.image.layer import Layer
from pipeline.image.png import write_png

COLOR, ALPHA = "color.jpg", "alpha.png"

# The earliest date of a ZIP, so that the same request gives the same bytes.
_DATE = (1980, 1, 1, 0, 0, 0)

# The side of what a JPEG in 4:2:0 encodes together, in pixels (ITU-T T.81, A.2).
_BLOCK = 16


def write_zip(layer: Layer) -> bytes:
    """Return a ZIP with `color.jpg` and `alpha.png`, stored: both are compressed already."""
    width, height = layer.size

    def color(top: int, bottom: int) -> NDArray[np.uint8]:
        return fill_transparent(*layer.pixels(top, bottom))

    def alpha(top: int, bottom: int) -> NDArray[np.uint8]:
        return layer.alpha(top, bottom)[..., np.newaxis]

    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(
            zipfile.ZipInfo(COLOR, _DATE), write_jpeg(color, width, height, 3, layer.strips)
        )
        archive.writestr(
            zipfile.ZipInfo(ALPHA, _DATE), write_png(alpha, width, height, 1, layer.strips)
        )
    return file.getvalue()


def fill_transparent(colors: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return colors whose transparent pixels have the mean of the visible ones in their block.

    A JPEG would blur a hard change from the subject to black into the subject. The removed
    background cannot be recovered: blocks without a visible pixel are black. `colors` is uint8
    (rows, width, 3), `alpha` uint8 (rows, width).
    """
    if alpha.all():
        return colors
    rows, columns = (-(-side // _BLOCK) * _BLOCK for side in alpha.shape)
    visible = np.zeros((rows, columns, 1), np.float32)
    visible[: alpha.shape[0], : alpha.shape[1], 0] = alpha > 0
    padded = np.zeros((rows, columns, 3), np.float32)
    padded[: alpha.shape[0], : alpha.shape[1]] = colors
    blocks = (rows // _BLOCK, _BLOCK, columns // _BLOCK, _BLOCK, -1)
    counts = visible.reshape(blocks).sum((1, 3))
    means = (padded * visible).reshape(blocks).sum((1, 3)) / np.maximum(counts, 1)
    filling = np.repeat(np.repeat(means.astype(np.uint8), _BLOCK, 0), _BLOCK, 1)
    return np.where(alpha[..., np.newaxis] > 0, colors, filling[: alpha.shape[0], : alpha.shape[1]])
