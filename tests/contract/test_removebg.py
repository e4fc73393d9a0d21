"""remove.bg's API through the running service: size, type, format, roi and channels."""

import io
import zipfile

import httpx
import numpy as np
import pytest
from PIL import Image

from serving.removebg.parameters import TYPES
from tests.support.images import BLUE, encoded
from tests.support.removebg import (
    HEIGHT,
    WIDTH,
    alpha_of,
    assert_failed,
    foreground,
    image_of,
    send,
)
from tests.support.serving import Server

pytestmark = [pytest.mark.sampled, pytest.mark.usefixtures("unharmed")]


def resized(photo: bytes, width: int, height: int) -> bytes:
    return encoded(Image.open(io.BytesIO(photo)).resize((width, height)), "JPEG", quality=60)


@pytest.mark.parametrize(
    ("size", "most"),
    [
        *((name, 250_000) for name in ("preview", "small", "regular", None)),
        ("medium", 1_500_000),
        ("hd", 4_000_000),
        *((name, 4_300_000) for name in ("full", "4k", "auto", "50MP")),
    ],
)
def test_size(service: Server, photo: bytes, size: str | None, most: int) -> None:
    source = resized(photo, 2150, 2000)  # 4.3 megapixels
    fields = {} if size is None else {"size": size}
    response = send(service, source, fields, format="jpg")
    width, height = image_of(response).size
    assert 0.995 * most <= width * height <= most
    assert width / height == pytest.approx(2150 / 2000, abs=0.01)
    shown = response.headers["X-Max-Width"], response.headers["X-Max-Height"]
    assert shown == ("2150", "2000")


def test_size_keeps_a_smaller_image(plain: httpx.Response) -> None:
    assert image_of(plain).size == (WIDTH, HEIGHT)


def test_size_of_a_png_is_limited_to_10_megapixels(service: Server, photo: bytes) -> None:
    source = resized(photo, 3500, 3000)
    width, height = image_of(send(service, source, size="full", format="png")).size
    assert 9_950_000 <= width * height <= 10_000_000
    assert image_of(send(service, source, size="full", bg_color="fff")).size == (3500, 3000)


@pytest.mark.parametrize("size", ["huge", "1", "preview,full"])
def test_size_is_one_of_the_table(service: Server, small: bytes, size: str) -> None:
    assert_failed(send(service, small, size=size), 400, "invalid_size")


@pytest.mark.parametrize("kind", TYPES)
def test_type(service: Server, small: bytes, kind: str) -> None:
    response = send(service, small, type=kind)
    image_of(response)
    assert response.headers["X-Type"] == ("other" if kind == "auto" else kind)


@pytest.mark.parametrize(
    ("level", "shown"), [("none", None), ("1", "car"), ("2", "car"), ("latest", "car")]
)
def test_type_level(service: Server, small: bytes, level: str, shown: str | None) -> None:
    response = send(service, small, type="car", type_level=level)
    image_of(response)
    assert response.headers.get("X-Type") == shown


@pytest.mark.parametrize(
    ("fields", "kind", "mode"),
    [
        ({"format": "auto"}, "PNG", "RGBA"),
        ({"format": "auto", "bg_color": "fff"}, "JPEG", "RGB"),
        ({"format": "auto", "bg_color": "fff8"}, "PNG", "RGBA"),
        ({"format": "png"}, "PNG", "RGBA"),
        ({"format": "png", "bg_color": "fff"}, "PNG", "RGB"),
        ({"format": "jpg"}, "JPEG", "RGB"),
        ({"format": "webp"}, "WEBP", "RGBA"),
        ({"format": "webp", "bg_color": "fff"}, "WEBP", "RGB"),
    ],
)
def test_format(
    service: Server, small: bytes, fields: dict[str, str], kind: str, mode: str
) -> None:
    image = image_of(send(service, small, fields))
    assert (image.format, image.mode) == (kind, mode)


@pytest.mark.parametrize("background", [None, "0000ff"])
def test_format_zip(
    service: Server, small: bytes, plain: httpx.Response, background: str | None
) -> None:
    fields = {} if background is None else {"bg_color": background}
    response = send(service, small, fields, format="zip")
    assert response.headers["content-type"] == "application/zip"
    archive = zipfile.ZipFile(io.BytesIO(response.content))
    assert archive.namelist() == ["color.jpg", "alpha.png"]
    color, alpha = (Image.open(archive.open(name)) for name in archive.namelist())
    assert (color.mode, color.size, alpha.mode) == ("RGB", alpha.size, "L")
    if background is None:
        assert np.array_equal(np.asarray(alpha), alpha_of(image_of(plain)))
    else:
        assert alpha.getextrema() == (255, 255)
        assert np.abs(np.asarray(color)[2, 2] - np.array(BLUE)).max() <= 5


def test_format_is_one_of_the_table(service: Server, small: bytes) -> None:
    assert_failed(send(service, small, format="gif"), 400, "invalid_format")


@pytest.mark.parametrize(
    "roi", ["0% 0% 50% 100%", "0 0 120 200", "120px 200px 0px 0px", "0px 0% 50% 200px"]
)
def test_roi(service: Server, small: bytes, roi: str) -> None:
    response = send(service, small, roi=roi)
    alpha = alpha_of(image_of(response))
    assert alpha[:, :120].max() == 255
    assert not alpha[:, 120:].any()
    assert foreground(response)[2] <= 120


@pytest.mark.parametrize(
    ("roi", "code"),
    [
        ("0 0 241 200", "roi_exceeds_bounds"),
        ("0% 0% 100% 101%", "roi_exceeds_bounds"),
        ("10 10 10 100", "roi_region_empty"),
        ("0% 50% 100% 50%", "roi_region_empty"),
        ("0 0 10", "invalid_roi"),
        ("left top right bottom", "invalid_roi"),
        ("0% 0% 20% 10%", "unknown_foreground"),
    ],
)
def test_roi_must_fit(service: Server, small: bytes, roi: str, code: str) -> None:
    assert_failed(send(service, small, roi=roi), 400, code)


def test_channels(service: Server, small: bytes, plain: httpx.Response) -> None:
    assert send(service, small, channels="rgba").content == plain.content
    alpha = image_of(send(service, small, channels="alpha"))
    assert alpha.mode == "L"
    assert np.array_equal(np.asarray(alpha), alpha_of(image_of(plain)))
    opaque = image_of(send(service, small, channels="alpha", bg_color="red"))
    assert (opaque.mode, opaque.getextrema()) == ("L", (255, 255))


def test_channels_is_one_of_the_table(service: Server, small: bytes) -> None:
    assert_failed(send(service, small, channels="rgb"), 400, "invalid_channels")
