"""The boxes of an ISO base media file (ISO/IEC 14496-12), read by their structure: no box's letters are searched for.

A box is a size, four letters and a content that may be boxes. Sizes lie: none leads outside the box around it, no walk reads more
than 10,000 boxes side by side, and what cannot be is ImageCorrupt.
"""

import contextlib
from dataclasses import dataclass

from pipeline.errors import ImageCorrupt

# Boxes side by side. A real file has tens; the largest grids a few thousand.
_MOST_BOXES = 10_000


class Reader:
    """Big-endian numbers of `data` from `at` up to `end`, one after the other. Raises ImageCorrupt past the end."""

    def __init__(self, data: bytes, at: int, end: int) -> None:
        self.data, self.at, self.end = data, at, end

    def number(self, size: int) -> int:
        """The next `size` bytes (0 to 8) as an unsigned number."""
        return int.from_bytes(self.take(size), "big")

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        start, self.at = self.at, self.at + size
        if self.at > self.end:
            raise ImageCorrupt
        return self.data[start : self.at]


@dataclass(frozen=True)
class Box:
    """A box of `kind` whose content lies between `start` and `end`, offsets in `data`, the whole file."""

    data: bytes
    kind: bytes
    start: int
    end: int

    def reader(self) -> Reader:
        """The content."""
        return Reader(self.data, self.start, self.end)

    def full(self) -> tuple[int, int, Reader]:
        """Version, flags and what follows them in a FullBox (section 4.2)."""
        reader = self.reader()
        return reader.number(1), reader.number(3), reader

    def boxes(self, skip: int = 0) -> "list[Box]":
        """The boxes in this one, `skip` bytes into its content. Raises ImageCorrupt if one reaches beyond it."""
        return _boxes(self.data, self.start + skip, self.end, [])

    def all(self, kind: bytes, skip: int = 0) -> "list[Box]":
        """Those of one kind."""
        return [box for box in self.boxes(skip) if box.kind == kind]

    def optional(self, kind: bytes, skip: int = 0) -> "Box | None":
        """The only one of a kind, or None. Raises ImageCorrupt if there are two: who reads it may take either."""
        found = self.all(kind, skip)
        if len(found) > 1:
            raise ImageCorrupt
        return found[0] if found else None

    def one(self, kind: bytes, skip: int = 0) -> "Box":
        """The only one of a kind. Raises ImageCorrupt if there is none, or two."""
        found = self.optional(kind, skip)
        if found is None:
            raise ImageCorrupt
        return found


@dataclass(frozen=True)
class File(Box):
    """A file as the box around its boxes."""

    def boxes(self, skip: int = 0) -> list[Box]:
        """The file's boxes up to one that is cut, or is none: who reads it finds nothing behind that either."""
        found: list[Box] = []
        with contextlib.suppress(ImageCorrupt):
            _boxes(self.data, self.start + skip, self.end, found)
        return found


def whole_file(data: bytes) -> File:
    """The box around a file's boxes."""
    return File(data, b"", 0, len(data))


def _boxes(data: bytes, at: int, end: int, found: list[Box]) -> list[Box]:
    """Add the boxes between `at` and `end` to `found`, and return it. Raises ImageCorrupt at one that reaches beyond `end`."""
    while at < end:
        reader = Reader(data, at, end)
        size, kind = reader.number(4), reader.take(4)
        if size == 1:  # a size of 64 bits follows
            size = reader.number(8)
        elif size == 0:  # up to the end
            size = end - at
        if size < reader.at - at or at + size > end or len(found) == _MOST_BOXES:
            raise ImageCorrupt
        found.append(Box(data, kind, reader.at, at + size))
        at += size
    return found
