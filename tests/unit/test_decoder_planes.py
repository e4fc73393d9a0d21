"""A large HEIC in 4:2:0 is kept as its own samples, and has the colors of its RGB."""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from pipeline.errors import ImageCorrupt, ImageTooLarge
from pipeline.image import decode as decoding
from pipeline.image.decode import decode
from pipeline.image.heif import decoder
from pipeline.image.heif.decoder import HeifDecoder
from pipeline.image.planes import Planes
from tests.support.avif_files import box, extent
from tests.support.heif_files import Item, coded, composed, configuration, heic, saved
from tests.support.images import MAX_PIXELS, records_into

# Smooth, so that it does not matter how color differences are upsampled.
RAMPS = Image.merge(
    "RGB",
    [
        Image.linear_gradient("L"),
        Image.linear_gradient("L").transpose(Image.Transpose.ROTATE_90),
        Image.radial_gradient("L"),
    ],
)
ODD = RAMPS.resize((203, 101))


@pytest.fixture
def heif(monkeypatch: pytest.MonkeyPatch) -> Iterator[HeifDecoder]:
    """A decoder, for images of any size in planes."""
    monkeypatch.setattr(decoding, "MIN_PIXELS", 0)
    monkeypatch.setattr("pipeline.image.source_image._SMALL_PIXELS", 0)
    made = HeifDecoder()
    yield made
    made.close()


def pixels_in_planes(data: bytes, heif: HeifDecoder) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the pixels of a file that is kept in planes."""
    image = decode(data, MAX_PIXELS, heif=heif)
    assert isinstance(image.stored, Planes)
    return np.asarray(image.rgb()).astype(int)


@pytest.mark.parametrize("image", [RAMPS, ODD])
@pytest.mark.parametrize("tile_size", [0, 64])
def test_the_colors_are_those_of_libheif(
    image: Image.Image, tile_size: int, heif: HeifDecoder
) -> None:
    data = heic(image, tile_size=tile_size)
    expected = np.asarray(pillow_heif.open_heif(data).to_pillow())
    assert np.abs(pixels_in_planes(data, heif) - expected).mean() < 1


@pytest.mark.parametrize("turn", [b"irot\1", b"irot\2", b"imir\0", b"imir\1"])
def test_the_file_turns_the_samples(turn: bytes, heif: HeifDecoder) -> None:
    stored = coded(RAMPS.crop((0, 0, 128, 64)))
    turned = Item(stored.kind, stored.data, [*stored.properties, box(turn[:4], turn[4:])])
    data = composed(turned)
    expected = np.asarray(pillow_heif.open_heif(data).to_pillow())
    assert np.abs(pixels_in_planes(data, heif) - expected).mean() < 1


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_odd_sides_are_turned(orientation: int, heif: HeifDecoder) -> None:
    """The encoder writes the orientation as a property of the file."""
    image = ODD.copy()
    image.getexif()[0x0112] = orientation
    data = heic(image)
    assert b"irot" in data
    expected = np.asarray(pillow_heif.open_heif(data).to_pillow())
    assert np.abs(pixels_in_planes(data, heif) - expected).mean() < 1


@pytest.mark.parametrize("coefficients", [1, 6, 9])
@pytest.mark.parametrize("is_full_range", [0, 1])
def test_the_matrix_and_the_range_are_those_of_the_file(
    coefficients: int, is_full_range: int, heif: HeifDecoder
) -> None:
    colors = {"matrix_coefficients": coefficients, "full_range_flag": is_full_range}
    data = saved(pillow_heif.from_pillow(RAMPS), save_nclx_profile=True, **colors)
    assert np.abs(pixels_in_planes(data, heif) - np.asarray(RAMPS)).mean() < 2


def test_a_profile_is_applied(heif: HeifDecoder, wide_gamut: bytes) -> None:
    image = RAMPS.copy()
    image.info["icc_profile"] = wide_gamut
    profile = ImageCms.ImageCmsProfile(io.BytesIO(wide_gamut))
    expected = ImageCms.profileToProfile(RAMPS, profile, ImageCms.createProfile("sRGB"))
    assert np.abs(pixels_in_planes(heic(image), heif) - np.asarray(expected)).mean() < 2


def test_what_is_not_in_420_is_kept_in_rgb(heif: HeifDecoder) -> None:
    clear = RAMPS.convert("RGBA")
    clear.putalpha(Image.linear_gradient("L"))
    for data in (heic(RAMPS, chroma=444), heic(clear), heic(RAMPS.convert("L"))):
        assert isinstance(decode(data, MAX_PIXELS, heif=heif).stored, Image.Image)


def test_a_file_that_is_cut_or_of_another_matrix_is_corrupt(
    heif: HeifDecoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = heic(RAMPS)
    with pytest.raises(ImageCorrupt):
        decode(data[: len(data) * 3 // 4], MAX_PIXELS, heif=heif)
    monkeypatch.setattr(decoder, "weights_of", lambda *_: None)
    with pytest.raises(ImageCorrupt):
        decode(data, MAX_PIXELS, heif=heif)
    monkeypatch.undo()
    assert decode(data, MAX_PIXELS, heif=heif).size == RAMPS.size


def test_three_bytes_per_pixel_are_announced_and_50_megapixels_allowed(heif: HeifDecoder) -> None:
    data, claims = heic(RAMPS), list[int]()
    decode(data, MAX_PIXELS, records_into(claims), heif=heif)
    assert claims == [3 * 256 * 256 + decoder.PROCESS_BYTES + len(data)]
    for side, error in ((7_071, ImageCorrupt), (7_072, ImageTooLarge)):
        still = Item(b"hvc1", b"", [configuration(), extent(side, side)])
        with pytest.raises(error):
            decode(composed(still), 50_000_000, heif=heif)
