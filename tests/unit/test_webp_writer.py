"""WebP responses: their pixels, and the sizes that are refused."""

import io

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import FormatUnsupported
from pipeline.image import webp_writer
from pipeline.image.strips import Strips
from pipeline.image.webp_writer import write_webp

PIXELS = np.asarray(Image.linear_gradient("L").resize((60, 40)).convert("RGBA")).copy()
PIXELS[..., 3] = np.arange(60) * 4


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pixels_come_from_strips(channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.image.strips._STRIP_PIXELS", 7 * 60)
    pixels = PIXELS[..., :channels]
    data = write_webp(lambda top, bottom: pixels[top:bottom], 60, 40, channels, Strips(2))
    image = Image.open(io.BytesIO(data))
    assert (image.format, image.size) == ("WEBP", (60, 40))
    read = np.asarray(image.convert({1: "L", 3: "RGB", 4: "RGBA"}[channels]))
    seen = PIXELS[..., 3] > 100 if channels == 4 else np.full((40, 60), True)
    difference = read.reshape(40, 60, channels).astype(int) - pixels
    assert np.abs(difference[seen]).max() < 12
    if channels == 4:
        assert np.array_equal(read[..., 3], pixels[..., 3])  # alpha is lossless


@pytest.mark.parametrize(("name", "value"), [("MAX_SIDE", 59), ("MAX_PIXELS", 2399)])
def test_a_size_over_a_limit_is_refused_before_a_row_is_rendered(
    name: str, value: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_webp(lambda top, bottom: PIXELS[top:bottom], 60, 40, 4)
    monkeypatch.setattr(webp_writer, name, value)

    def rows(top: int, bottom: int) -> np.ndarray:
        raise AssertionError("no row is needed")

    with pytest.raises(FormatUnsupported):
        write_webp(rows, 60, 40, 4)
