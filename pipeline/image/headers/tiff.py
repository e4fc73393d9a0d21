"""What libtiff unpacks at a time, from a TIFF's first directory (TIFF 6.0).

If the directory is ambiguous, the most expensive reading counts.
"""

from collections import Counter
from collections.abc import Mapping
from itertools import islice
from typing import Any, Literal

from pipeline.errors import ImageCorrupt
from pipeline.image.headers.walker import Reader, tiff_entry, walk
from pipeline.image.pillow_errors import pillow_errors

# The tags that decide how much is decoded (TIFF 6.0, pages 117 and 118).
_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES = 256, 257, 258, 259, 262, 277
_ROWS_PER_STRIP, _PLANAR, _TILE_WIDTH, _TILE_LENGTH, _SUBSAMPLING = 278, 284, 322, 323, 530
_DECISIVE = {_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES}
_DECISIVE |= {_ROWS_PER_STRIP, _PLANAR, _TILE_WIDTH, _TILE_LENGTH, _SUBSAMPLING}
_YCBCR = 6
_MAX_BITS = 64  # of a sample that libtiff decodes
_BIG_TIFF = 43
_MAX_ENTRIES = 1 << 64  # the file's size bounds the walk


def _repeated_tags(data: bytes) -> set[int]:
    """Return the tags that the first directory has more than once.

    Of two entries, libtiff obeys the first, and Pillow the first that it can read. One could be
    priced here, and the other decoded.
    """
    order: Literal["big", "little"] = "little" if data[:2] == b"II" else "big"
    header = Reader(data, 2, len(data), order)
    is_big = header.number(2) == _BIG_TIFF
    if is_big:
        header.take(4)
    # A BigTIFF has 64-bit offsets and counts.
    directory = Reader(data, header.number(8 if is_big else 4), len(data), order)
    count = directory.number(8 if is_big else 2)
    entries = walk(directory, tiff_entry(20 if is_big else 12), _MAX_ENTRIES)
    # Nobody reads an entry that the end of the file cuts.
    tags = [entry.kind for entry in islice(entries, count) if entry.next <= len(data)]
    return {int.from_bytes(tag, order) for tag, times in Counter(tags).items() if times > 1}


def unpacked_bytes(data: bytes, tags: Mapping[int, Any]) -> float:
    """Return the bytes of a strip or tile (TIFF 6.0, page 39 and section 15).

    libtiff unpacks it as a whole, however small the image is. `tags` are those that Pillow has read
    from `data`. If the bits per sample are given twice, the largest possible value counts.

    Raises ImageCorrupt if a tag is not a number, or if another tag that decides the size is given
    twice.
    """
    repeated = _repeated_tags(data) & _DECISIVE
    if repeated - {_BITS}:
        raise ImageCorrupt
    with pillow_errors():
        values = {tag: tags[tag] for tag in _DECISIVE if tag in tags}
    bits = (_MAX_BITS,) if _BITS in repeated else values.get(_BITS, (1,))
    if not isinstance(bits, tuple) or not all(isinstance(size, int) for size in bits) or not bits:
        raise ImageCorrupt

    def number(tag: int, default: int) -> int:
        value = values.get(tag, default)
        if not isinstance(value, int):
            raise ImageCorrupt
        return value

    sample_bits = max(sum(bits), max(bits) * number(_SAMPLES, 1))
    if number(_PHOTOMETRIC, 0) == _YCBCR:
        sample_bits += 32  # libtiff converts the strip to RGBA, in a second buffer
    width, height = number(_WIDTH, 0), number(_LENGTH, 0)
    if _TILE_WIDTH in values:
        pixels = number(_TILE_WIDTH, 0) * number(_TILE_LENGTH, height)
    else:
        pixels = width * min(number(_ROWS_PER_STRIP, height), height)
    return float(pixels * sample_bits / 8)
