"""A layer at another size, by exact arithmetic and by its strips."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.image import strips as strips_module
from pipeline.image.box import Box
from pipeline.image.layer import FrameLayer
from pipeline.image.scaled_layer import ScaledLayer, frame_at
from pipeline.image.source_image import Reduction, SourceImage
from pipeline.image.strips import SERIAL, Strips

Pixels = NDArray[np.uint8]


@dataclass
class PlainLayer:
    """Straight RGBA in memory, which records the rows that it is asked for."""

    rgba: Pixels
    strips: Strips = SERIAL
    most_rows: int = 0

    @property
    def size(self) -> tuple[int, int]:
        return self.rgba.shape[1], self.rgba.shape[0]

    def pixels(self, top: int, bottom: int) -> Pixels:
        self.most_rows = max(self.most_rows, bottom - top)
        return self.rgba[top:bottom].copy()

    def alpha(self, top: int, bottom: int) -> Pixels:
        return np.ascontiguousarray(self.pixels(top, bottom)[..., 3])


def shapes(width: int, height: int, seed: int = 1) -> Pixels:
    """Return noisy colors with large shapes of alpha, which are soft, opaque or transparent."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (6, 6), dtype=np.uint8))
    alpha = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    colors = random.integers(0, 256, (height, width, 3))
    alpha = np.clip((alpha - 128) * 4 + 128, 0, 255)
    return np.dstack((colors, alpha)).astype(np.uint8)


def by_pillow(layer: ScaledLayer, source: Pixels) -> Pixels:
    """Scale the whole by Pillow, and return it with premultiplied alpha."""
    image = Image.fromarray(source).convert("RGBa")
    return np.asarray(image.resize(layer.size, Image.Resampling.LANCZOS, box=layer.crop))


@pytest.mark.parametrize(
    ("crop", "size"),
    [
        ((0, 0, 200, 150), (100, 75)),
        ((0, 0, 200, 150), (17, 13)),
        ((0, 0, 200, 150), (1, 1)),
        ((0.5, 1.25, 198.75, 149.5), (90, 70)),
        ((10, 0, 11, 150), (1, 64)),
        ((0, 0, 200, 150), (200, 150)),
    ],
)
def test_colors_count_by_their_alpha(
    crop: tuple[float, float, float, float], size: tuple[int, int]
) -> None:
    source = shapes(200, 150)
    layer = ScaledLayer(PlainLayer(source), crop, size)
    pixels = layer.pixels(0, size[1])
    assert pixels.shape == (size[1], size[0], 4)
    colors, alpha = pixels[..., :3], pixels[..., 3]
    expected = by_pillow(layer, source).astype(int)
    assert np.abs(alpha - expected[..., 3]).max() <= 1
    # A color of weak alpha is rounded, and one that LANCZOS makes stronger than its alpha is cut.
    weighted = colors * (alpha[..., np.newaxis] / 255)
    difference = np.abs(weighted - np.minimum(expected[..., :3], expected[..., 3:]))
    assert difference.max() < 2
    assert difference.mean() < 0.5
    assert not colors[alpha == 0].any()


def test_no_color_of_transparent_pixels_shows() -> None:
    source = np.full((60, 60, 4), (200, 0, 0, 255), np.uint8)
    source[:, 31:] = (0, 255, 0, 0)
    pixels = ScaledLayer(PlainLayer(source), (0, 0, 60, 60), (20, 20)).pixels(0, 20)
    colors, alpha = pixels[..., :3], pixels[..., 3]
    assert ((alpha > 0) & (alpha < 255)).any()
    assert colors[..., 1].max() == 0
    # LANCZOS overshoots next to an edge.
    assert np.abs((colors[..., 0] - 200.0) * (alpha / 255)).max() < 15


@pytest.mark.parametrize("size", [(1, 1), (20, 33), (90, 149), (127, 211), (180, 297)])
@pytest.mark.parametrize("strip_pixels", [1, 900, 7000])
def test_seams_of_strips_do_not_show(
    size: tuple[int, int], strip_pixels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = ScaledLayer(PlainLayer(shapes(180, 300), Strips(2)), (0.4, 1.3, 179.5, 298.2), size)
    whole = premultiplied(layer.pixels(0, size[1]))
    monkeypatch.setattr(strips_module, "_STRIP_PIXELS", strip_pixels)
    parts = layer.strips.map(layer.pixels, size[1], size[0])
    joined = premultiplied(np.concatenate(list(parts)))
    assert joined.shape == whole.shape
    difference = np.abs(joined - whole)
    assert difference.max() < 2  # 1 of the resizer, and what rounded colors are multiplied by
    assert (difference > 0.75).mean() < 0.004
    masks = layer.strips.map(layer.alpha, size[1], size[0])
    assert np.abs(np.concatenate(list(masks)) - whole[..., 3]).max() <= 1


def premultiplied(pixels: Pixels) -> NDArray[np.float64]:
    weights = np.where(np.arange(4) < 3, pixels[..., 3:] / 255, 1)
    return np.asarray(pixels * weights, np.float64)


def test_the_source_is_rendered_a_strip_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much smaller the result is."""
    monkeypatch.setattr(strips_module, "_STRIP_PIXELS", 400 * 10)
    source = PlainLayer(shapes(400, 1000))
    layer = ScaledLayer(source, (0, 0, 400, 1000), (4, 10))
    parts = list(layer.strips.map(layer.alpha, 10, 4))
    assert sum(len(part) for part in parts) == 10
    assert source.most_rows == 10


def test_a_frame_at_its_own_size_is_not_scaled() -> None:
    pixels = shapes(60, 40)
    image = SourceImage(Image.fromarray(pixels[..., :3]))

    def render(box: Box, colors: Pixels | None) -> Pixels:
        left, top, right, bottom = box.corners
        return np.ascontiguousarray(pixels[top:bottom, left:right, 3])

    frame = Box(10, 5, 40, 30)
    assert frame_at(image, render, frame, (40, 30)) == FrameLayer(image, render, frame)
    smaller = frame_at(image, render, frame, (20, 15))
    assert smaller.size == (20, 15)
    # Half of the pixels of a source that is twice as wide and high: none is scaled.
    reduced = replace(image, reduction=Reduction(2, (120, 79)))
    same = frame_at(reduced, render, Box(20, 10, 80, 60), (40, 30))
    assert np.array_equal(same.alpha(0, 30), pixels[5:35, 10:50, 3])
    # The frame begins and ends within a pixel.
    layer = frame_at(reduced, render, Box(21, 11, 77, 57), (20, 15))
    assert isinstance(layer, ScaledLayer)
    assert layer.crop == (0.5, 0.5, 39, 29)
    assert layer.source == FrameLayer(reduced, render, Box(10, 5, 39, 29))
