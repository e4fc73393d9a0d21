"""The walker of boxes, chunks and directory entries."""

import pytest

from pipeline.errors import ImageCorrupt
from pipeline.image.headers.walker import (
    Layout,
    Part,
    Reader,
    iso_box,
    png_chunk,
    riff_chunk,
    tiff_entry,
    walk,
)

BOXES = b"\0\0\0\x0bfreeabc" + b"\0\0\0\1wide\0\0\0\0\0\0\0\x12xy" + b"\0\0\0\0mdatz"
RIFF = b"ALPH\3\0\0\0abc\0" + b"VP8 \2\0\0\0xy"
PNG = b"\0\0\0\3tEXtabcCRC." + b"\0\0\0\0IENDCRC."


def parts(data: bytes, layout: Layout, most: int = 10) -> list[tuple[bytes, bytes]]:
    """Return the kind and the content of each part."""
    return [(part.kind, data[part.start : part.end]) for part in walk_all(data, layout, most)]


def walk_all(data: bytes, layout: Layout, most: int = 10) -> list[Part]:
    return [*walk(Reader(data, 0, len(data)), layout, most)]


def test_a_reader_takes_numbers_one_after_the_other() -> None:
    reader = Reader(bytes(range(10)), 2, 8)
    assert (reader.number(1), reader.number(2), reader.take(3)) == (2, 0x0304, b"\5\6\7")
    assert (reader.number(0), reader.at) == (0, 8)
    with pytest.raises(ImageCorrupt):
        reader.number(1)  # the data goes on, but not for this reader


def test_a_reader_knows_both_byte_orders() -> None:
    assert Reader(b"\1\2", 0, 2).number(2) == 0x0102
    assert Reader(b"\1\2", 0, 2, "little").number(2) == 0x0201


def test_boxes_of_each_kind_of_size_are_found() -> None:
    assert parts(BOXES, iso_box) == [(b"free", b"abc"), (b"wide", b"xy"), (b"mdat", b"z")]


def test_riff_chunks_of_odd_size_are_padded() -> None:
    assert parts(RIFF, riff_chunk) == [(b"ALPH", b"abc"), (b"VP8 ", b"xy")]


def test_png_chunks_end_with_a_checksum() -> None:
    assert parts(PNG, png_chunk) == [(b"tEXt", b"abc"), (b"IEND", b"")]
    assert [part.next - part.end for part in walk_all(PNG, png_chunk)] == [4, 4]


def test_directory_entries_have_one_size() -> None:
    data = b"\1\0" + bytes(10) + b"\1\1" + bytes(10)
    assert parts(data, tiff_entry(12)) == [(b"\1\0", bytes(10)), (b"\1\1", bytes(10))]


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_cut_part_comes_last_and_reaches_beyond_the_end(cut: int) -> None:
    data = PNG[:-cut]
    first, last = walk_all(data, png_chunk)
    assert first.next == 15
    assert (last.at, last.kind) == (15, b"IEND" if cut < 5 else b"")
    assert last.next > len(data)


def test_a_box_smaller_than_its_header_ends_the_walk() -> None:
    (part,) = walk_all(b"\0\0\0\7free" + BOXES, iso_box)
    assert part.kind == b""
    assert part.next > 8 + len(BOXES)


def test_more_parts_than_allowed_are_corrupt() -> None:
    assert len(walk_all(BOXES, iso_box, most=3)) == 3
    with pytest.raises(ImageCorrupt):
        walk_all(BOXES, iso_box, most=2)
