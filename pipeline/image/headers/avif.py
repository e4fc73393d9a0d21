"""The memory that libavif needs for an AVIF (AV1 Image File Format, 2 to 4).

libavif decodes the primary image, with its tiles and alpha, or the first sample of a sequence.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from pipeline.errors import ImageCorrupt, ImageTooLarge
from pipeline.image.headers.av1 import Stream, bytes_per_pixel, read_stream
from pipeline.image.headers.isobmff import Box, whole_file
from pipeline.image.headers.items import Items

# How far a frame may exceed its image: a tile of a grid may extend beyond the image's edge.
_TILE_PIXELS = 1 << 20

_MAX_BYTES_PER_PIXEL = bytes_per_pixel(12, is_gray=False)
# The types of an auxiliary image (auxC) that is alpha: AV1 Image File Format, 4.1, and HEVC's type,
# which libavif accepts too.
_ALPHA = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1")

_CONFIGURATION_BYTES = 4  # of an av1C box, before its units (AV1 in ISO base media, 2.3.3)
_SAMPLE_ENTRY_BYTES = 78  # of a visual sample entry, before its boxes (ISO/IEC 14496-12, 12.1.3)

Extent = tuple[int, int]  # start and end of bytes in the file, end exclusive


def plane_bytes(data: bytes, size: tuple[int, int]) -> float:
    """Return the bytes that libavif and its AV1 decoder hold at most for the first image.

    `size` is the declared width and height. A file may declare 16 × 16 pixels around a frame of 268
    million, which libavif would decode and scale down.

    Raises ImageTooLarge if a frame exceeds the declared size by more than a tile of 2^20 pixels,
    and ImageCorrupt if the AV1 data cannot be found or read.
    """
    most = size[0] * size[1] + _TILE_PIXELS
    file = whole_file(data)
    meta, moov = file.optional(b"meta"), file.optional(b"moov")
    groups = [_Items(meta).decoded() if meta else []]
    groups += [list(itertools.chain(*map(_decoded_sample, moov.all(b"trak"))))] if moov else []
    if not any(groups):
        raise ImageCorrupt
    if any(image.pixels > most for image in itertools.chain(*groups)):
        raise ImageTooLarge(most, "pixels in a frame")
    return max(sum(image.bytes for image in group) for group in groups)


@dataclass(frozen=True)
class _Decoded:
    """One image that libavif decodes: the pixels of its largest frame, the bytes of all frames."""

    pixels: int
    bytes: float


def _decoded(stream: Stream, configurations: list[Box], declared_pixels: int = 0) -> _Decoded:
    """Return the cost of a stream. libavif scales a frame to the declared size."""
    declared = max(map(_configured_bytes_per_pixel, configurations), default=_MAX_BYTES_PER_PIXEL)
    pixels = max(stream.pixels, declared_pixels)
    return _Decoded(stream.pixels, pixels * stream.frames * max(stream.bytes_per_pixel, declared))


def _configured_bytes_per_pixel(configuration: Box) -> float:
    reader = configuration.reader()
    reader.take(2)
    flags = reader.number(1)
    subsampled = 2 if flags & 0b1000 else 1, 2 if flags & 0b0100 else 1
    return bytes_per_pixel(10 if flags & 0b0100_0000 else 8, bool(flags & 0b0001_0000), *subsampled)


def _units(configurations: list[Box]) -> bytes:
    return b"".join(box.data[box.start + _CONFIGURATION_BYTES : box.end] for box in configurations)


def _decoded_sample(track: Box) -> Iterator[_Decoded]:
    """Yield the first sample of an AV1 track. Other tracks, and empty ones, yield nothing."""
    box: Box | None = track
    for kind in (b"mdia", b"minf", b"stbl"):
        box = None if box is None else box.optional(kind)
    if box is None:
        return
    description = box.one(b"stsd").full()[2]
    description.take(4)
    entries = Box(track.data, b"", description.at, description.end).boxes()
    configurations = [
        found
        for entry in entries
        if entry.kind == b"av01"
        for found in entry.all(b"av1C", _SAMPLE_ENTRY_BYTES)
    ]
    if not any(entry.kind == b"av01" for entry in entries):
        return
    extent = _first_sample(box)
    if extent is not None:
        yield _decoded(
            read_stream(_joined(track.data, [extent]), _units(configurations)), configurations
        )


def _first_sample(table: Box) -> Extent | None:
    """Return the first sample, the start of the first chunk (ISO/IEC 14496-12, 8.7.3, 8.7.5)."""
    sizes, offsets, long_offsets = (
        table.one(b"stsz").full()[2],
        table.optional(b"stco"),
        table.optional(b"co64"),
    )
    size, count = sizes.number(4), sizes.number(4)
    chunks = offsets or long_offsets
    if chunks is None or (offsets and long_offsets):
        raise ImageCorrupt
    reader = chunks.full()[2]
    if not count or not reader.number(4):
        return None
    size = size or sizes.number(4)
    start = reader.number(4 if offsets else 8)
    return start, start + size


def _joined(data: bytes, extents: list[Extent]) -> bytes | memoryview:
    """Return the bytes of an item, without a copy if it has one extent.

    Raises ImageCorrupt if an extent lies outside the file.
    """
    if not extents or any(end > len(data) or end <= start for start, end in extents):
        raise ImageCorrupt
    parts = [memoryview(data)[start:end] for start, end in extents]
    return parts[0] if len(parts) == 1 else b"".join(parts)


class _Items(Items):
    """The items of an AVIF. Every method and property raises ImageCorrupt."""

    def __init__(self, meta: Box) -> None:
        super().__init__(meta)
        self._left_to_read = 2 * len(meta.data)
        self._read: dict[tuple[Extent, ...], bytes | memoryview] = {}

    def decoded(self) -> list[_Decoded]:
        """Return the primary item, the items it is composed of, and their alpha.

        libavif ignores depth and gain maps. The tiles of a grid count once: libavif copies each
        into the grid and frees it before it decodes the next.
        """
        found: list[_Decoded] = []
        seen: set[int] = set()
        waiting = [self.primary]
        while waiting:
            item = waiting.pop()
            if item in seen:
                continue
            seen.add(item)
            waiting += self._needed.get(item, [])
            if b"av01" in self._types.get(item, set()):
                found.append(self._decode(item))
        return found

    def _may_be_alpha(self, item: int) -> bool:
        kinds = [
            box.data[box.start + 4 : box.end].partition(b"\0")[0]
            for box in self.properties.get(item, [])
            if box.kind == b"auxC"
        ]
        return not kinds or any(kind in _ALPHA for kind in kinds)

    def _decode(self, item: int) -> _Decoded:
        properties = self.properties.get(item, [])
        configurations = [box for box in properties if box.kind == b"av1C"]
        width, height = self.size_of(item) or (0, 0)
        return _decoded(
            read_stream(self._payload(item), _units(configurations)), configurations, width * height
        )

    def _payload(self, item: int) -> bytes | memoryview:
        """Return an item's bytes. Items may share bytes, but their sum is bounded."""
        extents = self._extents.get(item, [])
        key = tuple(extents)
        if key not in self._read:
            self._read[key] = _joined(self.data, extents)
            self._left_to_read -= len(self._read[key])
            if self._left_to_read < 0:
                raise ImageCorrupt
        return self._read[key]

    @cached_property
    def _types(self) -> dict[int, set[bytes]]:
        information = self.boxes.one(b"iinf")
        version = information.full()[0]
        types: dict[int, set[bytes]] = {}
        for entry in information.all(b"infe", skip=8 if version else 6):
            version, _, reader = entry.full()
            if version >= 2:
                item = reader.number(4 if version > 2 else 2)
                reader.take(2)
                types.setdefault(item, set()).add(reader.take(4))
        return types

    @cached_property
    def _needed(self) -> dict[int, list[int]]:
        """Map each item to those it is composed of (dimg), and to its alpha (auxl)."""
        needed: dict[int, list[int]] = {}
        references = self.boxes.optional(b"iref")
        if references is None:
            return needed
        size = 4 if references.full()[0] else 2
        for reference in references.boxes(skip=4):
            reader = reference.reader()
            item = reader.number(size)
            others = [reader.number(size) for _ in self.counted(reader.number(2))]
            if reference.kind == b"dimg":
                needed.setdefault(item, []).extend(others)
            elif reference.kind == b"auxl" and self._may_be_alpha(item):
                for other in others:
                    needed.setdefault(other, []).append(item)
        return needed

    @cached_property
    def _extents(self) -> dict[int, list[Extent]]:
        version, _, reader = self.boxes.one(b"iloc").full()
        if version > 2:
            raise ImageCorrupt
        sizes = reader.number(2)
        offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
        index_size = sizes & 15 if version else 0
        found: dict[int, list[Extent]] = {}
        for _ in self.counted(reader.number(4 if version == 2 else 2)):
            item = reader.number(4 if version == 2 else 2)
            method = reader.number(2) & 15 if version else 0
            reader.take(2)
            base = reader.number(base_size)
            if item in found:
                raise ImageCorrupt
            found[item] = []
            for _ in self.counted(reader.number(2)):
                reader.take(index_size)
                start, length = base + reader.number(offset_size), reader.number(length_size)
                found[item].append(self._placed(method, start, start + length))
        return found

    def _placed(self, method: int, start: int, end: int) -> Extent:
        """Place an extent by its construction method (8.11.3): 0 in the file, 1 in the idat box."""
        if method == 0:
            return start, end
        stored = self.boxes.optional(b"idat")
        if method != 1 or stored is None or stored.start + end > stored.end:
            return 0, 0  # invalid, which matters only if the item is needed
        return stored.start + start, stored.start + end
