"""A solid subject is opaque inside, windows included; its edge stays smooth."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.canvas.solid import find_inside, make_solid
from pipeline.image.box import Box
from pipeline.image.layer import FrameLayer
from pipeline.image.source_image import SourceImage

SIZE = 64

# A subject with a window and a hole, and a soft edge on its left.
MASK = np.zeros((SIZE, SIZE), np.uint8)
MASK[8:56, 8:56] = 255
MASK[8:56, 8] = 128
MASK[16:24, 16:24] = 90  # a window
MASK[40:48, 40:48] = 10  # a hole


def solid(frame: Box, mask: NDArray[np.uint8] = MASK) -> NDArray[np.uint8]:
    """Return the alpha of a frame of an image as large as the mask."""
    image = SourceImage(Image.new("RGB", (SIZE, SIZE)))

    def render(box: Box, _: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
        left, top, right, bottom = box.corners
        return mask[top:bottom, left:right].copy()

    layer = make_solid(FrameLayer(image, render, frame), mask, (SIZE, SIZE), frame)
    assert layer.size == (frame.width, frame.height)
    alpha = layer.alpha(0, frame.height)
    assert np.array_equal(layer.pixels(0, frame.height)[..., 3], alpha)
    parts = [layer.alpha(top, min(top + 5, frame.height)) for top in range(0, frame.height, 5)]
    assert np.array_equal(np.concatenate(parts), alpha)
    return alpha


def test_windows_are_filled_and_holes_stay() -> None:
    alpha = solid(Box(0, 0, SIZE, SIZE))
    assert (alpha[17:23, 17:23] == 255).all()
    assert (alpha[40:48, 40:48] == 0).all()
    assert (alpha[12:16, 12:52] == 255).all()
    assert alpha[0, 0] == 0


def test_an_edge_stays_smooth() -> None:
    assert (solid(Box(0, 0, SIZE, SIZE))[20:50, 8] == 128).all()


def test_a_frame_is_a_part_of_the_whole() -> None:
    frame = Box(10, 12, 40, 44)
    whole = solid(Box(0, 0, SIZE, SIZE))
    assert np.array_equal(solid(frame), whole[12:56, 10:50])


def test_what_the_source_hides_stays_hidden() -> None:
    """Alpha may be 0 inside the subject: the source's own."""
    hidden = MASK.copy()
    hidden[30, 30] = 0
    image = SourceImage(Image.new("RGB", (SIZE, SIZE)))

    def render(box: Box, _: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
        return hidden[box.top : box.top + box.height]

    frame = Box(0, 0, SIZE, SIZE)
    layer = make_solid(FrameLayer(image, render, frame), MASK, (SIZE, SIZE), frame)
    assert layer.alpha(0, SIZE)[30, 30] == 0


def test_inside_leaves_out_the_edge_but_not_the_images_border() -> None:
    mask = np.zeros((5, 6), np.uint8)
    mask[:, 2:] = 255
    expected = [[0, 0, 0, 255, 255, 255]] * 5
    assert (find_inside(mask) == expected).all()
