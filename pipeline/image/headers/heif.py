"""The size of a HEIC and the memory that decoding it needs, from its boxes (ISO/IEC 23008-12)."""

from dataclasses import dataclass

from pipeline.errors import ImageCorrupt, UnsupportedImageType
from pipeline.image.headers.isobmff import Box, whole_file
from pipeline.image.headers.items import Items

# A rotation, a mirroring and a crop: at most one of each (ISO/IEC 23000-22, 7.3.6.7). libheif makes
# a new image for each.
_TRANSFORMATIONS = {b"irot", b"imir", b"clap"}
_MAX_TRANSFORMATIONS = 3

# The types of an auxiliary image that is the transparency (ISO/IEC 23000-22, 7.3.5, and older
# names). Others, such as depth and gain maps, are not decoded.
_ALPHA_TYPES = {
    b"urn:mpeg:avc:2015:auxid:1",
    b"urn:mpeg:hevc:2015:auxid:1",
    b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha",
}

# Samples per pixel by chroma_format_idc (ITU-T H.265, table 6-1).
_SAMPLES = (1.0, 1.5, 2.0, 3.0)


@dataclass(frozen=True)
class Declared:
    """What a HEIC declares: width and height in pixels, before they are turned or cropped.

    `sample_bytes` are the bytes per pixel of its samples.
    """

    size: tuple[int, int]
    sample_bytes: float

    @property
    def bytes_per_pixel(self) -> float:
        """What the decoder's process and the worker together need at their peak.

        The samples twice, in libde265 and in libheif; then 3 or 4 bytes there and 4 in the worker.
        As measured at 12 megapixels, without the worker's 4: 4.7 for 4:2:0, 9.2 for 4:4:4, 7.9 for
        4:2:0 in 10 bits, 8.1 for 4:2:0 with alpha, 1.2 for gray.
        """
        return 2 * self.sample_bytes + 4

    @property
    def is_420(self) -> bool:
        """Whether it is in 4:2:0, in 8 bits and without alpha."""
        return self.sample_bytes == _SAMPLES[1]


def read_declared(data: bytes) -> Declared:
    """Return what a file declares of its primary image.

    Raises UnsupportedImageType without HEVC, and ImageCorrupt if the file declares no size, as a
    sequence (`moov`) without a still image, or transforms an item more than three times.
    """
    items = Items(whole_file(data).one(b"meta"))
    size = items.size_of(items.primary)
    all_properties = items.properties.values()
    transformations = max(
        (sum(box.kind in _TRANSFORMATIONS for box in properties) for properties in all_properties),
        default=0,
    )
    if size is None or 0 in size or transformations > _MAX_TRANSFORMATIONS:
        raise ImageCorrupt
    boxes = [box for properties in all_properties for box in properties]
    planes = max((_plane_bytes(box) for box in boxes if box.kind == b"hvcC"), default=None)
    if planes is None:
        raise UnsupportedImageType
    if any(_is_alpha(box) for box in boxes):
        planes += 1
    return Declared(size, planes)


def _is_alpha(box: Box) -> bool:
    """ISO/IEC 23008-12, 6.5.8: the type of an auxiliary image."""
    longest = box.data[box.start + 4 : min(box.end, box.start + 4 + 64)]
    return box.kind == b"auxC" and longest.partition(b"\0")[0] in _ALPHA_TYPES


def _plane_bytes(configuration: Box) -> float:
    """ISO/IEC 14496-15, 8.3.3.1: bytes per pixel of the planes of an image in HEVC."""
    reader = configuration.reader()
    reader.take(16)
    samples = _SAMPLES[reader.number(1) & 0b11]
    return samples * (2 if reader.number(1) & 0b111 else 1)
