"""The boxes of an ISO base media file, whose sizes may lie."""

import struct

import pytest

from pipeline.errors import ImageCorrupt
from pipeline.image.headers.isobmff import whole_file
from tests.support.avif_files import box, full

INNER = box(b"free") * 3


def test_boxes_are_found_in_order_with_their_content() -> None:
    file = whole_file(box(b"ftyp", b"avif") + box(b"moov", INNER, box(b"trak", b"x")))
    assert [found.kind for found in file.boxes()] == [b"ftyp", b"moov"]
    moov = file.one(b"moov")
    assert [found.kind for found in moov.boxes()] == [b"free"] * 3 + [b"trak"]
    assert moov.one(b"trak").reader().take(1) == b"x"
    assert [found.kind for found in moov.boxes(skip=8)] == [b"free"] * 2 + [b"trak"]


def test_a_size_of_0_reaches_to_the_end_and_a_size_of_1_has_64_bits() -> None:
    assert len(whole_file(bytes(4) + b"moov" + INNER).one(b"moov").boxes()) == 3
    long = struct.pack(">I4sQ", 1, b"moov", 16 + len(INNER)) + INNER
    assert len(whole_file(long).one(b"moov").boxes()) == 3


def test_a_full_box_has_a_version_and_flags() -> None:
    version, flags, reader = whole_file(full(b"ispe", b"x", version=2, flags=5)).one(b"ispe").full()
    assert (version, flags, reader.take(1)) == (2, 5, b"x")


@pytest.mark.parametrize("size", [2, 7, 40, 2**32 - 1])
def test_a_size_that_leads_outside_is_corrupt(size: int) -> None:
    lying = box(b"moov", struct.pack(">I", size) + b"free", INNER)
    with pytest.raises(ImageCorrupt):
        whole_file(lying).one(b"moov").boxes()


@pytest.mark.parametrize("size", [15, 2**63])
def test_a_size_of_64_bits_that_leads_outside_is_corrupt(size: int) -> None:
    lying = box(b"moov", struct.pack(">I4sQ", 1, b"free", size))
    with pytest.raises(ImageCorrupt):
        whole_file(lying).one(b"moov").boxes()


def test_a_box_may_hold_10000() -> None:
    assert len(whole_file(box(b"moov", box(b"free") * 10_000)).one(b"moov").boxes()) == 10_000
    with pytest.raises(ImageCorrupt):
        whole_file(box(b"moov", box(b"free") * 10_001)).one(b"moov").boxes()


def test_one_of_a_kind_may_not_be_missing_or_two() -> None:
    file = whole_file(box(b"moov", INNER, box(b"trak")))
    moov = file.one(b"moov")
    assert (moov.optional(b"udta"), moov.one(b"trak").kind) == (None, b"trak")
    assert len(moov.all(b"free")) == 3
    for kind, find in ((b"udta", moov.one), (b"free", moov.one), (b"free", moov.optional)):
        with pytest.raises(ImageCorrupt):
            find(kind)


def test_a_file_is_read_up_to_a_box_that_is_cut() -> None:
    whole = box(b"ftyp", b"avif") + box(b"meta", bytes(8))
    assert [found.kind for found in whole_file(whole[:-1]).boxes()] == [b"ftyp"]
    assert whole_file(b"").boxes() == []
