"""Write HEIC files: whole ones by libheif, and box by box, as no encoder would."""

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pillow_heif
from PIL import Image

from tests.support.avif_files import box, extent, full


def heic(image: Image.Image, **options: Any) -> bytes:
    """Encode an image as HEIC, turned if its EXIF says so, and turned back by the file."""
    return saved(pillow_heif.from_pillow(image), **options)


def saved(file: pillow_heif.HeifFile, **options: Any) -> bytes:
    """Return a file of pillow-heif as bytes."""
    output = io.BytesIO()
    # How well a test's image is compressed does not matter.
    file.save(output, **{"quality": 90, "enc_params": {"preset": "ultrafast"}, **options})
    return output.getvalue()


@dataclass(frozen=True)
class Item:
    """An item of a file: its type, its data, its properties, and the items it is composed of."""

    kind: bytes
    data: bytes
    properties: Sequence[bytes]
    parts: Sequence[int] = ()


def coded(image: Image.Image, declared: tuple[int, int] | None = None) -> Item:
    """Return an image in HEVC as an item, which may declare another size."""
    data = heic(image, quality=10)
    at = data.index(b"hvcC") - 4
    described = data[at : at + int.from_bytes(data[at : at + 4], "big")]
    payload = data[data.index(b"mdat") + 4 :]
    return Item(b"hvc1", payload, [described, extent(*(declared or image.size))])


def configuration(chroma: int = 1, bits: int = 8) -> bytes:
    """Return an hvcC box, which describes a stream that is not there (ISO/IEC 14496-15, 8.3.3)."""
    return box(b"hvcC", bytes(16), bytes([chroma | 0xFC, (bits - 8) | 0xF8]), bytes(5))


def grid(size: tuple[int, int], parts: Sequence[int], columns: int, *more: bytes) -> Item:
    """Return a grid of `parts`, row by row."""
    rows = len(parts) // columns
    data = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, *size)
    return Item(b"grid", data, [extent(*size), *more], parts)


def overlay(size: tuple[int, int], parts: Sequence[int]) -> Item:
    """Return a canvas that `parts` are painted on, each at its left upper corner."""
    data = struct.pack(">BB4H", 0, 0, *[65_535] * 4) + struct.pack(">HH", *size)
    return Item(b"iovl", data + bytes(4 * len(parts)), [extent(*size)], parts)


def composed(*items: Item) -> bytes:
    """Return a file of these items, numbered from 1. The first is the primary one."""
    brands = box(b"ftyp", b"heic", bytes(4), b"mif1heic")
    behind = len(brands) + len(_meta(items, 0)) + 8
    return brands + _meta(items, behind) + box(b"mdat", *(item.data for item in items))


def _meta(items: Sequence[Item], start: int) -> bytes:
    choices: list[bytes] = []
    located = used = entries = references = b""
    for number, item in enumerate(items, 1):
        located += struct.pack(">HHHHII", number, 0, 0, 1, start, len(item.data))
        start += len(item.data)
        used += struct.pack(">HB", number, len(item.properties))
        for content in item.properties:
            if content not in choices:
                choices.append(content)
            used += bytes([choices.index(content) + 1])
        entries += full(b"infe", struct.pack(">HH", number, 0), item.kind + b"\0", version=2)
        if item.parts:
            count = len(item.parts)
            references += box(b"dimg", struct.pack(f">HH{count}H", number, count, *item.parts))
    number_of_items = struct.pack(">H", len(items))
    return full(
        b"meta",
        full(b"hdlr", bytes(4), b"pict", bytes(13)),
        full(b"pitm", struct.pack(">H", 1)),
        full(b"iloc", struct.pack(">H", 0x4400), number_of_items, located, version=1),
        full(b"iinf", number_of_items, entries),
        full(b"iref", references) if references else b"",
        box(b"iprp", box(b"ipco", *choices), full(b"ipma", struct.pack(">I", len(items)), used)),
    )
