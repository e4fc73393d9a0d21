"""What a HEIC declares before it is decoded."""

import pytest
from PIL import Image

from pipeline.errors import ImageCorrupt
from pipeline.image.headers.heif import declared_size
from tests.support.avif_files import box, extent
from tests.support.heif_bombs import HEIF_BOMBS
from tests.support.heif_files import Item, composed, grid, heic


def test_the_size_is_that_of_the_primary_image() -> None:
    assert declared_size(heic(Image.new("RGB", (100, 70)))) == (100, 70)
    parts = grid((120, 64), [2, 3], 2), Item(b"hvc1", b"", [extent(64, 64)])
    assert declared_size(composed(*parts)) == (120, 64)


def test_three_transformations_of_an_item_are_the_most() -> None:
    def turned(number: int) -> bytes:
        size = extent(64, 48)
        turns = [box(kind, b"\1") for kind in (b"irot", b"imir", b"irot", b"imir")]
        return composed(grid((9, 9), [2], 1), Item(b"hvc1", b"", [size, *turns[:number]]))

    assert declared_size(turned(3)) == (9, 9)
    with pytest.raises(ImageCorrupt):
        declared_size(turned(4))


@pytest.mark.parametrize(
    "data",
    [
        HEIF_BOMBS["sequence"][0](),
        composed(Item(b"hvc1", b"", [])),
        composed(Item(b"hvc1", b"", [extent(0, 64)])),
        heic(Image.new("RGB", (64, 64)))[:100],
    ],
)
def test_a_file_without_a_size_is_corrupt(data: bytes) -> None:
    with pytest.raises(ImageCorrupt):
        declared_size(data)
