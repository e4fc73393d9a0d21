"""The ZIP: two files of one size, which compose to the cutout and hide the background."""

import io
import zipfile

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.canvas.archive import fill_transparent, write_zip
from pipeline.image.box import Box
from pipeline.image.layer import FrameLayer
from pipeline.image.source_image import SourceImage

SIZE = 64
COLORS = np.full((SIZE, SIZE, 3), (0, 255, 0), np.uint8)  # the removed background is green
COLORS[:, :37] = (200, 30, 40)
ALPHA = np.zeros((SIZE, SIZE), np.uint8)
ALPHA[:, :36], ALPHA[:, 36] = 255, 100


def render(box: Box, _: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    left, top, right, bottom = box.corners
    return ALPHA[top:bottom, left:right].copy()


LAYER = FrameLayer(SourceImage(Image.fromarray(COLORS)), render, Box(0, 0, SIZE, SIZE))


def written() -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(write_zip(LAYER)))


def test_it_has_exactly_two_files_of_one_size() -> None:
    archive = written()
    assert archive.namelist() == ["color.jpg", "alpha.png"]
    assert archive.testzip() is None
    color, alpha = (Image.open(archive.open(name)) for name in archive.namelist())
    assert (color.format, color.mode, color.size) == ("JPEG", "RGB", (SIZE, SIZE))
    assert (alpha.format, alpha.mode, alpha.size) == ("PNG", "L", (SIZE, SIZE))
    assert np.array_equal(np.asarray(alpha), ALPHA)


def test_the_colors_of_the_subject_reach_its_edge_unharmed() -> None:
    color = np.asarray(Image.open(written().open("color.jpg"))).astype(int)
    assert np.abs(color[ALPHA > 0] - (200, 30, 40)).max() <= 6


def test_the_removed_background_is_in_no_file() -> None:
    color = np.asarray(Image.open(written().open("color.jpg"))).astype(int)
    assert (color[..., 1] < 80).all()


def test_the_same_image_gives_the_same_bytes() -> None:
    assert write_zip(LAYER) == write_zip(LAYER)
    assert {entry.date_time[0] for entry in written().infolist()} == {1980}


@pytest.mark.parametrize("shape", [(1, 1), (16, 16), (17, 33), (5, 40)])
def test_only_transparent_pixels_are_filled(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(7)
    colors = random.integers(0, 256, (*shape, 3), np.uint8)
    alpha = random.integers(0, 3, shape, np.uint8)
    filled = fill_transparent(colors, alpha)
    assert filled.shape == colors.shape
    assert filled.dtype == np.uint8
    assert np.array_equal(filled[alpha > 0], colors[alpha > 0])
    if alpha.any():
        mean = colors[:16, :16][alpha[:16, :16] > 0].mean(0)
        for color in filled[:16, :16][alpha[:16, :16] == 0]:
            assert np.abs(color - mean).max() <= 1


def test_an_opaque_image_is_returned_as_it_is() -> None:
    assert fill_transparent(COLORS, np.full_like(ALPHA, 255)) is COLORS
