"""Soft shadows: where they are, how dark, and that they leave the subject's place."""

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.canvas.layout import Layout
from pipeline.canvas.plan import Shadow, ShadowKind
from pipeline.canvas.shadow import cast_shadow
from pipeline.image.box import Box

SOURCE = (400, 400)
FRAME = Box(100, 100, 200, 200)
LAYOUT = Layout(FRAME, Box(150, 100, 200, 200), (500, 400))

# A square subject in the middle of the source.
MASK = np.zeros((320, 320), np.uint8)
MASK[80:240, 80:240] = 255


def shadow(kind: ShadowKind, opacity: float = 1.0) -> NDArray[np.uint8]:
    """Return the shadow's alpha on the whole canvas: uint8 (400, 500)."""
    return cast_shadow(MASK, SOURCE, LAYOUT, Shadow(kind, opacity)).rows(LAYOUT.canvas, 0, 400)


def center(alpha: NDArray[np.uint8]) -> tuple[float, float]:
    """Return the mean column and row of the alpha."""
    total = float(alpha.sum())
    return (
        float((alpha.sum(0) * np.arange(alpha.shape[1])).sum()) / total,
        float((alpha.sum(1) * np.arange(alpha.shape[0])).sum()) / total,
    )


def test_a_drop_shadow_is_the_silhouette_at_the_lower_right() -> None:
    alpha = shadow("drop")
    column, row = center(alpha)
    assert 250 < column < 262
    assert 200 < row < 212
    assert alpha[100 + 100, 150 + 100] == 255
    assert alpha[5, 5] == 0


def test_a_shadow_on_the_ground_leans_to_the_right_and_is_low() -> None:
    alpha = shadow("3d")
    column, row = center(alpha)
    assert column > 300
    assert row > 250
    assert alpha[120:180].max() < 30  # the upper half of the subject casts none


def test_the_shadow_of_a_car_is_under_it() -> None:
    alpha = shadow("car")
    column, row = center(alpha)
    assert abs(column - 250) < 3
    assert 285 < row < 305
    assert alpha[:250].max() < 30


@pytest.mark.parametrize("kind", ["drop", "3d", "car"])
def test_the_opacity_is_a_share_and_zero_is_none(kind: ShadowKind) -> None:
    full, half = shadow(kind).astype(int), shadow(kind, 0.5).astype(int)
    assert np.abs(half - full / 2).max() <= 1.5
    assert shadow(kind, 0.0).max() == 0


def test_strips_are_parts_of_the_whole() -> None:
    soft = cast_shadow(MASK, SOURCE, LAYOUT, Shadow("drop", 1.0))
    strips = [soft.rows((500, 400), top, min(top + 30, 400)) for top in range(0, 400, 30)]
    whole = soft.rows((500, 400), 0, 400).astype(int)
    assert np.abs(np.concatenate(strips).astype(int) - whole).max() <= 1


@pytest.mark.parametrize("place", [Box(0, 0, 1, 1), Box(3, 3, 2, 500), Box(0, 399, 500, 1)])
def test_a_subject_of_a_few_pixels_has_a_shadow_too(place: Box) -> None:
    layout = Layout(FRAME, place, (500, 503))
    for kind in ("drop", "3d", "car"):
        soft = cast_shadow(MASK, SOURCE, layout, Shadow(kind, 1.0))
        assert soft.rows((500, 503), 0, 503).shape == (503, 500)


def test_a_faint_mask_casts_no_shadow() -> None:
    soft = cast_shadow(MASK // 4, SOURCE, LAYOUT, Shadow("car", 1.0))
    assert soft.rows(LAYOUT.canvas, 0, 400).max() <= 64
