"""The size of a HEIC and the memory that decoding it needs, from its boxes (ISO/IEC 23008-12)."""

from dataclasses import dataclass

from pipeline.errors import ImageCorrupt, UnsupportedImageType
from pipeline.image.headers.isobmff import Box, whole_file
from pipeline.image.headers.items import Items

# A rotation, a mirroring and a crop: at most one of each (ISO/IEC 23000-22, 7.3.6.7). libheif makes
# a new image for each.
_TRANSFORMATIONS = {b"irot", b"imir", b"clap"}
_MAX_TRANSFORMATIONS = 3

# Samples per pixel by chroma_format_idc (ITU-T H.265, table 6-1).
_SAMPLES = (1.0, 1.5, 2.0, 3.0)


@dataclass(frozen=True)
class Declared:
    """What a HEIC declares: width and height in pixels, before they are turned or cropped.

    `bytes_per_pixel` is what the decoder's process and the worker together need at their peak. As
    measured at 12 megapixels, without the worker's 4: 4.7 for 4:2:0, 9.2 for 4:4:4, 7.9 for 4:2:0
    in 10 bits, 8.1 for 4:2:0 with alpha, 1.2 for gray.
    """

    size: tuple[int, int]
    bytes_per_pixel: float


def read_declared(data: bytes) -> Declared:
    """Return what a file declares of its primary image.

    Raises UnsupportedImageType without HEVC, and ImageCorrupt if the file declares no size, as a
    sequence (`moov`) without a still image, or transforms an item more than three times.
    """
    items = Items(whole_file(data).one(b"meta"))
    size = items.size_of(items.primary)
    all_properties = items.properties.values()
    transformations = max(
        sum(box.kind in _TRANSFORMATIONS for box in properties) for properties in all_properties
    )
    if size is None or 0 in size or transformations > _MAX_TRANSFORMATIONS:
        raise ImageCorrupt
    boxes = [box for properties in all_properties for box in properties]
    planes = max((_plane_bytes(box) for box in boxes if box.kind == b"hvcC"), default=None)
    if planes is None:
        raise UnsupportedImageType
    if any(box.kind == b"auxC" for box in boxes):
        planes += 1
    # The planes twice, in libde265 and in libheif; then 3 or 4 bytes there and 4 in the worker.
    return Declared(size, 2 * planes + 4)


def _plane_bytes(configuration: Box) -> float:
    """ISO/IEC 14496-15, 8.3.3.1: bytes per pixel of the planes of an image in HEVC."""
    reader = configuration.reader()
    reader.take(16)
    samples = _SAMPLES[reader.number(1) & 0b11]
    return samples * (2 if reader.number(1) & 0b111 else 1)
