"""PNG and AVIF that declare their color space by numbers, compared with the formulas."""

import io
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.image.declared_color import declared_profile
from pipeline.image.decode import decode
from tests.support.color_files import (
    ADOBE_POINTS,
    BT709,
    BT2020,
    LINEAR,
    P3,
    PQ,
    SRGB,
    SRGB_POINTS,
    UNSPECIFIED,
    avif_with,
    chrm,
    cicp,
    gama,
    png_with,
)
from tests.support.color_formulas import (
    CODES,
    FROM_ADOBE,
    FROM_P3,
    Light,
    converted,
    light_of_power,
    light_of_pq,
    light_of_srgb,
)
from tests.support.image_files import chunk
from tests.support.images import MAX_PIXELS, encoded, quadrants

# Six levels of each channel, and a ramp of gray: 12 × 20 pixels, with colors outside of sRGB.
_CUBE = np.stack(np.meshgrid(*[np.linspace(0, 255, 6)] * 3), axis=-1).reshape(-1, 3)
_RAMP = np.repeat(np.linspace(0, 255, 24)[:, np.newaxis], 3, axis=1)
LEVELS = np.round(np.concatenate([_CUBE, _RAMP])).astype(np.uint8).reshape(12, 20, 3)
COLORS = Image.fromarray(LEVELS)
GRAY = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))


def decoded(data: bytes) -> NDArray[np.int_]:
    return np.asarray(decode(data, MAX_PIXELS).rgb()).astype(int)


def is_close(samples: NDArray[np.int_], expected: NDArray[np.int_], within: int = 1) -> bool:
    return bool(np.abs(samples - expected).max() <= within)


@pytest.mark.parametrize("number", [35_000, 50_000, 55_556, 70_000, 100_000, 250_000])
@pytest.mark.parametrize("points", [None, SRGB_POINTS])
def test_gamma_is_applied(number: int, points: tuple[int, ...] | None) -> None:
    chunks = [gama(number), *([chrm(points)] if points else [])]
    expected = converted(LEVELS, light_of_power(number / 100_000))
    assert is_close(decoded(png_with(COLORS, *chunks)), expected)


def test_gamma_is_applied_to_gray_palettes_and_images_with_alpha() -> None:
    as_colors = np.asarray(GRAY.convert("RGB"))
    expected = converted(as_colors, light_of_power(1))
    clear = GRAY.copy()
    clear.putalpha(GRAY)
    deep = Image.fromarray(np.asarray(GRAY).astype(np.uint16) * 257)
    for image in (GRAY, clear, deep, GRAY.convert("P")):
        assert is_close(decoded(png_with(image, gama(100_000))), expected), image.mode
    palette = COLORS.quantize(240)
    expected = converted(np.asarray(palette.convert("RGB")), light_of_power(1))
    assert is_close(decoded(png_with(palette, gama(100_000))), expected)


@pytest.mark.parametrize(
    "chunks",
    [
        [gama(45_455)],
        [gama(47_000)],
        [gama(45_455), chrm(SRGB_POINTS)],
        [gama(100_000), chunk(b"sRGB", b"\0")],
        [chrm(ADOBE_POINTS)],
        [gama(0)],
        [gama(1)],
        [gama(600_000)],
        [gama(45_455), chrm((0,) * 8)],
        [gama(45_455), chrm((*SRGB_POINTS[:6], 64_000, 33_000))],
        [gama(45_455), chrm((70_000, 29_000, *SRGB_POINTS[2:]))],
        [gama(45_455), chrm((31_270, 32_900, *[4_000_000_000] * 6))],
        [cicp(BT709, SRGB), gama(100_000)],
        [cicp(P3, SRGB, is_full_range=0)],
        [cicp(P3, SRGB, matrix=1)],
        [cicp(22, SRGB)],
        [cicp(UNSPECIFIED, PQ)],
        [cicp(BT2020, LINEAR)],
        [chunk(b"cICP", b"\x0c\x0d\0")],
        [],
    ],
)
def test_these_declare_srgb_or_nothing_that_is_known(chunks: list[bytes]) -> None:
    assert np.array_equal(decoded(png_with(COLORS, *chunks)), LEVELS)


def test_chromaticities_are_applied_with_gamma() -> None:
    data = png_with(COLORS, gama(45_455), chrm(ADOBE_POINTS))
    expected = converted(LEVELS, light_of_power(0.45455), FROM_ADOBE)
    assert is_close(decoded(data), expected)


def test_another_white_becomes_white() -> None:
    """Under D50, with the primaries of BT.709."""
    data = png_with(GRAY, gama(100_000), chrm((34_567, 35_850, *SRGB_POINTS[2:])))
    expected = converted(np.asarray(GRAY.convert("RGB")), light_of_power(1))
    assert is_close(decoded(data), expected)


@pytest.mark.parametrize(("primaries", "transfer", "to_light", "matrix"), CODES)
def test_codes_are_applied(
    primaries: int, transfer: int, to_light: Callable[[Light], Light], matrix: Light | None
) -> None:
    """The curve of a profile has 4,096 points, which is least exact in the dark."""
    expected = converted(LEVELS, to_light, matrix)
    assert is_close(decoded(png_with(COLORS, cicp(primaries, transfer))), expected, within=2)
    avif = avif_with(COLORS, primaries, transfer)
    stored = np.asarray(Image.open(io.BytesIO(avif)).convert("RGB"))  # encoding changes them a bit
    assert is_close(decoded(avif), converted(stored, to_light, matrix), within=2)


def test_codes_are_applied_to_gray_and_to_images_with_alpha() -> None:
    as_colors = np.asarray(GRAY.convert("RGB"))
    expected = converted(as_colors, light_of_pq)
    assert is_close(decoded(png_with(GRAY, cicp(BT2020, PQ))), expected, within=2)
    clear = COLORS.copy()
    clear.putalpha(200)
    expected = converted(LEVELS, light_of_srgb, FROM_P3)
    source = decode(png_with(clear, cicp(P3, SRGB)), MAX_PIXELS)
    assert is_close(np.asarray(source.rgb()).astype(int), expected)
    assert source.alpha is not None
    assert source.alpha.getextrema() == (200, 200)


def test_a_profile_has_precedence_over_gamma_and_codes_over_a_profile(wide_gamut: bytes) -> None:
    """PNG 3rd edition, 4.3."""
    profile = chunk(b"iCCP", b"name\0\0" + zlib.compress(wide_gamut))
    by_profile = decoded(png_with(COLORS, profile))
    assert not np.array_equal(by_profile, LEVELS)
    assert np.array_equal(decoded(png_with(COLORS, gama(100_000), profile)), by_profile)
    assert np.array_equal(decoded(png_with(COLORS, cicp(BT709, SRGB), profile)), LEVELS)
    by_codes = converted(LEVELS, light_of_srgb, FROM_P3)
    assert is_close(decoded(png_with(COLORS, cicp(P3, SRGB), profile)), by_codes)
    assert np.array_equal(decoded(png_with(COLORS, cicp(22, SRGB), profile)), by_profile)


def test_gamma_counts_if_the_profile_cannot_be_unpacked() -> None:
    broken = chunk(b"iCCP", b"name\0\0no profile")
    expected = converted(LEVELS, light_of_power(1))
    assert is_close(decoded(png_with(COLORS, broken, gama(100_000))), expected)


def test_unspecified_primaries_of_an_avif_are_those_of_srgb() -> None:
    with_pq = decoded(avif_with(COLORS, BT709, PQ))
    assert np.array_equal(decoded(avif_with(COLORS, UNSPECIFIED, PQ)), with_pq)
    assert not np.array_equal(with_pq, decoded(avif_with(COLORS, UNSPECIFIED, UNSPECIFIED)))


def test_the_profile_of_an_avif_has_precedence(wide_gamut: bytes) -> None:
    data = encoded(COLORS, "AVIF", icc_profile=wide_gamut, speed=10)
    assert declared_profile("AVIF", avif_with(COLORS, P3, SRGB), wide_gamut) is None
    assert declared_profile("AVIF", data, None) is None


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_other_formats_have_no_such_numbers(kind: str) -> None:
    assert declared_profile(kind, encoded(quadrants(), kind), None) is None


@pytest.mark.parametrize("name", ["seine_hdr_rec2020.avif", "seine_hdr_gainmap_small_srgb.avif"])
def test_a_real_photo_of_high_dynamic_range_looks_like_its_sdr_version(
    name: str, data: Path
) -> None:
    """Unconverted, it is dark and pale. What is brighter than white remains different."""
    folder = data / "corpus" / "libavif"
    expected = decoded((folder / "seine_sdr_gainmap_srgb.avif").read_bytes())
    raw = np.asarray(Image.open(folder / name).convert("RGB")).astype(int)
    difference = np.abs(decoded((folder / name).read_bytes()) - expected).mean()
    assert difference < 0.6 * np.abs(raw - expected).mean()
