"""Walks the parts of a file: ISO-BMFF boxes, RIFF and PNG chunks, TIFF directory entries.

Each is a short header, with a kind and a size, and its content. Parts are found by their structure:
no file is searched for the letters of a kind, and no size leads outside the part around it.
"""

from collections.abc import Callable, Iterator
from struct import Struct
from typing import Any, Literal, NamedTuple

from pipeline.errors import ImageCorrupt

_PNG_HEADER = Struct(">I4s")
_RIFF_HEADER = Struct("<4sI")


class Reader:
    """Reads unsigned numbers of `data` from `at` to `end`. Raises ImageCorrupt past the end."""

    def __init__(
        self, data: bytes, at: int, end: int, order: Literal["big", "little"] = "big"
    ) -> None:
        self.data, self.at, self.end, self._order = data, at, end, order

    def number(self, size: int) -> int:
        """Return the next `size` bytes (0 to 8) as an unsigned number."""
        return int.from_bytes(self.take(size), self._order)

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        start, self.at = self.at, self.at + size
        if self.at > self.end:
            raise ImageCorrupt
        return self.data[start : self.at]

    def unpack(self, layout: Struct) -> tuple[Any, ...]:
        """Return the next values of a layout, whatever the byte order of this reader."""
        start, self.at = self.at, self.at + layout.size
        if self.at > self.end:
            raise ImageCorrupt
        return layout.unpack_from(self.data, start)


class Part(NamedTuple):
    """One part. All values but `kind` are offsets in the file.

    Its header begins at `at`, its content at `start`. The content ends before `end`, the part
    (with a checksum or padding) before `next`, which may lie beyond the end of the file.
    """

    kind: bytes
    at: int
    start: int
    end: int
    next: int


# Reads a header and returns the kind, the size of the content, and the size of what follows it.
Layout = Callable[[Reader], tuple[bytes, int, int]]


def iso_box(reader: Reader) -> tuple[bytes, int, int]:
    """ISO/IEC 14496-12, 4.2: the size includes the header; 1 means 64 bits, 0 means to the end."""
    at = reader.at
    size, kind = reader.number(4), reader.take(4)
    if size == 1:
        size = reader.number(8)
    elif size == 0:
        size = reader.end - at
    if size < reader.at - at:
        raise ImageCorrupt
    return kind, size - (reader.at - at), 0


def riff_chunk(reader: Reader) -> tuple[bytes, int, int]:
    """RFC 9649, 2.3: little-endian; contents of odd size are padded."""
    kind, size = reader.unpack(_RIFF_HEADER)
    return kind, size, size & 1


def png_chunk(reader: Reader) -> tuple[bytes, int, int]:
    """PNG 3rd edition, 5.3: the size comes first; a CRC follows the content."""
    size, kind = reader.unpack(_PNG_HEADER)
    return kind, size, 4


def tiff_entry(size: int) -> Layout:
    """TIFF 6.0, page 14: a directory entry of `size` bytes (12, or 20 in a BigTIFF)."""
    return lambda reader: (reader.take(2), size - 2, 0)


def walk(reader: Reader, layout: Layout, max_parts: int) -> Iterator[Part]:
    """Yield the parts from the reader's position to its end.

    The last one may be cut: then its `next` lies beyond the reader's end. If its header is cut or
    invalid, its `kind` is empty too.

    Raises ImageCorrupt for more than `max_parts` parts.
    """
    for _ in range(max_parts):
        at = reader.at
        if at >= reader.end:
            return
        try:
            kind, size, trailing = layout(reader)
        except ImageCorrupt:
            yield Part(b"", at, reader.end, reader.end, reader.end + 1)
            return
        end = reader.at + size
        yield Part(kind, at, reader.at, end, end + trailing)
        reader.at = end + trailing
    if reader.at < reader.end:
        raise ImageCorrupt
