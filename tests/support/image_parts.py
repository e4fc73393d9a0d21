"""Find the parts of an encoded image, of any format that the service reads."""

import itertools
import re
import struct
import zlib
from collections.abc import Callable, Iterator

from pipeline.image.formats import detect_format

# A mutated file may claim any number of parts.
_MOST_PARTS = 2000


def parts(data: bytes | bytearray) -> list[tuple[int, int]]:
    """Return where the parts of an image begin and end: chunks, segments, boxes, tags or fields."""
    walk = _WALKS.get(detect_format(bytes(data[:64])) or "")
    found = (
        []
        if walk is None
        else [
            (start, min(end, len(data))) for start, end in itertools.islice(walk(data), _MOST_PARTS)
        ]
    )
    return [(start, end) for start, end in found if start < end] or [(0, len(data))]


def _png_parts(data: bytes | bytearray) -> Iterator[tuple[int, int]]:
    """Yield the chunks of a PNG."""
    at = 8
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        yield at, end
        at = end


def _jpeg_parts(data: bytes | bytearray) -> Iterator[tuple[int, int]]:
    """Yield the segments of a JPEG."""
    starts = [match.start() for match in re.finditer(rb"\xff[\x01-\xcf\xd8-\xfe]", data)]
    return itertools.pairwise([*starts, len(data)])


def _riff_parts(data: bytes | bytearray) -> Iterator[tuple[int, int]]:
    """Yield the chunks of a WebP."""
    at = 12
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        yield at, at + 8 + size + (size & 1)
        at += 8 + size + (size & 1)


def _gif_parts(data: bytes | bytearray) -> Iterator[tuple[int, int]]:
    """Yield the blocks of a GIF."""
    starts = [match.start() for match in re.finditer(rb"\0[\x21\x2c\x3b]", data)]
    return itertools.pairwise([6, 13, *starts, len(data)])


def _bmp_parts(data: bytes | bytearray) -> Iterator[tuple[int, int]]:
    """Yield the fields of a BMP's header."""
    return itertools.pairwise([*range(2, min(len(data), 138), 4), len(data)])


def _tiff_parts(data: bytes | bytearray) -> Iterator[tuple[int, int]]:
    """Yield the tags of a TIFF."""
    order = "little" if data[:2] == b"II" else "big"
    at = int.from_bytes(data[4:8], order)  # type: ignore[arg-type]
    count = int.from_bytes(data[at : at + 2], order)  # type: ignore[arg-type]
    return ((at + 2 + 12 * tag, at + 14 + 12 * tag) for tag in range(count))


def _box_parts(data: bytes | bytearray) -> Iterator[tuple[int, int]]:
    """Yield the boxes of an AVIF or a HEIC."""
    at, inside = 0, (b"meta", b"iprp", b"ipco", b"moov", b"trak", b"mdia", b"minf", b"stbl")
    while at + 8 <= len(data):
        size, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        yield at, at + max(size, 8)
        at += (12 if name == b"meta" else 8) if name in inside else max(size, 8)


_WALKS: dict[str, Callable[[bytes | bytearray], Iterator[tuple[int, int]]]] = {
    "PNG": _png_parts,
    "JPEG": _jpeg_parts,
    "WEBP": _riff_parts,
    "GIF": _gif_parts,
    "BMP": _bmp_parts,
    "TIFF": _tiff_parts,
    "AVIF": _box_parts,
    "HEIF": _box_parts,
}


def repair_checksums(data: bytearray) -> None:
    """Correct the checksums of a PNG: without them its decoder would see few mutations."""
    if detect_format(bytes(data[:64])) == "PNG":
        for start, end in parts(data):
            if end - start >= 12:
                data[end - 4 : end] = struct.pack(">I", zlib.crc32(data[start + 4 : end - 4]))
