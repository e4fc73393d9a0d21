"""The memory of an AVIF, from its boxes and its AV1 headers."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import ImageCorrupt, ImageTooLarge
from pipeline.image.decode import decode
from pipeline.image.headers.avif import plane_bytes
from pipeline.image.headers.isobmff import whole_file
from tests.support.avif_files import box, payload, tiled
from tests.support.images import MAX_PIXELS, encoded

PHOTO = Image.linear_gradient("L").resize((64, 64)).convert("RGB")
PIXELS = 64 * 64
# A grid of two tiles; the second reaches beyond the image.
GRID = (120, 64)
TILE = (64, 64)


@pytest.mark.parametrize(
    ("subsampling", "expected"), [("4:0:0", 1), ("4:2:0", 1.5), ("4:2:2", 2), ("4:4:4", 3)]
)
def test_the_planes_are_those_of_the_bitstream(subsampling: str, expected: float) -> None:
    data = encoded(PHOTO, "AVIF", subsampling=subsampling)
    assert plane_bytes(data, PHOTO.size) == expected * PIXELS


def test_neither_a_brand_nor_a_configuration_hides_the_planes() -> None:
    """The letters av1C may stand anywhere, and a decoder does not obey an av1C box."""
    honest = encoded(PHOTO, "AVIF", subsampling="4:4:4")
    fake_brand = honest[:20] + b"av1C\x81\0\x1c\0" + honest[28:]
    at = honest.index(b"av1C") + 6
    fake_configuration = honest[:at] + b"\x0c" + honest[at + 1 :]
    for data in (honest, fake_brand, fake_configuration):
        assert plane_bytes(data, PHOTO.size) == 3 * PIXELS


def test_ten_bits_take_twice_as_much(data: Path) -> None:
    deep = (data / "corpus" / "libavif" / "seine_hdr_rec2020.avif").read_bytes()
    assert plane_bytes(deep, (400, 300)) >= 2 * 1.5 * 400 * 300


def test_a_gain_map_is_not_counted(data: Path) -> None:
    """It is an auxiliary image that is not alpha, which libavif does not decode."""
    content = (data / "corpus" / "libavif" / "colors_hdr_srgb.avif").read_bytes()
    assert plane_bytes(content, (200, 200)) == 2 * 3 * 200 * 200
    name = b"urn:com:photo:aux:hdrgainmap"
    as_alpha = content.replace(name, b"urn:mpeg:hevc:2015:auxid:1".ljust(len(name), b"\0"))
    assert plane_bytes(as_alpha, (200, 200)) > 2 * 3 * 200 * 200


def test_alpha_is_another_plane() -> None:
    clear = PHOTO.convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(PHOTO.size).rotate(90))
    data = encoded(clear, "AVIF", subsampling="4:2:0")
    assert plane_bytes(data, PHOTO.size) == (1.5 + 1) * PIXELS


def test_an_animation_is_counted_by_one_frame() -> None:
    frames = {"save_all": True, "append_images": [PHOTO.rotate(90)]}
    data = encoded(PHOTO, "AVIF", subsampling="4:4:4", **frames)
    assert plane_bytes(data, PHOTO.size) == 3 * PIXELS


@pytest.mark.parametrize("inside", [True, False])
def test_the_tiles_of_a_grid_count_whole(inside: bool) -> None:
    data = tiled(GRID, TILE, payload(PHOTO, subsampling="4:2:0"), inside)
    assert plane_bytes(data, GRID) == 2 * 1.5 * 64 * 64
    pixels = np.asarray(decode(data, MAX_PIXELS).rgb()).astype(int)
    assert np.abs(pixels[:, 64:] - np.asarray(PHOTO)[:, :56]).mean() < 4


def test_tiles_larger_than_they_declare_are_too_large() -> None:
    large = payload(Image.new("RGB", (2000, 1000)), subsampling="4:2:0")
    with pytest.raises(ImageTooLarge, match="pixels in a frame"):
        decode(tiled(GRID, TILE, large), MAX_PIXELS)


def test_the_first_sample_of_a_track_counts() -> None:
    """The reader may take the image from the track or from the items."""
    still, large = Image.new("L", (16, 16)), Image.new("L", (2000, 1000))
    animated = encoded(
        still, "AVIF", speed=10, save_all=True, append_images=[still.point(lambda _: 200)]
    )
    assert decode(animated, MAX_PIXELS).size == (16, 16)
    at = animated.index(b"stco") + 12  # behind a version and the number of chunks
    elsewhere = animated[:at] + struct.pack(">I", len(animated)) + animated[at + 4 :]
    at = elsewhere.index(b"stsz") + 16
    stream = payload(large)
    elsewhere = elsewhere[:at] + struct.pack(">I", len(stream)) + elsewhere[at + 4 :] + stream
    with pytest.raises(ImageTooLarge):
        plane_bytes(elsewhere, (16, 16))
    with pytest.raises(ImageCorrupt):
        plane_bytes(elsewhere[:-1], (16, 16))


def replaced(old: bytes, new: bytes) -> bytes:
    data = tiled(GRID, TILE, payload(PHOTO))
    assert old in data
    return data.replace(old, new)


@pytest.mark.parametrize(
    "data",
    [
        tiled(GRID, TILE, payload(PHOTO))[:-1],
        replaced(b"iloc", b"free"),
        replaced(b"pitm", b"free"),
        replaced(b"av01", b"hvc1"),
    ],
)
def test_a_payload_that_cannot_be_found_is_corrupt(data: bytes) -> None:
    with pytest.raises(ImageCorrupt):
        plane_bytes(data, GRID)


def test_a_second_meta_box_is_corrupt() -> None:
    """A reader may take either."""
    data = tiled(GRID, TILE, payload(PHOTO))
    meta = whole_file(data).one(b"meta")
    with pytest.raises(ImageCorrupt):
        plane_bytes(data + box(b"meta", data[meta.start : meta.end]), GRID)


WITHIN = tiled(GRID, TILE, payload(PHOTO), inside=True)
# The AV1 data at the end is cut by test_a_payload_that_cannot_be_found_is_corrupt.
STRUCTURE = range(len(WITHIN) - 200)


def test_a_file_cut_anywhere_is_corrupt() -> None:
    for at in STRUCTURE:
        with pytest.raises(ImageCorrupt):
            plane_bytes(WITHIN[:at], GRID)


def test_a_file_with_any_byte_changed_is_priced_or_refused() -> None:
    refused = 0
    for at in STRUCTURE:
        for byte in (WITHIN[at] ^ 0xFF, 0):
            try:
                price = plane_bytes(WITHIN[:at] + bytes([byte]) + WITHIN[at + 1 :], GRID)
            except (ImageCorrupt, ImageTooLarge):
                refused += 1
            else:
                assert price > 0
    assert 0 < refused < 2 * len(STRUCTURE)


def test_every_real_file_is_priced(data: Path) -> None:
    """A file that libavif reads takes no less than a gray image."""
    read = 0
    for folder in ("corpus", "awkward"):
        for file in (data / folder).rglob("*.avif"):
            content = file.read_bytes()
            try:
                with Image.open(io.BytesIO(content)) as image:
                    image.load()
            except Exception:
                continue
            assert plane_bytes(content, image.size) >= image.width * image.height
            read += 1
    assert read > 30
