"""The rows of a cutout before it has a background."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.image.box import Box
from pipeline.image.layer import FrameLayer
from pipeline.image.source_image import SourceImage
from pipeline.image.strips import Strips

COLORS = np.random.default_rng(3).integers(0, 256, (30, 40, 3), dtype=np.uint8)
ALPHA = np.random.default_rng(4).integers(0, 256, (30, 40), dtype=np.uint8)
ALPHA[:8] = 0


def render(box: Box, colors: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    """Return the alpha of a box. Clean the colors by a dark line in the first column."""
    if colors is not None:
        colors[:, 0] = 1
    left, top, right, bottom = box.corners
    return np.ascontiguousarray(ALPHA[top:bottom, left:right])


def test_rows_are_those_of_the_frame() -> None:
    image = SourceImage(Image.fromarray(COLORS), strips=Strips(2))
    layer = FrameLayer(image, render, Box(10, 5, 25, 20))
    assert layer.size == (25, 20)
    assert layer.strips is image.strips
    inside = ALPHA[7:12, 10:35]
    assert np.array_equal(layer.alpha(2, 7), inside)
    pixels = layer.pixels(2, 7)
    assert np.array_equal(pixels[..., 3], inside)
    assert np.array_equal(pixels[:, 1:, :3], COLORS[7:12, 11:35])
    assert (pixels[:, 0, :3] == 1).all()
