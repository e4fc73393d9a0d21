"""What a small file could make a decoder do for long, or with much memory, although it declares a small image: bounded."""

import io

# Reads that Pillow may make before the pixels begin. Real files need a few hundred; of empty comments and one-byte chunks, 20 MB
# hold millions, each a Python object.
_HEADER_READS = 4_096
# Reads from there to the end: a chunk or a strip takes up to three.
_PIXEL_READS = 200_000

# Scans of a JPEG: progressive encoders write some ten, libtiff allows a hundred. An empty one takes 30 bytes, and as much time as
# walking the whole image.
_SCANS = 100
_START_OF_SCAN = b"\xff\xda"


class BoundedFile(io.BytesIO):
    """A file in memory that ends in ValueError for who reads it in too many parts, or too many scans."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._reads_left = _HEADER_READS
        self._scans_left: int | None = None

    def begin_pixels(self, in_scans: bool) -> None:
        """Allow what reading the pixels takes, once the header has been read; of an image `in_scans`, count these as well."""
        self._reads_left = _PIXEL_READS
        self._scans_left = _SCANS if in_scans else None

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as any file does. Raises ValueError past the bounds."""
        self._reads_left -= 1
        if self._reads_left < 0:
            raise ValueError("too many parts")
        block = super().read(size)
        if self._scans_left is not None:
            self._scans_left -= block.count(_START_OF_SCAN)
            if self._scans_left < 0:
                raise ValueError("too many scans")
        return block
