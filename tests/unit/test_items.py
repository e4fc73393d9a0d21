"""The items of a meta box: which one is shown, and what it declares."""

import struct

import pytest

from pipeline.errors import ImageCorrupt
from pipeline.image.headers.isobmff import whole_file
from pipeline.image.headers.items import Items
from tests.support.avif_files import extent
from tests.support.heif_files import Item, composed

DATA = composed(Item(b"hvc1", b"", [extent(64, 48)]), Item(b"hvc1", b"", [extent(20, 10)]))


def items(data: bytes) -> Items:
    """Return the items of a file."""
    return Items(whole_file(data).one(b"meta"))


def test_the_primary_item_is_the_one_that_the_file_names() -> None:
    assert items(DATA).primary == 1
    at = DATA.index(b"pitm") + 8
    assert items(DATA[:at] + b"\0\2" + DATA[at + 2 :]).primary == 2


def test_the_largest_declared_size_counts() -> None:
    twice = composed(Item(b"hvc1", b"", [extent(30, 30), extent(20, 60), extent(1, 1)]))
    assert items(twice).size_of(1) == (20, 60)
    assert [items(DATA).size_of(item) for item in (1, 2, 3)] == [(64, 48), (20, 10), None]


def test_a_property_that_does_not_exist_is_corrupt() -> None:
    at = DATA.index(b"ipma") + 4 + 8 + 3
    with pytest.raises(ImageCorrupt):
        _ = items(DATA[:at] + b"\7" + DATA[at + 1 :]).properties


def test_the_entries_of_all_tables_are_bounded() -> None:
    at = DATA.index(b"ipma") + 8
    many = DATA[:at] + struct.pack(">I", 2**31) + DATA[at + 4 :]
    with pytest.raises(ImageCorrupt):
        _ = items(many).properties
    assert list(items(DATA).counted(3)) == [0, 1, 2]
