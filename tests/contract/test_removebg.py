"""remove.bg's API through the running service: every parameter, and every value of its table."""

import io
import zipfile
from collections.abc import Callable

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageColor

from serving.removebg.parameters import TYPES
from tests.support.images import BLUE, encoded
from tests.support.removebg import assert_failed, foreground, image_of, send
from tests.support.serving import Server
from tests.support.source import Source

pytestmark = pytest.mark.usefixtures("unharmed")

WIDTH, HEIGHT = 240, 200


@pytest.fixture(scope="session")
def small(photo: bytes) -> bytes:
    """The sample at 240 × 200 pixels, on a wider gray background: its subject has room."""
    image = Image.new("RGB", (WIDTH, HEIGHT), (128, 128, 128))
    subject = Image.open(io.BytesIO(photo)).crop((130, 0, 330, 240)).resize((100, 120))
    image.paste(subject, (60, 50))
    return encoded(image, "JPEG", quality=90)


@pytest.fixture(scope="session")
def plain(service: Server, small: bytes) -> httpx.Response:
    """The response without any parameter."""
    return send(service, small)


@pytest.fixture(scope="session")
def cropped(service: Server, small: bytes) -> Image.Image:
    """The image with `crop` alone."""
    return image_of(send(service, small, crop="true"))


def resized(photo: bytes, width: int, height: int) -> bytes:
    return encoded(Image.open(io.BytesIO(photo)).resize((width, height)), "JPEG", quality=60)


def alpha_of(image: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(image.getchannel("A"))


def side_of(image: Image.Image) -> tuple[int, int, int, int]:
    """Return the box of what is visible in an image."""
    box = image.getchannel("A").point(lambda alpha: 255 * (alpha >= 10)).getbbox()
    assert box is not None
    return box


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


@pytest.mark.parametrize("value", ["true", "True", "1"])
def test_crop(service: Server, small: bytes, plain: httpx.Response, value: str) -> None:
    response = send(service, small, crop=value)
    image = image_of(response)
    left, top, right, bottom = foreground(response)
    assert image.size == (right - left, bottom - top)
    assert side_of(image) == (0, 0, *image.size)
    assert foreground(plain) == (left, top, right, bottom)
    assert side_of(image_of(plain)) == (left, top, right, bottom)


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
    assert side_of(image) == (*corner, corner[0] + cropped.width, corner[1] + cropped.height)


@pytest.mark.parametrize("margin", ["51%", "501px", "1 2 3", "x", "-1px"])
def test_crop_margin_is_limited(service: Server, small: bytes, margin: str) -> None:
    response = send(service, small, crop="true", crop_margin=margin)
    assert_failed(response, 400, "invalid_crop_margin")


@pytest.mark.parametrize("scale", ["100%", "50%", "10%"])
def test_scale(service: Server, small: bytes, scale: str) -> None:
    """The subject fills that share of the canvas, in its middle."""
    image = image_of(send(service, small, scale=scale))
    assert image.size == (WIDTH, HEIGHT)
    left, top, right, bottom = side_of(image)
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
    left, _, right, _ = side_of(image)
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
    left, top, right, bottom = side_of(image)
    assert left == pytest.approx(shares[0] * (WIDTH - (right - left)), abs=1.5)
    assert top == pytest.approx(shares[1] * (HEIGHT - (bottom - top)), abs=1.5)


def test_position_original_changes_nothing(
    service: Server, small: bytes, plain: httpx.Response
) -> None:
    assert send(service, small, position="original").content == plain.content


@pytest.mark.parametrize("position", ["left", "101%", "1% 2% 3%"])
def test_position_is_limited(service: Server, small: bytes, position: str) -> None:
    assert_failed(send(service, small, position=position), 400, "invalid_position")


def test_channels(service: Server, small: bytes, plain: httpx.Response) -> None:
    assert send(service, small, channels="rgba").content == plain.content
    alpha = image_of(send(service, small, channels="alpha"))
    assert alpha.mode == "L"
    assert np.array_equal(np.asarray(alpha), alpha_of(image_of(plain)))
    opaque = image_of(send(service, small, channels="alpha", bg_color="red"))
    assert (opaque.mode, opaque.getextrema()) == ("L", (255, 255))


def test_channels_is_one_of_the_table(service: Server, small: bytes) -> None:
    assert_failed(send(service, small, channels="rgb"), 400, "invalid_channels")


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
