"""The color space that an AVIF declares by numbers, in a box colr of type nclx."""

import contextlib
from collections.abc import Iterator

from pipeline.errors import ImageCorrupt
from pipeline.image.headers.isobmff import Box, File, whole_file
from pipeline.image.headers.items import Items

_SAMPLE_ENTRY_BYTES = 78  # of a visual sample entry, before its boxes (ISO/IEC 14496-12, 12.1.3)
_STILL = b"avif"


def read_codes(data: bytes) -> tuple[int, int] | None:
    """Return color primaries and transfer characteristics of the first image (ITU-T H.273).

    None if the file declares none, or is damaged. Like libavif, this prefers the primary item in a
    file whose major brand is `avif`, and tracks in others.
    """
    file = whole_file(data)
    sources = [_of_tracks, _of_primary_item]
    if data[8:12] == _STILL:
        sources.reverse()
    for source in sources:
        with contextlib.suppress(ImageCorrupt):
            for box in source(file):
                # ISO/IEC 14496-12, 12.1.5.2.
                reader = box.reader()
                if box.kind == b"colr" and reader.take(4) == b"nclx":
                    return reader.number(2), reader.number(2)
    return None


def _of_primary_item(file: File) -> list[Box]:
    meta = file.optional(b"meta")
    if meta is None:
        return []
    items = Items(meta)
    return items.properties.get(items.primary, [])


def _of_tracks(file: File) -> Iterator[Box]:
    """Yield the boxes of the sample entries for AV1."""
    movie = file.optional(b"moov")
    for track in movie.all(b"trak") if movie else []:
        description = track.one(b"mdia").one(b"minf").one(b"stbl").one(b"stsd").full()[2]
        description.take(4)
        for entry in Box(track.data, b"", description.at, description.end).all(b"av01"):
            yield from entry.boxes(_SAMPLE_ENTRY_BYTES)
