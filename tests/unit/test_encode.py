"""Cutouts and masks in the formats that clients receive."""

import io
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.image.box import Box
from pipeline.image.encode import encode
from pipeline.image.layer import FrameLayer, Render
from pipeline.image.source_image import SourceImage
from pipeline.image.strips import Strips
from pipeline.options import Options

RANDOM = np.random.default_rng(3)
COLORS = RANDOM.integers(0, 256, (30, 40, 3), dtype=np.uint8)
ALPHA = RANDOM.integers(0, 256, (20, 25), dtype=np.uint8)
ALPHA[:5] = 0
ALPHA[5:8] = 255
FRAME = Box(10, 5, 25, 20)
INSIDE = COLORS[5:25, 10:35]


def rendering(alpha: NDArray[np.uint8], frame: Box) -> Render:
    """Return what renders the alpha of a frame, and leaves the colors as they are."""

    def render(box: Box, _: object) -> NDArray[np.uint8]:
        left, top = box.left - frame.left, box.top - frame.top
        return np.ascontiguousarray(alpha[top : top + box.height, left : left + box.width])

    return render


LAYER = FrameLayer(SourceImage(Image.fromarray(COLORS)), rendering(ALPHA, FRAME), FRAME)


def result(**options: Any) -> Image.Image:
    return Image.open(io.BytesIO(encode(LAYER, Options(**options))))


def test_a_cutout_has_straight_alpha_and_no_hidden_color() -> None:
    image = result()
    assert (image.format, image.mode, image.size) == ("PNG", "RGBA", (25, 20))
    pixels = np.asarray(image)
    assert np.array_equal(pixels[..., 3], ALPHA)
    assert np.array_equal(pixels[ALPHA > 0][:, :3], INSIDE[ALPHA > 0])
    assert not pixels[ALPHA == 0].any()


def test_a_mask_is_the_alpha() -> None:
    image = result(output="mask")
    assert image.mode == "L"
    assert np.array_equal(np.asarray(image), ALPHA)


@pytest.mark.parametrize(
    ("color", "rgb"),
    [("#f80", (255, 136, 0)), ("#102030", (16, 32, 48)), ("#ABCDEFff", (171, 205, 239))],
)
def test_an_opaque_background_is_blended_in(color: str, rgb: tuple[int, int, int]) -> None:
    image = result(background=color)
    assert image.mode == "RGB"
    weight = ALPHA[..., np.newaxis] / 255
    assert np.abs(np.asarray(image) - (INSIDE * weight + np.array(rgb) * (1 - weight))).max() <= 1


def test_a_translucent_background_shows_behind_the_cutout() -> None:
    pixels = np.asarray(result(background="#00ff0080")).astype(int)
    assert pixels[0, 0].tolist() == [0, 255, 0, 128]
    assert np.array_equal(pixels[5:8, :, :3], INSIDE[5:8])
    assert (pixels[5:8, :, 3] == 255).all()
    assert np.abs(pixels[..., 3] - (ALPHA + 128 * (1 - ALPHA / 255))).max() <= 1
    assert not np.asarray(result(background="#ffffff00"))[0].any()


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (333, 257), (700, 1001)])
@pytest.mark.parametrize(
    "options", [{}, {"output": "mask"}, {"background": "#123"}, {"background": "#11223344"}]
)
def test_an_image_in_strips_is_one_valid_file(
    size: tuple[int, int], options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pillow and OpenCV's libpng, which share no code, decode it alike."""
    noise = np.random.default_rng(11).integers(0, 256, (size[1], size[0], 4), dtype=np.uint8)
    frame = Box(0, 0, *size)
    image = SourceImage(Image.fromarray(noise[..., :3]), strips=Strips(2))
    layer = FrameLayer(image, rendering(noise[..., 3], frame), frame)
    whole = encode(layer, Options(**options))
    monkeypatch.setattr("pipeline.image.strips._STRIP_PIXELS", 3000)
    in_strips = encode(layer, Options(**options))
    pillow = np.asarray(Image.open(io.BytesIO(in_strips)))
    opencv = cv2.imdecode(np.frombuffer(in_strips, np.uint8), cv2.IMREAD_UNCHANGED)
    assert opencv is not None
    if pillow.ndim == 3:
        opencv = opencv[..., [2, 1, 0, 3][: pillow.shape[2]]]
    assert np.array_equal(pillow, opencv)
    assert np.array_equal(pillow, np.asarray(Image.open(io.BytesIO(whole))))
    if not options:
        assert np.array_equal(pillow, noise * (noise[..., 3:] > 0))


def test_a_real_photo_is_decoded_alike_by_both(photo: bytes) -> None:
    image = SourceImage(Image.open(io.BytesIO(photo)))
    alpha = np.full(image.size[::-1], 255, np.uint8)
    frame = Box(3, 5, 501, 499)
    data = encode(FrameLayer(image, rendering(alpha[5:504, 3:504], frame), frame), Options())
    expected = np.asarray(image.rgb())[5:504, 3:504]
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")), expected)
    opencv = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert opencv is not None
    assert np.array_equal(opencv[..., ::-1], expected)


def test_a_webp_keeps_its_alpha() -> None:
    image = result(format="webp")
    assert (image.format, image.mode, image.size) == ("WEBP", "RGBA", (25, 20))
    assert np.array_equal(np.asarray(image)[..., 3], ALPHA)
    assert result(format="webp", output="mask").format == "WEBP"


@pytest.mark.parametrize(
    ("background", "behind"),
    [(None, (255, 255, 255)), ("#0080ff", (0, 128, 255)), ("#0000ff80", (127, 127, 255))],
)
def test_a_jpeg_is_on_the_background_over_white(
    background: str | None, behind: tuple[int, int, int]
) -> None:
    colors = Image.linear_gradient("L").resize((40, 30)).convert("RGB")
    alpha = np.asarray(Image.linear_gradient("L").rotate(90).resize((25, 20)))
    layer = FrameLayer(SourceImage(colors), rendering(alpha, FRAME), FRAME)
    image = Image.open(io.BytesIO(encode(layer, Options(format="jpeg", background=background))))
    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (25, 20))
    weight = alpha[..., np.newaxis] / 255
    inside = np.asarray(colors)[5:25, 10:35]
    expected = inside * weight + np.array(behind) * (1 - weight)
    assert np.abs(np.asarray(image) - expected).mean() < 2
    assert np.abs(np.asarray(image) - expected).max() < 16


def test_a_mask_may_be_a_grayscale_jpeg() -> None:
    alpha = np.asarray(Image.linear_gradient("L").resize((25, 20)))
    layer = FrameLayer(LAYER.image, rendering(alpha, FRAME), FRAME)
    options = Options(format="jpeg", output="mask", background="#f00")
    image = Image.open(io.BytesIO(encode(layer, options)))
    assert (image.format, image.mode, image.size) == ("JPEG", "L", (25, 20))
    assert np.abs(np.asarray(image).astype(int) - alpha).max() < 12


def test_only_the_pixels_of_the_source_are_written(photo: bytes) -> None:
    source = Image.fromarray(COLORS)
    source.info.update(
        comment="secret", icc_profile=b"secret", exif=b"Exif\0\0secret", xmp=b"secret"
    )
    layer = FrameLayer(SourceImage(source), LAYER.render, FRAME)
    for kind in ("png", "webp", "jpeg"):
        assert b"secret" not in encode(layer, Options(format=kind))
    chunks = {
        data[at + 4 : at + 8] for data in [encode(layer, Options())] for at in chunk_starts(data)
    }
    assert chunks == {b"IHDR", b"IDAT", b"IEND"}


def chunk_starts(png: bytes) -> list[int]:
    starts, at = [], 8
    while at < len(png):
        starts.append(at)
        at += 12 + int.from_bytes(png[at : at + 4], "big")
    return starts


def test_the_same_request_gives_the_same_bytes() -> None:
    for options in (
        Options(),
        Options(format="webp"),
        Options(format="jpeg"),
        Options(output="mask"),
    ):
        assert encode(LAYER, options) == encode(LAYER, options)


@pytest.mark.parametrize("options", [{}, {"background": "#123"}, {"background": "#11223344"}])
def test_cleaned_colors_are_written(options: dict[str, Any]) -> None:
    def render(box: Box, colors: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
        assert colors is not None
        colors[..., :3] = (1, 2, 3)
        return np.full((box.height, box.width), 255, np.uint8)

    data = encode(FrameLayer(LAYER.image, render, FRAME), Options(**options))
    assert (np.asarray(Image.open(io.BytesIO(data)))[..., :3] == (1, 2, 3)).all()
