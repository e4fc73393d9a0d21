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
    # A byte per pixel: rendering alpha a second time would take as long as the first time.
    whole = np.empty((height, width, 1), np.uint8)

    def color(top: int, bottom: int) -> NDArray[np.uint8]:
        pixels = layer.pixels(top, bottom)
        whole[top:bottom] = pixels[..., 3:]
        return fill_transparent(pixels[..., :3], pixels[..., 3])

    def alpha(top: int, bottom: int) -> NDArray[np.uint8]:
        return whole[top:bottom]

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
    is_visible = alpha > 0
    if is_visible.all():
        return colors
    visible = colors * is_visible[..., np.newaxis]
    if not is_visible.any():
        return visible
    counts = _sum_blocks(is_visible[..., np.newaxis].view(np.uint8))
    means = (_sum_blocks(visible) // np.maximum(counts, 1)).astype(np.uint8)
    rows, columns = alpha.shape
    filling = means.repeat(_BLOCK, 0)[:rows].repeat(_BLOCK, 1)[:, :columns]
    np.copyto(visible, filling, where=~is_visible[..., np.newaxis])
    return visible


def _sum_blocks(samples: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Return the sum of each block: uint8 (rows, columns, channels) -> uint32."""
    rows, columns, channels = samples.shape
    padded = np.pad(samples, ((0, -rows % _BLOCK), (0, -columns % _BLOCK), (0, 0)))
    down = padded.reshape(-1, _BLOCK, padded.shape[1], channels).sum(1, dtype=np.uint16)
    across = down.reshape(down.shape[0], -1, _BLOCK, channels)
    sums: NDArray[np.uint32] = across.sum(2, dtype=np.uint32)
    return sums
