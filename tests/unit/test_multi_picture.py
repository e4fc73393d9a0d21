"""Of a JPEG with more than one image, the base image is used."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from pipeline.image import jpeg_planes
from pipeline.image.decode import decode
from tests.support.image_files import segment
from tests.support.images import BLUE, MAX_PIXELS, encoded, quadrants
from tests.support.multi_picture import index, multi_picture, ultra_hdr

BASE = quadrants().resize((320, 160))
OTHER = Image.new("RGB", BASE.size, BLUE)
SMALL = Image.linear_gradient("L").resize((80, 40))


def jpeg(image: Image.Image, **options: object) -> bytes:
    return encoded(image, "JPEG", quality=90, subsampling="4:2:0", **options)


def rotated() -> Image.Exif:
    """Return EXIF that asks for a rotation by 90 degrees."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


KINDS = {
    "MPO": lambda base: multi_picture(base, jpeg(OTHER)),
    "a larger second image": lambda base: multi_picture(base, jpeg(OTHER.resize((640, 320)))),
    "three images": lambda base: multi_picture(base, jpeg(OTHER), jpeg(SMALL)),
    "Ultra HDR": lambda base: ultra_hdr(base, jpeg(SMALL)),
    "a progressive gain map": lambda base: ultra_hdr(base, jpeg(SMALL, progressive=True)),
}


def test_pillow_finds_every_image_of_the_file() -> None:
    """The files are what they should be."""
    with Image.open(io.BytesIO(multi_picture(jpeg(BASE), jpeg(OTHER)))) as file:
        assert (file.format, getattr(file, "n_frames", 0)) == ("MPO", 2)
        file.seek(1)
        assert np.abs(np.array(file.convert("RGB").getpixel((9, 9))) - BLUE).max() < 5
    data = ultra_hdr(jpeg(BASE), jpeg(SMALL))
    gain_map = data[data.rindex(b"\xff\xd8\xff") :]
    assert Image.open(io.BytesIO(gain_map)).size == SMALL.size


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"exif": rotated()}], ids=["plain", "scans", "rotated"]
)
@pytest.mark.parametrize("in_planes", [False, True])
def test_the_base_image_is_decoded(
    kind: str, options: dict[str, object], in_planes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if in_planes:
        monkeypatch.setattr(jpeg_planes, "MIN_PIXELS", 0)
    base = jpeg(BASE, **options)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(base)))
    found = decode(KINDS[kind](base), MAX_PIXELS)
    assert found.rgb().tobytes() == expected.tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_the_base_image_is_reduced(kind: str) -> None:
    base = jpeg(BASE)
    found = decode(KINDS[kind](base), MAX_PIXELS, choose_divisor=lambda _: 4)
    expected = decode(base, MAX_PIXELS, choose_divisor=lambda _: 4)
    assert (found.size, found.rgb().tobytes()) == ((80, 40), expected.rgb().tobytes())


@pytest.mark.parametrize(
    "broken",
    [
        index([100, 100], [0, 4_000_000_000]),
        index([100], [0], number=2),
        index([100, 100], [0, 500], number=3),
        index([100, 100], [0, 500], number=0),
        segment(0xE2, index([100, 100], [0, 500])[4:70]),
        segment(0xE2, b"MPF\0"),
        segment(0xE2, b"MPF\0MM\0*\0\0\0\x08\0\0\0\0\0\0"),
        segment(0xE2, b"MPF\0MM\0*\0\0\0\x08\0\1\xb0\0\0\7\0\0\0\x040100\0\0\0\0"),
        segment(0xE2, b"MPF\0XX" + bytes(80)),
    ],
)
def test_a_broken_index_does_not_break_the_base_image(broken: bytes) -> None:
    """Browsers do not read it."""
    base = jpeg(BASE)
    expected = decode(base, MAX_PIXELS).rgb().tobytes()
    assert decode(base[:2] + broken + base[2:], MAX_PIXELS).rgb().tobytes() == expected


def test_the_second_image_may_be_cut() -> None:
    base = jpeg(BASE)
    data = multi_picture(base, jpeg(OTHER))
    cut = data[: -len(jpeg(OTHER)) // 2]
    assert decode(cut, MAX_PIXELS).rgb().tobytes() == decode(base, MAX_PIXELS).rgb().tobytes()


def test_real_files_show_their_first_image(data: Path) -> None:
    folder = data / "corpus"
    files = [
        *sorted((folder / "pillow").glob("*.mpo")),
        *(folder / "libavif").glob("paris_exif_xmp_gainmap*.jpg"),
    ]
    assert len(files) > 3
    for file in files:
        with Image.open(file) as first:
            expected = ImageOps.exif_transpose(first).convert("RGB")
        source = decode(file.read_bytes(), MAX_PIXELS)
        assert np.abs(np.asarray(source.rgb()).astype(int) - np.asarray(expected)).mean() < 8, file
