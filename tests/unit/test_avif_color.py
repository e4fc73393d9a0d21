"""The codes of color of an AVIF."""

import struct

import pytest
from PIL import Image

from pipeline.image.headers.avif_color import read_codes
from tests.support.avif_files import box, full
from tests.support.color_files import BT709, BT2020, P3, PQ, SRGB, UNSPECIFIED, avif_with
from tests.support.images import encoded, quadrants

IMAGE = quadrants()


@pytest.mark.parametrize("image", [IMAGE, IMAGE.convert("RGBA"), IMAGE.convert("L")])
def test_the_codes_are_those_of_the_primary_image(image: Image.Image) -> None:
    data = encoded(image, "AVIF", speed=10)
    assert read_codes(data) == (BT709, SRGB)
    options = {"subsampling": "4:0:0"} if image.mode == "L" else {}
    assert read_codes(avif_with(image, P3, PQ, **options)) == (P3, PQ)


def colr(primaries: int, transfer: int) -> bytes:
    return box(b"colr", b"nclx", struct.pack(">HHHB", primaries, transfer, 6, 0x80))


def with_items(properties: list[bytes], used: dict[int, list[int]]) -> bytes:
    """Return a file whose first item is primary. `used` has the properties of each item."""
    associations = b"".join(
        struct.pack(">HB", item, len(indices)) + bytes(indices) for item, indices in used.items()
    )
    described = full(b"ipma", struct.pack(">I", len(used)), associations)
    return box(b"ftyp", b"avif", bytes(4)) + full(
        b"meta", full(b"pitm", b"\0\1"), box(b"iprp", box(b"ipco", *properties), described)
    )


def test_the_codes_of_another_item_do_not_count() -> None:
    """A gain map, or an alternative image."""
    properties = [colr(BT2020, PQ), colr(P3, SRGB)]
    assert read_codes(with_items(properties, {1: [2], 2: [1]})) == (P3, SRGB)
    assert read_codes(with_items(properties, {1: [], 2: [1]})) is None
    assert read_codes(with_items(properties, {2: [1]})) is None


def test_a_profile_beside_the_codes_is_passed_over() -> None:
    profile = box(b"colr", b"prof", bytes(200))
    assert read_codes(with_items([profile, colr(BT2020, PQ)], {1: [1, 2]})) == (BT2020, PQ)
    assert read_codes(with_items([profile], {1: [1]})) is None


def test_an_animation_has_those_of_its_track() -> None:
    """Its still image has some too. The major brand tells which count, as for libavif."""
    frames = {"save_all": True, "append_images": [IMAGE.rotate(180)]}
    data = avif_with(IMAGE, P3, SRGB, **frames)
    assert data[8:12] == b"avis"
    assert read_codes(data) == (P3, SRGB)
    at = data.index(b"moov")
    track_only = data[: data.index(b"meta") - 4] + data[at - 4 :]
    assert read_codes(track_only) == (P3, SRGB)
    written = b"nclx" + P3.to_bytes(2, "big")
    changed = data[:at] + data[at:].replace(written, b"nclx" + BT2020.to_bytes(2, "big"))
    assert read_codes(changed) == (BT2020, SRGB)
    assert read_codes(changed.replace(b"ftypavis", b"ftypavif", 1)) == (P3, SRGB)


def test_a_damaged_file_has_none() -> None:
    data = avif_with(IMAGE, P3, SRGB)
    assert read_codes(data[: data.index(b"nclx")]) is None
    assert read_codes(data[:8]) is None
    assert read_codes(avif_with(IMAGE, UNSPECIFIED, UNSPECIFIED)) == (UNSPECIFIED, UNSPECIFIED)
    short = box(b"colr", b"nclx", b"\0")
    assert read_codes(with_items([short], {1: [1]})) is None
