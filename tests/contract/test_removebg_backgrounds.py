"""remove.bg's backgrounds, shadows and semitransparency through the running service."""

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageColor

from tests.support.images import BLUE, encoded
from tests.support.removebg import HEIGHT, WIDTH, alpha_of, assert_failed, image_of, send
from tests.support.serving import Server
from tests.support.source import Source

pytestmark = [pytest.mark.sampled, pytest.mark.usefixtures("unharmed")]


@pytest.mark.parametrize(
    "color", ["f00", "#f00", "00ff00", "#00FF00", "81d4fa77", "#0f08", "green", "RebeccaPurple"]
)
def test_bg_color(service: Server, small: bytes, color: str) -> None:
    image = image_of(send(service, small, bg_color=color, format="png")).convert("RGBA")
    spelled = color if color.lower() in ImageColor.colormap else f"#{color.lstrip('#')}"
    red, green, blue, *alpha = ImageColor.getrgb(spelled)
    assert image.getpixel((1, 1)) == (red, green, blue, alpha[0] if alpha else 255)


@pytest.mark.parametrize("color", ["12", "#12345", "no color"])
def test_bg_color_is_a_color(service: Server, small: bytes, color: str) -> None:
    assert_failed(send(service, small, bg_color=color), 400, "invalid_bg_color")


@pytest.fixture(scope="session")
def stripes(source: Source) -> bytes:
    """A background of blue, white and blue columns, which `source` has at /stripes.png."""
    image = Image.new("RGB", (300, 100), BLUE)
    image.paste("white", (100, 0, 200, 100))
    source.files["/stripes.png"] = encoded(image)
    return source.files["/stripes.png"]


def test_bg_image_file(service: Server, small: bytes, stripes: bytes) -> None:
    """It covers the canvas: of 300 × 100, the middle 120 columns are seen."""
    response = send(service, small, backdrop=stripes)
    image = image_of(response)
    assert (image.format, image.size) == ("JPEG", (WIDTH, HEIGHT))
    first_row = np.asarray(image)[2].astype(int)
    assert np.abs(first_row[2] - BLUE).max() < 12
    assert np.abs(first_row[WIDTH // 2] - 255).max() < 12


def test_bg_image_url(service: Server, source: Source, small: bytes, stripes: bytes) -> None:
    by_url = send(service, small, bg_image_url=source.url("/stripes.png"))
    assert by_url.content == send(service, small, backdrop=stripes).content


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/status/404", "failed_bg_download"),
        ("/gzip", "failed_bg_download"),
        ("http://169.254.169.254/", "invalid_bg_image_url"),
        ("ftp://a.com/x", "invalid_bg_image_url"),
    ],
)
def test_bg_image_url_is_guarded(
    service: Server, source: Source, small: bytes, path: str, code: str
) -> None:
    url = path if "://" in path else source.url(path)
    assert_failed(send(service, small, bg_image_url=url), 400, code)


def test_bg_image_file_must_be_an_image(service: Server, small: bytes) -> None:
    error = assert_failed(send(service, small, backdrop=b"<svg/>"), 400, "invalid_file_type")
    assert "background" in error["title"]


def test_only_one_background(service: Server, small: bytes, stripes: bytes) -> None:
    response = send(service, small, backdrop=stripes, bg_color="red")
    assert_failed(response, 400, "multiple_bg_sources")


def test_semitransparency(service: Server, small: bytes, plain: httpx.Response) -> None:
    soft = alpha_of(image_of(plain))
    assert send(service, small, semitransparency="true").content == plain.content
    solid = alpha_of(image_of(send(service, small, semitransparency="false")))
    partial = ((soft > 0) & (soft < 255)).sum(), ((solid > 0) & (solid < 255)).sum()
    assert 0 < partial[1] < 0.6 * partial[0]
    assert (solid[soft > 160] == 255).all()


@pytest.mark.parametrize("kind", ["drop", "3D", "car", "auto"])
def test_shadow_type(service: Server, small: bytes, plain: httpx.Response, kind: str) -> None:
    """A shadow is black, outside the subject, and the subject stays as it is."""
    without = np.asarray(image_of(plain))
    shadowed = np.asarray(image_of(send(service, small, shadow_type=kind)))
    is_shadow = (without[..., 3] == 0) & (shadowed[..., 3] > 20)
    assert is_shadow.sum() > 100
    assert not shadowed[is_shadow][:, :3].any()
    inside = without[..., 3] == 255
    assert np.array_equal(shadowed[inside], without[inside])


def test_shadow_type_none_and_the_shadow_of_another_type(
    service: Server, small: bytes, plain: httpx.Response
) -> None:
    assert send(service, small, shadow_type="none").content == plain.content
    by_type = {"shadow_type[car]": "drop"}
    assert send(service, small, by_type, type="person").content == plain.content
    assert send(service, small, by_type, type="car").content != plain.content


def test_shadow_opacity(service: Server, small: bytes, plain: httpx.Response) -> None:
    outside = alpha_of(image_of(plain)) == 0

    def darkness(opacity: str) -> NDArray[np.uint8]:
        fields = {"shadow_type": "drop", "shadow_opacity": opacity}
        alpha = alpha_of(image_of(send(service, small, fields)))
        return np.where(outside, alpha, np.uint8(0))

    full = darkness("100")
    for opacity, share in (("0", 0), ("30", 0.3), ("auto", 0.5)):
        assert np.abs(darkness(opacity) - full * share).max() <= 2, opacity


@pytest.mark.parametrize(
    ("name", "value"),
    [("shadow_type", "round"), ("shadow_opacity", "101"), ("add_shadow", "perhaps")],
)
def test_shadows_are_limited(service: Server, small: bytes, name: str, value: str) -> None:
    assert_failed(send(service, small, {name: value}), 400, f"invalid_{name}")


def test_add_shadow(service: Server, small: bytes, plain: httpx.Response) -> None:
    """It is the old name of the shadow of a car, for cars alone."""
    assert send(service, small, type="person", add_shadow="true").content == plain.content
    car = send(service, small, type="car", add_shadow="true").content
    assert car == send(service, small, type="car", shadow_type="car").content
