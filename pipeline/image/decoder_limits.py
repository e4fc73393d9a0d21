"""Bounds on what a small file can make a decoder do.

A file that declares a small image may still keep a decoder busy for long, or fill the memory.
"""

import io

# The reads that Pillow may make before the pixels. Real files need a few hundred. 20 MB of empty
# comments or one-byte chunks need millions, and each becomes a Python object.
_HEADER_READS = 4_096
# The reads from there to the end. A chunk or a strip takes up to three.
_PIXEL_READS = 200_000

# The scans of a JPEG. Progressive encoders write about ten; libtiff allows a hundred. An empty scan
# takes 30 bytes, and as much time as a pass over the whole image.
_MAX_SCANS = 100
_START_OF_SCAN = b"\xff\xda"


class LimitedFile(io.BytesIO):
    """A file in memory. Reading it in too many parts, or too many scans, raises ValueError."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._reads_left = _HEADER_READS
        self._scans_left: int | None = None

    def begin_pixels(self, in_scans: bool) -> None:
        """Start counting reads of pixels. Count scans too if the image comes `in_scans`."""
        self._reads_left = _PIXEL_READS
        self._scans_left = _MAX_SCANS if in_scans else None

    def read(self, size: int | None = -1, /) -> bytes:
        """Read like any file. Raises ValueError past a limit."""
        self._reads_left -= 1
        if self._reads_left < 0:
            raise ValueError("too many parts")
        block = super().read(size)
        if self._scans_left is not None:
            self._scans_left -= block.count(_START_OF_SCAN)
            if self._scans_left < 0:
                raise ValueError("too many scans")
        return block
