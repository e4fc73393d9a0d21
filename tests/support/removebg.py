"""Talk to the routes of remove.bg's API, and check what every response of theirs has."""

import io
import re
from collections.abc import Mapping
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.mask.matte import VISIBLE_ALPHA
from tests.support.serving import Server

REMOVEBG, ACCOUNT = "/v1.0/removebg", "/v1.0/account"

# The size of the fixture `small`.
WIDTH, HEIGHT = 240, 200

_RATE_LIMIT = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
_DESCRIBED = ("X-Width", "X-Height", "X-Max-Width", "X-Max-Height", "X-Credits-Charged")
_POSITION = ("Top", "Left", "Width", "Height")


def send(
    server: Server,
    image: bytes | None = None,
    fields: Mapping[str, str] | None = None,
    backdrop: bytes | None = None,
    headers: dict[str, str] | None = None,
    **more: str,
) -> httpx.Response:
    """POST a form with an image, `fields` and `more` fields, as remove.bg's samples do."""
    files = {"image_file": ("blob", image), "bg_image_file": ("blob", backdrop)}
    parts: Any = {name: file for name, file in files.items() if file[1] is not None}
    data = {**(fields or {}), **more}
    return server.request("POST", REMOVEBG, files=parts, data=data, headers=headers)


def image_of(response: httpx.Response) -> Image.Image:
    """Decode the image of a response, which must have one and every header that clients read."""
    assert response.status_code == 200, response.text
    assert_described(response)
    image = Image.open(io.BytesIO(response.content))
    image.load()
    assert image.format is not None
    assert response.headers["content-type"] == f"image/{image.format.lower()}"
    assert image.size == (int(response.headers["X-Width"]), int(response.headers["X-Height"]))
    return image


def alpha_of(image: Image.Image) -> NDArray[np.uint8]:
    """Return the alpha of an image: uint8 (height, width)."""
    return np.asarray(image.getchannel("A"))


def visible_box(image: Image.Image) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of what is visible in an image."""
    box = image.getchannel("A").point(lambda alpha: 255 * (alpha >= VISIBLE_ALPHA)).getbbox()
    assert box is not None
    return box


def assert_described(response: httpx.Response) -> None:
    """Assert that a 200 has the headers of remove.bg, with numbers where clients expect them."""
    headers = response.headers
    names = (*_DESCRIBED, *_RATE_LIMIT, *(f"X-Foreground-{name}" for name in _POSITION))
    for name in names:
        assert int(headers[name]) >= 0, name
    assert headers["X-Credits-Charged"] == "0"


def foreground(response: httpx.Response) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of the subject in the source."""
    top, left, width, height = (int(response.headers[f"X-Foreground-{name}"]) for name in _POSITION)
    return left, top, left + width, top + height


def assert_failed(response: httpx.Response, status: int, code: str) -> dict[str, str]:
    """Assert that a response has the shape of remove.bg's errors, and no internals."""
    assert response.status_code == status, response.text
    body = response.json()
    assert body.keys() == {"errors"}
    (error,) = body["errors"]
    assert error.keys() == {"title", "code", "detail"}
    assert error["code"] == code, response.text
    assert all(isinstance(value, str) and value for value in error.values())
    assert not re.search(r"127\.0\.0\.1|Traceback|/[a-z]+/[a-z]+\.py|0x[0-9a-f]{6}", response.text)
    assert all(int(response.headers[name]) >= 0 for name in _RATE_LIMIT)
    assert ("retry-after" in response.headers) == (status in (429, 503))
    found: dict[str, str] = error
    return found
