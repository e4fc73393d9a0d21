import numpy as np
import pytest
from PIL import Image

from pipeline.image.source_image import ORIENTATIONS, SourceImage


@pytest.mark.parametrize(
    "size",
    [
        (2100, 2000),
        (2400, 3300),
        (4000, 1001),
        (3000, 4000),
        (5000, 5000),
        (1500, 9000),
        (20000, 500),
    ],
)
def test_a_large_picture_is_reduced_as_pillow_does(size: tuple[int, int]) -> None:
    coarse = np.random.default_rng(5).integers(
        0, 256, (size[1] // 50, size[0] // 50, 3), dtype=np.uint8
    )
    image = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
    whole = np.asarray(image.resize((320, 320), Image.Resampling.LANCZOS)).astype(int)
    differences = np.abs(np.asarray(SourceImage(image).reduced((320, 320))) - whole)
    exact = size[0] * size[1] < 8_000_000
    assert differences.max() <= (0 if exact else 2)
    assert differences.mean() < 0.2


@pytest.mark.parametrize("orientation", [None, *ORIENTATIONS.values()])
def test_a_region_is_cut_from_the_upright_picture(orientation: Image.Transpose | None) -> None:
    stored = Image.fromarray(np.random.default_rng(1).integers(0, 256, (30, 50, 3), dtype=np.uint8))
    upright = stored if orientation is None else stored.transpose(orientation)
    picture = SourceImage(stored, orientation=orientation)
    assert picture.size == upright.size
    for corners in (
        (0, 0, *upright.size),
        (3, 5, 20, 11),
        (0, 29, 1, 30) if upright.height == 30 else (29, 0, 30, 1),
    ):
        assert picture.rgb(corners).tobytes() == upright.crop(corners).tobytes()
