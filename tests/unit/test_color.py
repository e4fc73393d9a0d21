"""Gray of more than 8 bits, in 8."""

import numpy as np
import pytest
from PIL import Image

from pipeline.image.decode import decode
from tests.support.images import MAX_PIXELS, encoded

FLOAT32 = np.finfo(np.float32)


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([FLOAT32.min, 0, FLOAT32.max], [0, 127, 255]),
        ([0, FLOAT32.smallest_subnormal, 2 * FLOAT32.smallest_subnormal], [0, 127, 255]),
        ([FLOAT32.max] * 3, [0, 0, 0]),
        ([np.nan, -5, 5], [0, 0, 255]),
        ([np.nan, np.nan, np.nan], [0, 0, 0]),
        ([-np.inf, 2, 3, np.inf], [0, 0, 255, 255]),
        ([np.inf, -np.inf, np.nan], [0, 0, 0]),
        ([-10, 0, 10], [0, 127, 255]),
    ],
)
def test_floats_of_any_size(samples: list[float], expected: list[int]) -> None:
    data = encoded(Image.fromarray(np.array([samples], np.float32)), "TIFF")
    with np.errstate(all="raise"):
        decoded = decode(data, MAX_PIXELS).rgb()
    assert np.asarray(decoded)[0, :, 0].tolist() == expected


def test_whole_numbers_of_any_size() -> None:
    samples = np.array([[-(2**31), 0, 2**31 - 1]], np.int32)
    with np.errstate(all="raise"):
        decoded = decode(encoded(Image.fromarray(samples), "TIFF"), MAX_PIXELS).rgb()
    assert np.asarray(decoded)[0, :, 0].tolist() == [0, 127, 255]
