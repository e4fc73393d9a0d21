"""The boxes of an ISO base media file (ISO/IEC 14496-12)."""

import contextlib
from dataclasses import dataclass

from pipeline.errors import ImageCorrupt
from pipeline.image.headers.walker import Reader, iso_box, walk

# The number of sibling boxes. A real file has tens, the largest grids a few thousand.
_MAX_BOXES = 10_000


@dataclass(frozen=True)
class Box:
    """A box of `kind`. Its content lies between `start` and `end`, offsets in `data`, the file."""

    data: bytes
    kind: bytes
    start: int
    end: int

    def reader(self) -> Reader:
        """Return a reader of the content."""
        return Reader(self.data, self.start, self.end)

    def full(self) -> tuple[int, int, Reader]:
        """Return the version and flags of a FullBox (4.2), and a reader of what follows them."""
        reader = self.reader()
        return reader.number(1), reader.number(3), reader

    def boxes(self, skip: int = 0) -> "list[Box]":
        """Return the child boxes, which begin `skip` bytes into the content.

        Raises ImageCorrupt if one extends beyond this box.
        """
        return _child_boxes(self, skip, [])

    def all(self, kind: bytes, skip: int = 0) -> "list[Box]":
        """Return the child boxes of one kind."""
        return [box for box in self.boxes(skip) if box.kind == kind]

    def optional(self, kind: bytes, skip: int = 0) -> "Box | None":
        """Return the only child box of a kind, or None.

        Raises ImageCorrupt if there are two, because a decoder may read either of them.
        """
        found = self.all(kind, skip)
        if len(found) > 1:
            raise ImageCorrupt
        return found[0] if found else None

    def one(self, kind: bytes, skip: int = 0) -> "Box":
        """Return the only child box of a kind. Raises ImageCorrupt if there is none, or two."""
        found = self.optional(kind, skip)
        if found is None:
            raise ImageCorrupt
        return found


@dataclass(frozen=True)
class File(Box):
    """A whole file, as the box around its boxes."""

    def boxes(self, skip: int = 0) -> list[Box]:
        """Return the boxes before the first that is cut or invalid: decoders stop there too."""
        found: list[Box] = []
        with contextlib.suppress(ImageCorrupt):
            _child_boxes(self, skip, found)
        return found


def whole_file(data: bytes) -> File:
    """Return the box around a file's boxes."""
    return File(data, b"", 0, len(data))


def _child_boxes(parent: Box, skip: int, found: list[Box]) -> list[Box]:
    """Append the child boxes to `found` and return it."""
    reader = Reader(parent.data, parent.start + skip, parent.end)
    for part in walk(reader, iso_box, _MAX_BOXES):
        if part.next > parent.end:
            raise ImageCorrupt
        found.append(Box(parent.data, part.kind, part.start, part.end))
    return found
