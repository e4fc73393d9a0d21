"""The cutout in its place, over its shadow and its background."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.canvas.backdrop import Backdrop
from pipeline.canvas.canvas import Canvas
from pipeline.canvas.layout import Layout
from pipeline.canvas.shadow import SoftShadow
from pipeline.image.box import Box
from pipeline.image.layer import FrameLayer
from pipeline.image.source_image import SourceImage
from tests.support.images import BLUE, RED

# A red cutout of 4 × 3 pixels, half transparent on its right.
ALPHA = np.array([[255, 255, 128, 0]] * 3, np.uint8)
FRAME = Box(0, 0, 4, 3)


def render(box: Box, _: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    return ALPHA[box.top : box.top + box.height].copy()


LAYER = FrameLayer(SourceImage(Image.new("RGB", (4, 3), RED)), render, FRAME)
LAYOUT = Layout(FRAME, Box(2, 5, 4, 3), (8, 10))


def canvas(layout: Layout = LAYOUT, **of: Any) -> Canvas:
    return Canvas(LAYER, layout, **of)


def whole(shown: Canvas) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return all colors and alpha. They are the same in strips, and `alpha` agrees."""
    height = shown.size[1]
    pixels = shown.pixels(0, height)
    for step in (1, 3, 4):
        starts = range(0, height, step)
        parts = [shown.pixels(top, min(top + step, height)) for top in starts]
        assert np.array_equal(np.concatenate(parts), pixels)
        alphas = [shown.alpha(top, min(top + step, height)) for top in starts]
        assert np.array_equal(np.concatenate(alphas), pixels[..., 3])
    return pixels[..., :3], pixels[..., 3]


def test_the_cutout_is_in_its_place_and_nothing_is_around_it() -> None:
    colors, alpha = whole(canvas())
    assert np.array_equal(alpha[5:8, 2:6], ALPHA)
    assert alpha.sum() == ALPHA.sum()
    assert (colors[alpha > 0] == RED).all()
    assert not colors[alpha == 0].any()
    assert canvas().size == (8, 10)
    assert not canvas().is_opaque


def test_a_cutout_may_be_the_whole_canvas() -> None:
    colors, alpha = whole(canvas(Layout(FRAME, FRAME, (4, 3))))
    assert np.array_equal(alpha, ALPHA)
    assert not colors[:, 3].any()  # the removed background


def test_a_color_is_behind_it() -> None:
    shown = canvas(color=(*BLUE, 255))
    colors, alpha = whole(shown)
    assert shown.is_opaque
    assert (alpha == 255).all()
    assert (colors[0] == BLUE).all()
    assert (colors[5, 2] == RED).all()
    assert (np.abs(colors[5, 4].astype(int) - (128, 0, 127)) <= 1).all()


def test_a_color_may_be_transparent_itself() -> None:
    shown = canvas(color=(*BLUE, 100))
    colors, alpha = whole(shown)
    assert not shown.is_opaque
    assert alpha[0, 0] == 100
    assert (colors[0, 0] == BLUE).all()
    assert alpha[5, 4] == pytest.approx(128 + 127 * 100 / 255, abs=1)


def test_an_image_is_behind_it() -> None:
    backdrop = Image.new("RGB", (8, 10), BLUE)
    backdrop.putpixel((0, 9), (1, 2, 3))
    shown = canvas(backdrop=Backdrop(backdrop))
    colors, alpha = whole(shown)
    assert shown.is_opaque
    assert (alpha == 255).all()
    assert tuple(colors[9, 0]) == (1, 2, 3)
    assert (colors[5, 2] == RED).all()


def test_a_shadow_is_black_and_under_the_cutout() -> None:
    shadow = SoftShadow(Image.new("L", (8, 10), 100))
    colors, alpha = whole(canvas(shadow=shadow))
    assert alpha[0, 0] == 100
    assert not colors[0, 0].any()
    assert (alpha[5, 2], *colors[5, 2]) == (255, *RED)
    assert alpha[5, 4] == pytest.approx(128 + 127 * 100 / 255, abs=1)
    on_white, _ = whole(canvas(shadow=shadow, color=(255, 255, 255, 255)))
    assert on_white[0, 0, 0] == pytest.approx(155, abs=1)


def test_its_strips_are_those_of_the_image() -> None:
    assert canvas().strips is LAYER.strips
