"""Reducing by a SIMD resizer, compared with Pillow."""

import numpy as np
import pytest
from PIL import Image

from pipeline.image.reduce import reduce_part

RNG = np.random.default_rng(7)


def smooth(width: int, height: int, mode: str) -> Image.Image:
    cells = RNG.integers(0, 256, (height // 8, width // 8, 3)).astype(np.uint8)
    return Image.fromarray(cells).resize((width, height), Image.Resampling.BICUBIC).convert(mode)


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("size", [(320, 320), (32, 50), (700, 40), (900, 700)])
@pytest.mark.parametrize(
    "corners", [(0, 0, 640, 480), (100, 50, 600, 400), (0.5, 0, 640, 479.5), (33.25, 20.5, 90, 71)]
)
@pytest.mark.parametrize("pixels_at_once", [1, 10_000, 1 << 22])
def test_a_part_is_that_of_pillow(
    mode: str,
    size: tuple[int, int],
    corners: tuple[float, float, float, float],
    pixels_at_once: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pipeline.image.reduce._PIXELS_AT_ONCE", pixels_at_once)
    image = smooth(640, 480, mode)
    left, top, right, bottom = corners
    outer = int(left), int(top), -int(-right // 1), -int(-bottom // 1)
    area = left - outer[0], top - outer[1], right - outer[0], bottom - outer[1]
    expected = image.crop(outer).resize(size, Image.Resampling.LANCZOS, area)
    reduced = reduce_part(image, corners, size)
    assert (reduced.mode, reduced.size) == (mode, size)
    difference = np.abs(np.asarray(reduced).astype(int) - np.asarray(expected))
    assert difference.max() <= 4
    is_enlarged = size[0] > right - left or size[1] > bottom - top
    assert difference.mean() < (0.3 if is_enlarged else 0.05)
