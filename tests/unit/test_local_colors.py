"""The sure colors of a mask, and the means that they are."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from pipeline.image.box import Box
from pipeline.mask.local_colors import _box_mean, fit_local_colors
from pipeline.mask.upsample import Upsampler

WINDOW = Box(10, 20, 640, 960)


def test_the_colors_beside_an_edge_are_those_of_its_sides() -> None:
    image = Image.new("RGB", (320, 320), (0, 0, 255))
    image.paste((255, 0, 0), (0, 0, 160, 320))
    mask = np.zeros((320, 320), np.uint8)
    mask[:, :160] = 255
    colors = fit_local_colors(mask, image, WINDOW)
    assert colors.first == (0, 0)
    foreground, background = colors.fields[:3, 80, 80], colors.fields[3:6, 80, 80]
    assert foreground == pytest.approx([1, 0, 0], abs=0.01)
    assert background == pytest.approx([0, 0, 1], abs=0.01)
    weight, known, freedom = colors.fields[6:, 80, 80]
    assert weight < 0.1
    assert known == 1
    assert freedom == pytest.approx((6 / 7) ** 2 * (1 - weight))  # a cell covers 6 pixels
    assert colors.fields[8, 80, 70] == 0  # a plateau of the mask
    assert colors.fields[7, 80, 20] == 0  # no background is near
    middle = np.array([0])
    at_the_edge = colors.at((WINDOW.left + 320, WINDOW.top + 480), np.array([1]), middle)
    assert at_the_edge[:3, 0] == pytest.approx([1, 0, 0], abs=0.01)


@pytest.mark.parametrize("shape", [(320, 320), (321, 319)])
@pytest.mark.parametrize("rows", [slice(0, 30), slice(97, 140), slice(290, 320)])
def test_a_part_of_the_grid_has_the_fields_of_the_whole(
    rows: slice, shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(5)
    image = Image.fromarray(random.integers(0, 256, (*shape, 3), dtype=np.uint8))
    mask = np.zeros(shape, np.uint8)
    mask[rows, 40:233] = random.integers(0, 256, (mask[rows].shape[0], 193))
    part = fit_local_colors(mask, image, WINDOW)
    monkeypatch.setattr(
        "pipeline.mask.local_colors._cells_beside",
        lambda _: Box(0, 0, -(-shape[1] // 2), -(-shape[0] // 2)),
    )
    whole = fit_local_colors(mask, image, WINDOW)
    assert part.fields.size < whole.fields.size / 2
    alpha = Upsampler(mask, WINDOW, exact=True).region(WINDOW)
    unsure = np.argwhere(alpha > 0)
    counts = np.bincount(unsure[:, 0], minlength=WINDOW.height)
    corner = WINDOW.left, WINDOW.top
    found, expected = (colors.at(corner, counts, unsure[:, 1]) for colors in (part, whole))
    assert np.abs(found - expected).max() < 1e-5


@pytest.mark.parametrize("reach", range(1, 9))
def test_a_box_mean_is_scipys_uniform_filter(reach: int) -> None:
    values = np.random.default_rng(reach).random((3, 40, 31), np.float32)
    window = 2 * reach + 1
    expected = ndimage.uniform_filter(values, (1, window, window))
    assert np.abs(_box_mean(values, reach) - expected).max() < 1e-6
