"""A JPEG that is kept as its own planes has the colors of Pillow's own decoding, bit by bit."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.errors import ImageCorrupt
from pipeline.image import jpeg_planes, planes
from pipeline.image.box import Box
from pipeline.image.color import srgb_converter
from pipeline.image.decode import decode
from pipeline.image.jpeg_planes import equals_pillow, is_in_planes
from pipeline.image.planes import JFIF, Planes, to_rgb
from pipeline.image.source_image import ORIENTATIONS, SourceImage
from pipeline.image.strips import Strips
from tests.support.images import MAX_PIXELS, encoded

MINIMUM = (5, 2)


@pytest.fixture
def _small_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep images of any size in planes, and convert them region by region."""
    monkeypatch.setattr(jpeg_planes, "MIN_PIXELS", 0)
    monkeypatch.setattr("pipeline.image.source_image._SMALL_PIXELS", 0)


small_too = pytest.mark.usefixtures("_small_too")


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    samples = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(samples)


def jpeg(image: Image.Image, orientation: int = 1, **options: Any) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(image, "JPEG", exif=exif, **{"quality": 90, "subsampling": "4:2:0", **options})


def by_pillow(data: bytes, orientation: int = 1) -> Image.Image:
    image = Image.open(io.BytesIO(data)).convert("RGB")
    return image.transpose(ORIENTATIONS[orientation]) if orientation > 1 else image


def assert_regions_equal(image: SourceImage, expected: Image.Image, strip: int) -> None:
    width, height = expected.size
    assert image.size == expected.size
    for top in range(0, height, strip):
        corners = (0, top, width, min(top + strip, height))
        assert image.rgb(corners).tobytes() == expected.crop(corners).tobytes(), corners


@small_too
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    width=st.integers(1, 70),
    height=st.integers(1, 70),
    orientation=st.integers(1, 8),
    progressive=st.booleans(),
    seed=st.integers(0, 9),
    cuts=st.tuples(*[st.floats(0, 1)] * 4),
)
def test_every_region_of_every_size_and_orientation_is_pillows(
    width: int,
    height: int,
    orientation: int,
    progressive: bool,
    seed: int,
    cuts: tuple[float, float, float, float],
) -> None:
    data = jpeg(noise(width, height, seed), orientation, progressive=progressive)
    image, expected = decode(data, MAX_PIXELS), by_pillow(data, orientation)
    in_planes = width >= MINIMUM[0] and height >= MINIMUM[1]
    assert isinstance(image.stored, Planes) == in_planes
    left, right = sorted(round(cut * (expected.width - 1)) for cut in cuts[:2])
    top, bottom = sorted(round(cut * (expected.height - 1)) for cut in cuts[2:])
    corners = left, top, right + 1, bottom + 1
    assert image.rgb(corners).tobytes() == expected.crop(corners).tobytes()
    assert image.rgb().tobytes() == expected.tobytes()


@small_too
@pytest.mark.parametrize("side", [7, 8, 9, 15, 16, 17])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_region_at_the_edges_of_blocks_is_pillows(side: int, orientation: int) -> None:
    """A block has 8 samples a side, which are 16 pixels in a color difference."""
    data = jpeg(noise(side, side + 1), orientation)
    image, expected = decode(data, MAX_PIXELS), by_pillow(data, orientation)
    for top, left in np.ndindex(expected.height, expected.width):
        corners = left, top, min(left + 3, expected.width), min(top + 2, expected.height)
        assert image.rgb(corners).tobytes() == expected.crop(corners).tobytes(), corners


@small_too
@pytest.mark.parametrize("orientation", [1, 6])
def test_photos_are_pillows(orientation: int, data: Path) -> None:
    """What the model sees is reduced plane by plane: colors are clipped after it, not before."""
    files = [file for file in sorted((data / "photos" / "large").iterdir()) if "12MP" in file.name]
    assert len(files) == 2
    for file in files:
        photo = Image.open(file).convert("RGB")
        content = jpeg(photo, orientation)
        image = decode(content, MAX_PIXELS, claim=lambda _: Strips(2))
        expected = SourceImage(
            Image.open(io.BytesIO(content)).convert("RGB"),
            orientation=ORIENTATIONS.get(orientation),
            strips=Strips(2),
        )
        assert isinstance(image.stored, Planes)
        assert_regions_equal(image, expected.rgb(), 500)
        seen = np.asarray(image.reduced((320, 320))).astype(int)
        difference = np.abs(seen - np.asarray(expected.reduced((320, 320))))
        assert difference.mean() < 0.5
        assert np.percentile(difference, 99.9) <= 3


@small_too
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(201, 131), (200, 130), (130, 201)])
def test_planes_are_reduced_like_an_image(size: tuple[int, int], orientation: int) -> None:
    """The color differences of an odd side reach half a sample beyond it, on either side."""
    coarse = noise(13, 9, seed=4).resize(size, Image.Resampling.BICUBIC)
    muted = coarse.point(lambda level: 64 + level // 2)  # nothing is clipped
    data = jpeg(muted, orientation)
    upright, planes = SourceImage(by_pillow(data, orientation)), decode(data, MAX_PIXELS)
    width, height = upright.size
    for part in (None, Box.between(width // 3, height // 5, width - 7, height - 2)):
        expected, seen = (image.reduced((40, 30), part=part) for image in (upright, planes))
        difference = np.abs(np.asarray(seen).astype(int) - np.asarray(expected))
        assert difference.max() <= 8
        assert difference.mean() < 0.7


def test_the_memory_that_is_kept() -> None:
    planes = decode(
        encoded(Image.new("RGB", (4000, 4000)), "JPEG", subsampling="4:2:0"), MAX_PIXELS
    )
    assert planes.bytes_kept == 1.5 * 4000 * 4000
    rgb = Image.new("RGB", (40, 20))
    assert SourceImage(rgb).bytes_kept == 4 * 40 * 20
    assert SourceImage(rgb, rgb.getchannel("R")).bytes_kept == 5 * 40 * 20


@small_too
def test_a_profile_is_applied(wide_gamut: bytes) -> None:
    data = jpeg(noise(90, 70), icc_profile=wide_gamut)
    image = decode(data, MAX_PIXELS)
    convert = srgb_converter(wide_gamut)
    assert isinstance(image.stored, Planes)
    assert convert is not None
    assert image.rgb().tobytes() == convert(by_pillow(data)).tobytes()
    assert image.rgb().tobytes() != by_pillow(data).tobytes()


def with_adobe_transform(value: int) -> bytes:
    """Return a JPEG with an Adobe segment: 0 says RGB, 1 says YCbCr (ITU-T T.872, 6.5.3)."""
    data = jpeg(noise(40, 30)).replace(b"JFIF\0", b"JFXX\0", 1)
    adobe = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + bytes([value])
    return data[:2] + adobe + data[2:]


def named(names: bytes) -> bytes:
    """Return a JPEG whose components have other names, in the frame and in the scan."""
    data = bytearray(jpeg(noise(40, 30)).replace(b"JFIF\0", b"JFXX\0", 1))
    frame, scan = data.index(b"\xff\xc0") + 10, data.index(b"\xff\xda") + 5
    data[frame : frame + 9 : 3] = names
    data[scan : scan + 6 : 2] = names
    return bytes(data)


@small_too
@pytest.mark.parametrize(
    ("data", "in_planes"),
    [
        (jpeg(noise(40, 30)), True),
        (jpeg(noise(40, 30), progressive=True), True),
        (jpeg(noise(40, 30), subsampling="4:2:2"), False),
        (jpeg(noise(40, 30), subsampling="4:4:4"), False),
        (jpeg(noise(40, 30).convert("L")), False),
        (jpeg(noise(40, 30).convert("CMYK")), False),
        (with_adobe_transform(0), False),
        (with_adobe_transform(1), True),
        (named(b"RGB"), False),
        (named(b"\0\1\2"), True),
        (jpeg(noise(40, 30)) + b"\xff\xda" * 30, False),  # behind the image, but not parsed
    ],
)
def test_what_is_not_stored_in_planes_is_kept_in_rgb(data: bytes, in_planes: bool) -> None:
    image = decode(data, MAX_PIXELS)
    assert isinstance(image.stored, Planes) == in_planes
    assert image.rgb().tobytes() == by_pillow(data).tobytes()


def test_small_images_are_kept_in_rgb() -> None:
    """And so are those that are decoded at a fraction of their size."""
    data = encoded(Image.new("RGB", (4000, 4000)), "JPEG", subsampling="4:2:0")
    assert isinstance(decode(data, MAX_PIXELS).stored, Planes)
    assert isinstance(decode(data, MAX_PIXELS, choose_divisor=lambda _: 2).stored, Image.Image)
    data = encoded(Image.new("RGB", (3999, 4000)), "JPEG", subsampling="4:2:0")
    assert isinstance(decode(data, MAX_PIXELS).stored, Image.Image)


@small_too
def test_another_libjpeg_is_noticed_and_images_are_kept_in_rgb(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert equals_pillow.__wrapped__()
    other = JFIF._replace(blue_in_green=-22_400)
    monkeypatch.setattr(planes, "to_rgb", lambda y, b, r, _: to_rgb(y, b, r, other))
    assert not equals_pillow.__wrapped__()
    monkeypatch.setattr(jpeg_planes, "equals_pillow", lambda: False)
    data = jpeg(noise(40, 30))
    assert not is_in_planes(Image.open(io.BytesIO(data)))
    assert decode(data, MAX_PIXELS).rgb().tobytes() == by_pillow(data).tobytes()


@small_too
@pytest.mark.parametrize("progressive", [False, True])
def test_a_cut_file_is_corrupt(progressive: bool) -> None:
    data = jpeg(noise(90, 70), progressive=progressive)
    with pytest.raises(ImageCorrupt):
        decode(data[: len(data) * 2 // 3], MAX_PIXELS)


@small_too
@pytest.mark.parametrize("in_planes", [True, False])
def test_a_gain_map_is_not_applied(in_planes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ultra HDR: ISO 21496-1 and the namespace of Adobe's gain maps announce a second image."""
    if not in_planes:
        monkeypatch.setattr(jpeg_planes, "MIN_PIXELS", MAX_PIXELS)
    base = jpeg(noise(64, 48))
    names = b"urn:iso:std:iso:ts:21496:-1\0" + bytes(4), b"http://ns.adobe.com/hdr-gain-map/1.0/"
    announced = b"".join(b"\xff\xe2" + (len(name) + 2).to_bytes(2, "big") + name for name in names)
    data = base[:2] + announced + base[2:] + jpeg(noise(32, 24, seed=1))
    image = decode(data, MAX_PIXELS)
    assert isinstance(image.stored, Planes) == in_planes
    assert image.rgb().tobytes() == by_pillow(base).tobytes()


@small_too
@pytest.mark.parametrize("in_planes", [True, False])
def test_the_base_image_of_several_in_a_file_counts(
    in_planes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Phones store a depth map or a gain map behind it (CIPA DC-007)."""
    if not in_planes:
        monkeypatch.setattr(jpeg_planes, "MIN_PIXELS", MAX_PIXELS)
    base, other = noise(64, 48), noise(32, 24, seed=1)
    file = io.BytesIO()
    base.save(file, "MPO", save_all=True, append_images=[other], quality=90, subsampling="4:2:0")
    data = file.getvalue()
    assert Image.open(io.BytesIO(data)).format == "MPO"
    image = decode(data, MAX_PIXELS)
    assert isinstance(image.stored, Planes) == in_planes
    assert image.rgb().tobytes() == by_pillow(data).tobytes()
