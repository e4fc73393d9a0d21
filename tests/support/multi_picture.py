"""JPEG files with more than one image: MPO (CIPA DC-007) and Ultra HDR, as cameras write them."""

import struct

from tests.support.image_files import segment

# CIPA DC-007, 5.2: the version, the number of images, and the entries of the index.
_VERSION, _NUMBER, _ENTRIES = 0xB000, 0xB001, 0xB002
_UNDEFINED, _LONG = 7, 4
_ENTRY_BYTES = 16
_HEADER_BYTES = 50  # of the index: 8, then a directory of three tags
_PRIMARY = 0x030000  # the type of an entry: a baseline primary image
_APP1, _APP2 = 0xE1, 0xE2

_XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
 xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"%s/>
 </rdf:RDF></x:xmpmeta>"""


def index(sizes: list[int], offsets: list[int], number: int | None = None) -> bytes:
    """Return the APP2 segment with the index of images: their sizes and offsets in bytes.

    Offsets are relative to the index, 0 for the first image. `number` is the number of images that
    it claims.
    """
    entries = b"".join(
        struct.pack(">IIIHH", 0 if offset else _PRIMARY, size, offset, 0, 0)
        for size, offset in zip(sizes, offsets, strict=True)
    )
    number = len(sizes) if number is None else number
    tags = [
        struct.pack(">HHI4s", _VERSION, _UNDEFINED, 4, b"0100"),
        struct.pack(">HHII", _NUMBER, _LONG, 1, number),
        struct.pack(">HHII", _ENTRIES, _UNDEFINED, len(entries), _HEADER_BYTES),
    ]
    directory = struct.pack(">H", len(tags)) + b"".join(tags) + bytes(4)
    return segment(_APP2, b"MPF\0MM\0*" + struct.pack(">I", 8) + directory + entries)


def xmp(attributes: str = "") -> bytes:
    """Return the APP1 segment that announces a gain map (Ultra HDR image format 1.1)."""
    return segment(_APP1, b"http://ns.adobe.com/xap/1.0/\0" + (_XMP % attributes).encode())


def multi_picture(*images: bytes, before: bytes = b"") -> bytes:
    """Return JPEGs one after the other, with an index in the first, after the segments `before`."""
    first, *others = images
    empty = index([0] * len(images), [0] * len(images))
    begin = 2 + len(before) + 8  # of what offsets are relative to
    at = len(first) + len(before) + len(empty)
    sizes, offsets = [at], [0]
    for other in others:
        sizes.append(len(other))
        offsets.append(at - begin)
        at += len(other)
    return first[:2] + before + index(sizes, offsets) + first[2:] + b"".join(others)


def ultra_hdr(base: bytes, gain_map: bytes) -> bytes:
    """Return a JPEG with a gain map, in which a display of high dynamic range is described."""
    described = gain_map[:2] + xmp(' hdrgm:GainMapMax="2.5"') + gain_map[2:]
    return multi_picture(base, described, before=xmp())
