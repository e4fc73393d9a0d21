"""Files that are less common than JPEG in sRGB: each ends in an image in sRGB, or in its error."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.weights import SAMPLE
from tests.support.color_files import avif_with, cicp, gama, png_with
from tests.support.color_formulas import CODES, Light, converted, light_of_power
from tests.support.images import BLUE, cutout_of, encoded
from tests.support.multi_picture import multi_picture, ultra_hdr
from tests.support.serving import Server, assert_error

PHOTO = Image.open(SAMPLE).convert("RGB").resize((400, 400))
LEVELS = np.asarray(PHOTO)


def shown(service: Server, data: bytes) -> tuple[NDArray[np.int_], NDArray[np.bool_]]:
    """Return the colors of the whole response, and which pixels are nearly opaque."""
    cutout = np.asarray(cutout_of(service.upload(data, crop="false", edges="raw"))).astype(int)
    return cutout[..., :3], cutout[..., 3] > 200


def assert_converted(
    service: Server, data: bytes, to_light: Callable[[Light], Light], matrix: Light | None = None
) -> None:
    """The response must have the colors that the formulas make of those that are stored."""
    colors, visible = shown(service, data)
    stored = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert visible.mean() > 0.05
    difference = np.abs(colors - converted(stored, to_light, matrix))[visible]
    assert difference.max() <= 3
    assert difference.mean() < 0.5


@pytest.mark.parametrize("gamma", [100_000, 55_556])
def test_gamma_is_converted(gamma: int, service: Server, unharmed: None) -> None:
    assert_converted(service, png_with(PHOTO, gama(gamma)), light_of_power(gamma / 100_000))


@pytest.mark.parametrize("kind", ["PNG", "AVIF"])
@pytest.mark.parametrize(("primaries", "transfer", "to_light", "matrix"), CODES)
def test_codes_are_converted(
    kind: str,
    primaries: int,
    transfer: int,
    to_light: Callable[[Light], Light],
    matrix: Light | None,
    service: Server,
    unharmed: None,
) -> None:
    if kind == "PNG":
        data = png_with(PHOTO, cicp(primaries, transfer))
    else:
        data = avif_with(PHOTO, primaries, transfer)
    assert_converted(service, data, to_light, matrix)


@pytest.mark.parametrize("kind", ["MPO", "Ultra HDR"])
def test_of_several_images_the_base_image_is_shown(
    kind: str, service: Server, unharmed: None
) -> None:
    base = encoded(PHOTO, "JPEG", quality=90)
    other = encoded(Image.new("RGB", PHOTO.size, BLUE), "JPEG")
    data = multi_picture(base, other) if kind == "MPO" else ultra_hdr(base, other)
    assert service.upload(data).content == service.upload(base).content


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "jpeg"])
def test_a_tiff_in_cmyk_keeps_its_colors(
    compression: str | None, service: Server, unharmed: None
) -> None:
    data = encoded(PHOTO.convert("CMYK"), "TIFF", compression=compression)
    colors, visible = shown(service, data)
    assert visible.mean() > 0.05
    assert np.abs(colors - LEVELS)[visible].mean() < (8 if compression == "jpeg" else 1)


@pytest.mark.parametrize("start", [b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"])
def test_jpeg_xl_is_refused_by_its_name(start: bytes, service: Server, unharmed: None) -> None:
    response = service.upload(start + bytes(100))
    assert_error(response, 422, "unsupported_image_type")
    assert "JPEG XL" in response.json()["error"]
