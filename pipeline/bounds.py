"""What a small file could make a decoder do for long, or with much memory, although it declares a small picture: bounded."""

import ctypes
import io

from PIL import Image

# Reads that Pillow may make before the pixels begin. Real files need a few hundred; of empty comments and one-byte chunks, 20 MB
# hold millions, each a Python object.
_HEADER_READS = 4_096
# Reads from there to the end: a chunk or a strip takes up to three.
_PIXEL_READS = 200_000

# Scans of a progressive JPEG: encoders write some ten, libtiff allows a hundred. An empty one takes 30 bytes, and as much time as
# walking the whole picture.
_SCANS = 100
_START_OF_SCAN = b"\xff\xda"

# libavif's `imageSizeLimit`: where it stands in an avifDecoder (avif.h of 1.x), and its default.
_AVIF_LIMIT_OFFSET = 28
_AVIF_DEFAULT_LIMIT = 16_384 * 16_384
# A tile of a grid may reach beyond the picture's edge.
_AVIF_TILE_PIXELS = 1 << 20


class BoundedFile(io.BytesIO):
    """A file in memory that ends in ValueError for who reads it in too many parts, or too many scans."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._reads_left = _HEADER_READS
        self._scans_left: int | None = None

    def begin_pixels(self, progressive: bool) -> None:
        """Allow what reading the pixels takes, once the header has been read."""
        self._reads_left = _PIXEL_READS
        self._scans_left = _SCANS if progressive else None

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


def bound_avif_frames(image: Image.Image) -> None:
    """Have libavif refuse frames larger than the picture that the file declares.

    A file of 800 bytes may declare 16 × 16 pixels around a frame of 268 million; libavif decodes that to scale it down. Pillow
    keeps libavif's limit to itself, so it is set in libavif's own struct, behind the head of Pillow's Python object; what stands
    there is left alone if it is not the limit's default, as then it is another libavif's.
    """
    decoder = vars(image)["_decoder"]
    struct_address = ctypes.c_void_p.from_address(id(decoder) + object.__basicsize__).value
    assert struct_address is not None
    limit = ctypes.c_uint32.from_address(struct_address + _AVIF_LIMIT_OFFSET)
    if limit.value == _AVIF_DEFAULT_LIMIT:
        limit.value = min(limit.value, image.width * image.height + _AVIF_TILE_PIXELS)
