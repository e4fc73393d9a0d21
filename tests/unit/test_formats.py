"""Which format a file is of, from its first bytes."""

import pytest

from pipeline.image.formats import detect_format
from tests.support.images import encoded, quadrants

FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"]


def ftyp(*brands: bytes, size: int | None = None) -> bytes:
    """Return an ftyp box: the major brand, a version, the compatible brands."""
    content = b"ftyp" + brands[0] + bytes(4) + b"".join(brands[1:])
    return (4 + len(content) if size is None else size).to_bytes(4, "big") + content


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_that_pillow_writes_has_its_format(kind: str) -> None:
    assert detect_format(encoded(quadrants(), kind)) == kind


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (b"GIF87a", "GIF"),
        (b"GIF89a", "GIF"),
        (b"MM\0*", "TIFF"),
        (b"II+\0", "TIFF"),
        (b"MM\0+", "TIFF"),
        (ftyp(b"avif"), "AVIF"),
        (ftyp(b"avis"), "AVIF"),
        (ftyp(b"mif1", b"miaf", b"avif"), "AVIF"),
        (ftyp(b"mif1", b"heic", b"avif"), "AVIF"),
        (ftyp(b"heic", b"mif1"), "HEIF"),
        (ftyp(b"msf1", b"hevc"), "HEIF"),
        (ftyp(b"mif1"), "HEIF"),
        (b"\xff\x0a\xfa\x1f", "JXL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl ", "JXL"),
        *((ftyp(brand), "HEIF") for brand in (b"heix", b"heim", b"heis", b"hevx")),
    ],
)
def test_the_first_bytes_of_a_format(start: bytes, kind: str) -> None:
    assert detect_format(start) == kind


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        b"\x89PNG",
        b"GIF88a",
        b"B",
        b"II*",
        b"RIFF\0\0\0\0WAVE",
        b"xRIFF\0\0\0\0WEBP",
        b"<svg/>",
        b"%PDF-1.7",
        ftyp(b"isom", b"mp42"),
        b"x" + ftyp(b"avif"),
        b"\0\0\0\x0cjP  \r\n\x87\n",  # JPEG 2000
    ],
)
def test_other_files_have_none(data: bytes) -> None:
    assert detect_format(data) is None


def test_a_brand_counts_only_inside_its_box_at_its_place_and_near_the_start() -> None:
    assert detect_format(ftyp(b"miaf", b"avif", size=16)) is None  # behind the box's end
    assert detect_format(ftyp(b"miaf", b"xxav", b"ifxx")) is None  # across two brands
    assert detect_format(ftyp(b"miaf", *[b"miaf"] * 62, b"avif")) == "AVIF"
    assert detect_format(ftyp(b"miaf", *[b"miaf"] * 63, b"avif")) is None
