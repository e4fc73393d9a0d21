"""The size of a HEIC, from its boxes (ISO/IEC 23008-12)."""

from pipeline.errors import ImageCorrupt
from pipeline.image.headers.isobmff import whole_file
from pipeline.image.headers.items import Items

# A rotation, a mirroring and a crop: at most one of each (ISO/IEC 23000-22, 7.3.6.7). libheif makes
# a new image for each.
_TRANSFORMATIONS = {b"irot", b"imir", b"clap"}
_MAX_TRANSFORMATIONS = 3


def declared_size(data: bytes) -> tuple[int, int]:
    """Return width and height of the primary image, in pixels, before it is rotated or cropped.

    Raises ImageCorrupt if the file declares none, as a sequence (`moov`) without a still image, or
    if it transforms an item more than three times.
    """
    items = Items(whole_file(data).one(b"meta"))
    size = items.size_of(items.primary)
    transformations = max(
        sum(box.kind in _TRANSFORMATIONS for box in properties)
        for properties in items.properties.values()
    )
    if size is None or 0 in size or transformations > _MAX_TRANSFORMATIONS:
        raise ImageCorrupt
    return size
