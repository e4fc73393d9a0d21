"""Write image files part by part: chunks, segments, tags and frames that no encoder would write."""

import io
import struct
import zlib

from PIL import Image

from tests.support.images import encoded


def still() -> Image.Image:
    """Return a harmless image, 16 × 12."""
    return Image.new("RGB", (16, 12), (200, 30, 30))


def chunk(name: bytes, content: bytes = b"") -> bytes:
    """Return a chunk of a PNG."""
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
    )


def png(*chunks: bytes, at: int = 33) -> bytes:
    """Return a valid PNG with more chunks after its header, or elsewhere."""
    data = encoded(still())
    return data[:at] + b"".join(chunks) + data[at:]


def packed(size: int) -> bytes:
    """Compress zeros with zlib."""
    return zlib.compress(bytes(size), 9)


def jpeg(*segments: bytes) -> bytes:
    """Return a valid JPEG with more segments at its start."""
    data = encoded(still(), "JPEG")
    return data[:2] + b"".join(segments) + data[2:]


def segment(marker: int, content: bytes = b"") -> bytes:
    """Return a segment of a JPEG."""
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content


def exif(tags: int, size: int, big: bool = False) -> bytes:
    """Return EXIF, which is a TIFF, whose tags all point to the same bytes."""
    count, entry, after = ("<Q", "<HHQQ", 8) if big else ("<H", "<HHII", 4)
    head = b"II+\0\x08\0\0\0" + struct.pack("<Q", 16) if big else b"II*\0" + struct.pack("<I", 8)
    end = len(head) + struct.calcsize(count) + tags * struct.calcsize(entry) + after
    entries = b"".join(
        struct.pack(entry, tag % 65536, 7, size, end) for tag in range(1000, 1000 + tags)
    )
    return head + struct.pack(count, tags) + entries + bytes(after) + bytes(size)


def in_jpeg(block: bytes) -> bytes:
    """Return a JPEG with EXIF in as many segments as needed."""
    data = jpeg(
        *(
            segment(0xE1, b"Exif\0\0" + block[at : at + 65_000])
            for at in range(0, len(block), 65_000)
        )
    )
    # Without a density in the JFIF segment, the decoder reads EXIF at once.
    return data.replace(b"JFIF", b"JFXX", 1)


def tiff(following: int = 0, pages: int = 1, **tags: int) -> bytes:
    """Return gray TIFF pages of the same pixels.

    `following` is the offset of the next page that the last page declares.
    """
    pixels = packed(
        max(tags.get("strip", 192), tags.get("TileWidth", 0) * tags.get("TileLength", 0))
    )
    entries = {256: 16, 257: 12, 258: 8, 259: 8, 262: 1, 277: 1}
    entries |= {256: tags.get("ImageWidth", 16), 257: tags.get("ImageLength", 12)}
    if "TileWidth" in tags:
        entries |= {322: tags["TileWidth"], 323: tags["TileLength"], 324: 8, 325: len(pixels)}
    else:
        entries |= {273: 8, 278: 2**32 - 1, 279: len(pixels)}
    at = 8 + len(pixels)
    data = b"II*\0" + struct.pack("<I", at) + pixels
    for page in range(pages):
        at += 2 + 12 * len(entries) + 4
        directory = b"".join(
            struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(entries.items())
        )
        data += (
            struct.pack("<H", len(entries))
            + directory
            + struct.pack("<I", following if page == pages - 1 else at)
        )
    return data


def gif(
    extensions: bytes = b"", size: tuple[int, int] = (16, 12), screen: tuple[int, int] = (16, 12)
) -> bytes:
    """Return a GIF of one gray frame."""
    descriptor = b"\x2c" + struct.pack("<HHHHB", 0, 0, *size, 0)
    body = encoded(still().convert("L"), "GIF").rpartition(struct.pack("<HHHHB", 0, 0, 16, 12, 0))[
        2
    ]
    return (
        b"GIF89a"
        + struct.pack("<HHBBB", *screen, 0x80, 0, 0)
        + bytes(6)
        + extensions
        + descriptor
        + body
    )


def disposal(method: int, transparent: bool = False) -> bytes:
    """Return the extension that tells how to dispose of a frame before the next one."""
    return b"\x21\xf9\x04" + bytes([method << 2 | transparent, 0, 0, 0, 0])


def bmp(width: int, height: int, compression: int = 0, body: bytes = b"") -> bytes:
    """Return an 8-bit BMP."""
    header = struct.pack(
        "<IiiHHIIiiII", 40, width, height, 1, 8, compression, len(body), 0, 0, 256, 0
    )
    return b"BM" + struct.pack("<IHHI", 1078 + len(body), 0, 0, 1078) + header + bytes(1024) + body


def webp(inner: tuple[int, int], canvas: tuple[int, int]) -> bytes:
    """Return a lossless WebP of one size in a canvas of another."""
    bits = struct.pack("<I", inner[0] - 1 | (inner[1] - 1) << 14)
    chunks = (
        b"VP8X\x0a\0\0\0" + bytes(4) + b"".join((side - 1).to_bytes(3, "little") for side in canvas)
    )
    chunks += b"VP8L\x40\0\0\0\x2f" + bits + bytes(59)
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks


def avif(declared: tuple[int, int], side: int = 16) -> bytes:
    """Return a black AVIF, `side` × `side`, that declares another size."""
    data = encoded(Image.new("L", (side, side)), "AVIF", speed=10, quality=1)
    return data.replace(struct.pack(">II", side, side), struct.pack(">II", *declared))


def frames(kind: str, number: int) -> bytes:
    """Return an animation by Pillow; each frame differs from the one before."""
    images = [Image.new("L", (16, 12), frame % 2 * 255) for frame in range(number)]
    file = io.BytesIO()
    images[0].save(file, kind, save_all=True, append_images=images[1:], duration=10)
    return file.getvalue()
