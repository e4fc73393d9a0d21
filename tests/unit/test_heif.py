"""What a HEIC declares before it is decoded."""

import pytest
from PIL import Image

from pipeline.errors import ImageCorrupt, UnsupportedImageType
from pipeline.image.headers.heif import read_declared
from tests.support.avif_files import box, extent, full
from tests.support.heif_bombs import sequence
from tests.support.heif_files import Item, composed, configuration, grid, heic

PLAIN = Image.new("RGB", (100, 70))


def still(*properties: bytes) -> Item:
    """Return an image of no data with these properties."""
    return Item(b"hvc1", b"", properties)


def test_the_size_is_that_of_the_primary_image() -> None:
    assert read_declared(heic(Image.new("RGB", (128, 96)))).size == (128, 96)
    tile = still(configuration(), extent(64, 64))
    assert read_declared(composed(grid((120, 64), [2, 3], 2), tile, tile)).size == (120, 64)


@pytest.mark.parametrize(
    ("chroma", "bits", "expected"),
    [(0, 8, 6), (1, 8, 7), (2, 8, 8), (3, 8, 10), (1, 10, 10), (3, 12, 16)],
)
def test_the_memory_follows_from_the_planes(chroma: int, bits: int, expected: float) -> None:
    data = composed(still(configuration(chroma, bits), extent(64, 64)))
    assert read_declared(data).bytes_per_pixel == expected
    assert read_declared(data).is_420 == ((chroma, bits) == (1, 8))


def test_the_memory_of_real_files() -> None:
    clear = PLAIN.convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(PLAIN.size))
    assert read_declared(heic(PLAIN)).bytes_per_pixel == 7
    assert read_declared(heic(PLAIN, chroma=444)).bytes_per_pixel == 10
    assert read_declared(heic(clear)).bytes_per_pixel == 9


def test_the_costliest_part_counts() -> None:
    parts = still(configuration(1), extent(9, 9)), still(configuration(3), extent(9, 9))
    assert read_declared(composed(grid((18, 9), [2, 3], 2), *parts)).bytes_per_pixel == 10


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (b"urn:mpeg:hevc:2015:auxid:1", 9),
        (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", 9),
        (b"urn:mpeg:hevc:2015:auxid:2", 7),  # depth
        (b"urn:com:apple:photo:2020:aux:hdrgainmap", 7),
    ],
)
def test_of_auxiliary_images_only_alpha_counts(kind: bytes, expected: float) -> None:
    image = still(configuration(1), extent(9, 9))
    auxiliary = still(configuration(0), extent(9, 9), full(b"auxC", kind + b"\0"))
    declared = read_declared(composed(image, auxiliary))
    assert declared.bytes_per_pixel == expected
    assert declared.is_420 == (expected == 7)


def test_three_transformations_of_an_item_are_the_most() -> None:
    def turned(number: int) -> bytes:
        turns = [box(kind, b"\1") for kind in (b"irot", b"imir", b"irot", b"imir")]
        tile = still(configuration(), extent(64, 48), *turns[:number])
        return composed(grid((9, 9), [2], 1), tile)

    assert read_declared(turned(3)).size == (9, 9)
    with pytest.raises(ImageCorrupt):
        read_declared(turned(4))


@pytest.mark.parametrize(
    "data",
    [
        sequence(),
        composed(),
        composed(still(configuration())),
        composed(still(configuration(), extent(0, 64))),
        heic(PLAIN)[:100],
    ],
)
def test_a_file_without_a_size_is_corrupt(data: bytes) -> None:
    with pytest.raises(ImageCorrupt):
        read_declared(data)


def test_other_codecs_are_not_supported() -> None:
    with pytest.raises(UnsupportedImageType):
        read_declared(composed(Item(b"jpeg", b"", [extent(64, 64)])))
