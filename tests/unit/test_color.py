"""Pixels of every mode and profile become 8-bit sRGB and alpha."""

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from pipeline.image.color import alpha_of, normalize, prepare_srgb
from pipeline.image.decode import decode
from tests.support.images import MAX_PIXELS, RED, encoded, quadrants

FLOAT32 = np.finfo(np.float32)
RAMP = np.asarray(Image.linear_gradient("L"))[:, :64].copy()  # 256 rows, from 0 to 255


def decoded(image: Image.Image, kind: str = "PNG", **options: object) -> NDArray[np.int_]:
    """Encode and decode an image; return its RGB samples."""
    return np.asarray(decode(encoded(image, kind, **options), MAX_PIXELS).rgb()).astype(int)


def is_gray(samples: NDArray[np.int_], levels: NDArray[np.uint8]) -> bool:
    """Whether each of the three channels is `levels`."""
    return np.array_equal(samples, np.repeat(levels[..., np.newaxis], 3, axis=2))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_a_png_of_8_bits_or_fewer_keeps_its_levels(mode: str) -> None:
    image = Image.fromarray(RAMP).convert(mode)
    levels = np.asarray(image.convert("L"))
    assert len(np.unique(levels)) == (2 if mode == "1" else 256)
    assert is_gray(decoded(image), levels)


def test_a_png_of_16_bits_keeps_the_high_bytes() -> None:
    samples = RAMP.astype(np.uint16) * 256 + 255
    assert is_gray(decoded(Image.fromarray(samples)), RAMP)


@pytest.mark.parametrize("mode", ["I", "F"])
def test_a_tiff_of_32_bits_is_normalized(mode: str) -> None:
    assert is_gray(decoded(Image.fromarray(RAMP).convert(mode), "TIFF"), RAMP)


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr"])
def test_a_tiff_of_another_color_space_keeps_its_colors(mode: str) -> None:
    expected = np.asarray(quadrants()).astype(int)
    assert np.abs(decoded(quadrants().convert(mode), "TIFF") - expected).max() <= 1


def test_a_tiff_in_lab_is_converted() -> None:
    """sRGB's red is L* 54.3, a* 80.8, b* 69.9 under D50. With a* and b* of 0, L* alone is gray."""
    lab = np.array([[[138, 128 + 81, 128 + 70], [136, 128, 128], [0, 128, 128], [255, 128, 128]]])
    image = Image.merge("LAB", [Image.fromarray(lab[..., i].astype(np.uint8)) for i in range(3)])
    red, gray, black, white = decoded(image, "TIFF")[0]
    assert np.abs(red - RED).max() <= 6
    assert np.abs(gray - 127).max() <= 1
    assert black.max() <= 1
    assert white.min() >= 254


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
def test_floats_of_any_range_are_normalized(samples: list[float], expected: list[int]) -> None:
    with np.errstate(all="raise"):
        gray = normalize(Image.fromarray(np.array([samples], np.float32)))
    assert np.asarray(gray)[0].tolist() == expected


def test_integers_of_any_range_are_normalized() -> None:
    samples = np.array([[-(2**31), 0, 2**31 - 1]], np.int32)
    with np.errstate(all="raise"):
        gray = normalize(Image.fromarray(samples))
    assert np.asarray(gray)[0].tolist() == [0, 127, 255]


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_transparency_is_kept(kind: str) -> None:
    image = quadrants()
    image.putalpha(Image.linear_gradient("L").resize((40, 20)))
    alpha = decode(encoded(image, kind, lossless=True), MAX_PIXELS).alpha
    assert alpha is not None
    assert alpha.tobytes() == image.getchannel("A").tobytes()


def test_an_opaque_alpha_is_dropped() -> None:
    image = quadrants()
    image.putalpha(255)
    assert decode(encoded(image), MAX_PIXELS).alpha is None


@pytest.mark.parametrize(("mode", "key"), [("RGB", RED), ("L", 76), ("P", None)])
def test_a_color_key_is_transparency(mode: str, key: object) -> None:
    image = quadrants().convert(mode)
    key = image.getpixel((0, 0)) if mode == "P" else key
    alpha = decode(encoded(image, transparency=key), MAX_PIXELS).alpha
    assert alpha is not None
    red = np.zeros((20, 40), bool)
    red[:10, :20] = True
    assert np.array_equal(np.asarray(alpha), np.where(red, 0, 255))


def test_a_color_key_of_16_bits_is_transparency() -> None:
    samples = Image.fromarray(np.array([[0, 300, 65_535]], np.uint16))
    samples.info["transparency"] = 300
    alpha = alpha_of(samples)
    assert alpha is not None
    assert np.asarray(alpha)[0].tolist() == [255, 0, 255]


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert an image by Pillow's own function."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    target = ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
    assert converted is not None
    return converted


def test_a_profile_is_applied(wide_gamut: bytes) -> None:
    muted = quadrants().point(lambda sample: 60 + sample // 2)  # inside sRGB
    expected = to_srgb(muted, wide_gamut)
    assert expected.tobytes() != muted.tobytes()
    managed = decode(encoded(muted, icc_profile=wide_gamut), MAX_PIXELS).rgb()
    assert managed.tobytes() == expected.tobytes()


def test_the_profile_of_a_real_photo_is_applied(data: Path) -> None:
    file = data / "awkward" / "pillow_xmp_test_icc.jpg"
    with Image.open(file) as raw:
        expected = np.asarray(to_srgb(raw, raw.info["icc_profile"])).astype(int)
    managed = np.asarray(decode(file.read_bytes(), MAX_PIXELS).rgb())
    assert np.abs(managed - expected).max() <= 1


def test_the_profile_of_srgb_itself_changes_nothing() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = quadrants()
    image.info["icc_profile"] = srgb
    stored, convert = prepare_srgb(image)
    assert (stored.tobytes(), convert) == (quadrants().tobytes(), None)


def test_a_broken_profile_or_one_for_another_color_space_is_ignored(wide_gamut: bytes) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (b"no profile", srgb[:300]):
        image = decode(encoded(quadrants(), icc_profile=profile), MAX_PIXELS)
        assert image.rgb().tobytes() == quadrants().tobytes()
    gray = Image.fromarray(RAMP)  # the profile is for RGB
    assert is_gray(decoded(gray, icc_profile=wide_gamut), RAMP)
