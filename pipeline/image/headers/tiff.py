"""What libtiff unpacks at a time, from a TIFF's first directory, by its most expensive reading (TIFF 6.0)."""

from collections.abc import Mapping
from typing import Any

from pipeline.errors import ImageCorrupt
from pipeline.image.pillow_errors import pillow_errors

_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES = 256, 257, 258, 259, 262, 277
_ROWS_PER_STRIP, _PLANAR, _TILE_WIDTH, _TILE_LENGTH, _SUBSAMPLING = 278, 284, 322, 323, 530
# The tags that decide how much is decoded (TIFF 6.0, pages 117 and 118).
_DECISIVE = {_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES}
_DECISIVE |= {_ROWS_PER_STRIP, _PLANAR, _TILE_WIDTH, _TILE_LENGTH, _SUBSAMPLING}
_YCBCR = 6
_MOST_BITS = 64  # of a sample that libtiff decodes


def _repeated_tags(data: bytes) -> set[int]:
    """The tags that stand more than once in the first directory.

    Of two, libtiff obeys the first, and Pillow knows the first that it can read: the one may be priced, and the other decoded.
    """
    order = "little" if data[:2] == b"II" else "big"

    def number(at: int, size: int) -> int:
        return int.from_bytes(data[at : at + size], order)  # type: ignore[arg-type]

    is_big = number(2, 2) == 43  # BigTIFF: 64-bit offsets and counts
    directory = number(8, 8) if is_big else number(4, 4)
    count_size, entry_size = (8, 20) if is_big else (2, 12)
    first = directory + count_size
    most = (
        len(data) - first
    ) // entry_size  # a directory that claims more is cut, and refused by who reads it
    seen: set[int] = set()
    repeated: set[int] = set()
    for entry in range(min(number(directory, count_size), most)):
        tag = number(first + entry * entry_size, 2)
        (repeated if tag in seen else seen).add(tag)
    return repeated


def unpacked_bytes(data: bytes, tags: Mapping[int, Any]) -> float:
    """Bytes of a strip or a tile (TIFF 6.0, page 39 and section 15), which libtiff unpacks whole, however small the image is.

    `tags` are those that Pillow has read from `data`. Raises ImageCorrupt where one is no number, or where a tag that decides on
    the size stands twice; samples whose bits are stated twice are taken for the largest there are.
    """
    repeated = _repeated_tags(data) & _DECISIVE
    if repeated - {_BITS}:
        raise ImageCorrupt
    with pillow_errors():
        values = {tag: tags[tag] for tag in _DECISIVE if tag in tags}
    bits = (_MOST_BITS,) if _BITS in repeated else values.get(_BITS, (1,))
    if not isinstance(bits, tuple) or not all(isinstance(size, int) for size in bits) or not bits:
        raise ImageCorrupt

    def number(tag: int, default: int) -> int:
        value = values.get(tag, default)
        if not isinstance(value, int):
            raise ImageCorrupt
        return value

    sample_bits = max(sum(bits), max(bits) * number(_SAMPLES, 1))
    if number(_PHOTOMETRIC, 0) == _YCBCR:
        sample_bits += 32  # Pillow has libtiff convert the strip to RGBA, beside it
    width, height = number(_WIDTH, 0), number(_LENGTH, 0)
    if _TILE_WIDTH in values:
        pixels = number(_TILE_WIDTH, 0) * number(_TILE_LENGTH, height)
    else:
        pixels = width * min(number(_ROWS_PER_STRIP, height), height)
    return float(pixels * sample_bits / 8)
