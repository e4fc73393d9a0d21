"""remove.bg's crop, crop_margin, scale and position through the running service."""

from collections.abc import Callable

import httpx
import pytest
from PIL import Image

from tests.support.removebg import (
    HEIGHT,
    WIDTH,
    assert_failed,
    foreground,
    image_of,
    send,
    visible_box,
)
from tests.support.serving import Server

pytestmark = [pytest.mark.sampled, pytest.mark.usefixtures("unharmed")]


@pytest.mark.parametrize("value", ["true", "True", "1"])
def test_crop(service: Server, small: bytes, plain: httpx.Response, value: str) -> None:
    response = send(service, small, crop=value)
    image = image_of(response)
    left, top, right, bottom = foreground(response)
    assert image.size == (right - left, bottom - top)
    assert visible_box(image) == (0, 0, *image.size)
    assert foreground(plain) == (left, top, right, bottom)
    assert visible_box(image_of(plain)) == (left, top, right, bottom)


@pytest.mark.parametrize("value", ["false", "False", "0", ""])
def test_crop_is_off_otherwise(service: Server, small: bytes, value: str) -> None:
    image = image_of(send(service, small, crop=value, crop_margin="50px"))
    assert image.size == (WIDTH, HEIGHT)


@pytest.mark.parametrize(
    ("margin", "added"),
    [
        ("0", lambda side: (0, 0, 0, 0)),
        ("30px", lambda side: (30, 30, 30, 30)),
        ("30", lambda side: (30, 30, 30, 30)),
        ("10%", lambda side: (0.1 * side[1], 0.1 * side[0], 0.1 * side[1], 0.1 * side[0])),
        ("500px 0", lambda side: (500, 0, 500, 0)),
        ("1px 2px 3px 4px", lambda side: (1, 2, 3, 4)),
        ("50% 0px 10px 0", lambda side: (0.5 * side[1], 0, 10, 0)),
    ],
)
def test_crop_margin(
    service: Server,
    small: bytes,
    cropped: Image.Image,
    margin: str,
    added: Callable[[tuple[int, int]], tuple[float, float, float, float]],
) -> None:
    """Margins go past the image's edge, and are empty."""
    image = image_of(send(service, small, crop="true", crop_margin=margin))
    top, right, bottom, left = added(cropped.size)
    assert image.size == (
        int(cropped.width + left + right + 0.5),
        int(cropped.height + top + bottom + 0.5),
    )
    corner = int(left + 0.5), int(top + 0.5)
    assert visible_box(image) == (*corner, corner[0] + cropped.width, corner[1] + cropped.height)


@pytest.mark.parametrize("margin", ["51%", "501px", "1 2 3", "x", "-1px"])
def test_crop_margin_is_limited(service: Server, small: bytes, margin: str) -> None:
    response = send(service, small, crop="true", crop_margin=margin)
    assert_failed(response, 400, "invalid_crop_margin")


@pytest.mark.parametrize("scale", ["100%", "50%", "10%"])
def test_scale(service: Server, small: bytes, scale: str) -> None:
    """The subject fills that share of the canvas, in its middle."""
    image = image_of(send(service, small, scale=scale))
    assert image.size == (WIDTH, HEIGHT)
    left, top, right, bottom = visible_box(image)
    share = max((right - left) / WIDTH, (bottom - top) / HEIGHT)
    assert share == pytest.approx(int(scale[:-1]) / 100, abs=0.02)
    assert (left + right) / 2 == pytest.approx(WIDTH / 2, abs=2)
    assert (top + bottom) / 2 == pytest.approx(HEIGHT / 2, abs=2)


def test_scale_original_changes_nothing(
    service: Server, small: bytes, plain: httpx.Response
) -> None:
    assert send(service, small, scale="original").content == plain.content


def test_scale_keeps_a_cropped_canvas(service: Server, small: bytes, cropped: Image.Image) -> None:
    image = image_of(send(service, small, crop="true", scale="50%"))
    assert image.size == cropped.size
    left, _, right, _ = visible_box(image)
    assert (right - left) / cropped.width == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("scale", ["9%", "101%", "half"])
def test_scale_is_limited(service: Server, small: bytes, scale: str) -> None:
    assert_failed(send(service, small, scale=scale), 400, "invalid_scale")


@pytest.mark.parametrize(
    ("position", "shares", "scale"),
    [
        ("center", (0.5, 0.5), "original"),
        ("0%", (0.0, 0.0), "original"),
        ("100%", (1.0, 1.0), "original"),
        ("0% 100%", (0.0, 1.0), "40%"),
        ("25% 75%", (0.25, 0.75), "40%"),
    ],
)
def test_position(
    service: Server, small: bytes, position: str, shares: tuple[float, float], scale: str
) -> None:
    """0 % touches left and top, 100 % right and bottom; the canvas stays."""
    image = image_of(send(service, small, position=position, scale=scale))
    assert image.size == (WIDTH, HEIGHT)
    left, top, right, bottom = visible_box(image)
    # The faintest pixels of the subject's box may not be visible.
    assert left == pytest.approx(shares[0] * (WIDTH - (right - left)), abs=2.5)
    assert top == pytest.approx(shares[1] * (HEIGHT - (bottom - top)), abs=2.5)


def test_position_original_changes_nothing(
    service: Server, small: bytes, plain: httpx.Response
) -> None:
    assert send(service, small, position="original").content == plain.content


@pytest.mark.parametrize("position", ["left", "101%", "1% 2% 3%"])
def test_position_is_limited(service: Server, small: bytes, position: str) -> None:
    assert_failed(send(service, small, position=position), 400, "invalid_position")
